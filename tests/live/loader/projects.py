"""Random projects, valid ones and broken ones, for the linter and the loaders to judge."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

Files = dict[str, str]

# -- Flow 1.0 --------------------------------------------------------------------------------


# Commands that may do their work, in every position of a script; {} is the folder of the job.
_COMMANDS = (
    ("command=echo ${greet}",),
    ("command=python3 -u s.py",),
    ("command=env A=1 python3 -Wd ./s.py --n 3",),
    ("command=python3 -um pack.s",),
    ("command=python3 pack",),
    ("command=bash -eu s.sh",),
    ("command=nice -n 5 sh ./s.sh x",),
    ("command=python3 /opt/gone.py",),
    ("command=python3 -m installed.tool",),
    ("command=python3 -c 'import gone'",),
    ("working.dir=/srv/app", "command=python3 gone.py"),
    ("working.dir=${greet}", "command=./gone.sh"),
    ("command=cp s.py gone.py", "command.1=python3 gone.py"),
    ("command=python3 ${greet}",),
)
_SCRIPTS = ("s.py", "s.sh", "pack/__init__.py", "pack/__main__.py", "pack/s.py")


def flow_1(rng: random.Random) -> Files:
    """Make a valid project: jobs in some folders, embedded flows, shared properties."""
    files = {"shared.properties": "greet=hello\n"}
    folders = ["", "d/", "d/e/", "f/"]
    names: list[str] = []
    for number in range(rng.randint(1, 7)):
        name = f"{rng.choice('abc')}{rng.choice(['-', '_', '.', ''])}{number}"
        lines = [f"type={rng.choice(['noop', 'command', 'javaprocess'])}", *rng.choice(_COMMANDS)]
        if names and rng.random() < 0.7:
            wanted = rng.sample(names, rng.randint(1, min(3, len(names))))
            lines.append(f"dependencies={rng.choice([',', ' , ', ',,']).join(wanted)}")
        folder = rng.choice(folders)
        files[f"{folder}{name}.job"] = "\n".join(lines) + "\n"
        files |= {f"{folder}{script}": "" for script in _SCRIPTS}
        names.append(name)
    if rng.random() < 0.4:
        files["end.job"] = "type=noop\n"
        files[f"{rng.choice(folders)}embed.job"] = "type=flow\nflow.name=end\n"
    if rng.random() < 0.3:
        files["d/deep.properties"] = "type=noop\n"
    return files


def break_flow_1(rng: random.Random, files: Files) -> Files:
    """Break it in one way, or not at all."""
    files = dict(files)
    jobs = [name for name in files if name.endswith(".job")]
    name = rng.choice(jobs)
    kinds = ["drop", "type", "duplicate", "missing", "self", "flow", "rename", "callback", "none"]
    kind = rng.choice(kinds)
    if kind == "drop":
        del files[name]
    elif kind == "type":
        files[name] = files[name].replace("type=", "tipe=")
    elif kind == "duplicate":
        files[f"g/{name.rsplit('/', 1)[-1]}"] = "type=noop\n"
    elif kind == "missing":
        files[name] += "dependencies=nosuch\n"
    elif kind == "self":
        files[name] += f"dependencies={name.rsplit('/', 1)[-1][:-4]}\n"
    elif kind == "flow":
        files["x.job"] = f"type=flow\nflow.name={rng.choice(['nosuch', 'end', '', 'x'])}\n"
    elif kind == "callback":
        place = rng.choice([name, "shared.properties"])
        files[place] += "".join(f"{key}={value}\n" for key, value in callback(rng).items())
    elif kind == "rename":
        files[f"{name[:-4]}x.job"] = files.pop(name)
    return files if any(n.endswith(".job") for n in files) else flow_1(rng)


def callback(rng: random.Random) -> dict[str, str]:
    """Make properties of job callbacks, of which most are refused."""
    stem = f"job.notification.{rng.choice(['started', 'completed', 'failed'])}"
    found = {f"{stem}.{rng.choice([0, 1, 1, 2])}.url": rng.choice(["http://x/?{job}", "y", ""])}
    found[f"{stem}.1.method"] = rng.choice(["POST", "POST", "GET", "PUT", "post"])
    if rng.random() < 0.5:
        found[f"{stem}.1.body"] = "b" * rng.choice([0, 4096, 4097])
    return found


# -- Flow 2.0 --------------------------------------------------------------------------------

_TEXTS = (
    "010", "yes", "off", "1.50", "2001-01-01", "~", "null", "0x1F", "1_000", "a b", "ü 😀",
    "''", "1:30", "'${flow}'", "'${flow}-${n-a.x}'", '"x\\ty"', "1e3", "'it''s'",
)  # fmt: skip
_KINDS = ("noop", "command", "javaprocess", "java", "spark", "hive")


class Plain(str):
    """A text that is written as it stands, without quotes of the writer's choice."""

    __slots__ = ()


def _write(data: Any, indent: int = 0) -> str:
    """Write YAML by hand: the values must reach the parsers exactly as they stand here."""
    pad = "  " * indent
    if isinstance(data, dict):
        if not data:
            return f"{pad}{{}}\n"
        lines = []
        for key, value in data.items():
            if isinstance(value, (dict, list)):
                lines.append(f"{pad}{key}:\n{_write(value, indent + 1)}")
            else:
                lines.append(f"{pad}{key}: {_scalar(value)}\n")
        return "".join(lines)
    if isinstance(data, list):
        if not data:
            return f"{pad}[]\n"
        lines = []
        for item in data:
            if isinstance(item, (dict, list)) and item:
                lines.append(f"{pad}- {_write(item, indent + 1).lstrip()}")
            else:
                lines.append(f"{pad}- {_scalar(item)}\n")
        return "".join(lines)
    return f"{pad}{_scalar(data)}\n"


def _scalar(value: Any) -> str:
    if isinstance(value, Plain) or value in ([], {}):
        return str(value)
    if value is None:
        return ""
    return yaml.safe_dump(value, default_style='"', width=10**6).strip()


def condition(rng: random.Random, before: list[str]) -> str:
    """Make a condition that holds or not; `before` are the jobs that have run by then."""

    def value() -> str:
        if before and rng.random() < 0.6:
            return f"${{{rng.choice(before)}:{rng.choice(['n', 'x.y', 'rows'])}}}"
        return rng.choice(["1", "20", "'a b'", '"x"', "''"])

    def comparison() -> str:
        return f"{value()} {rng.choice(['==', '!=', '<', '>'])} {value()}"

    def some(depth: int) -> str:
        kind = rng.random()
        if depth == 0 or kind < 0.5:
            return comparison()
        if kind < 0.7:
            return f"({some(depth - 1)})"
        if kind < 0.8:
            return f"!({comparison()})"
        return (
            f"{some(depth - 1)} {rng.choice(['&&', '||'])}{rng.choice([' ', ''])}{some(depth - 1)}"
        )

    macro = rng.choice(["all_success", "one_success", "ONE_FAILED", "all_done", "all_failed"])
    return rng.choice([macro, some(2), f"{macro} && {some(1)}", f"({some(1)}) || {macro}"])


def cron(rng: random.Random) -> str:
    """Make a cron expression that is one most of the time."""

    def item(low: int, high: int, *words: str) -> str:
        a, b = rng.randint(low, high), rng.randint(low, high)
        return rng.choice(
            ["*", str(a), f"{a}-{b}", f"*/{max(b, 1)}", f"{a}/{max(b, 1)}", f"{a},{b}", *words]
        )

    days, weekdays = item(1, 31, "L", "LW", "L-3", "15W", "1W"), "?"
    if rng.random() < 0.5:
        days, weekdays = "?", item(1, 7, "MON-FRI", "L", "6L", "6#3", "SUN", "mon,wed", "FRIL")
    fields = [
        "0", item(0, 59), item(0, 23), days, item(1, 12, "JAN", "JAN-MAR", "jun,dec"), weekdays,
        *rng.choice([[], [], [item(2020, 2099)]]),
    ]  # fmt: skip
    if rng.random() < 0.3:
        at = rng.randrange(len(fields))
        fields[at] = rng.choice(["?", "99", "x", "1-", "*/", "5#6", "-1", "MON-", "#"])
    if rng.random() < 0.1:
        fields = fields[:-2]
    return " ".join(fields)


def _nodes(rng: random.Random, depth: int) -> list[dict[str, Any]]:
    nodes: list[dict[str, Any]] = []
    for number in range(rng.randint(1, 5)):
        node: dict[str, Any] = {"name": f"{rng.choice(['a', 'b-', 'c_', 'd.'])}{number}"}
        names = [one["name"] for one in nodes]
        if depth and rng.random() < 0.25:
            node |= {"type": "flow", "nodes": _nodes(rng, depth - 1)}
        else:
            node["type"] = rng.choice(_KINDS)
        if rng.random() < 0.6 or node["type"] == "command":
            node["config"] = {f"k{i}": Plain(rng.choice(_TEXTS)) for i in range(rng.randint(0, 3))}
            if node["type"] == "command":
                settings = dict(one.split("=", 1) for one in rng.choice(_COMMANDS))
                node["config"] |= {k: v.replace("greet", "flow") for k, v in settings.items()}
        if names and rng.random() < 0.7:
            node["dependsOn"] = rng.sample(names, rng.randint(1, min(3, len(names))))
            if rng.random() < 0.5:
                node["condition"] = condition(rng, node["dependsOn"])
        nodes.append(node)
    rng.shuffle(nodes)
    return nodes


def _flow(rng: random.Random) -> dict[str, Any]:
    flow: dict[str, Any] = {"config": {"flow": "of all", "k1": Plain("'${flow}!'")}}
    flow["nodes"] = _nodes(rng, 2)
    return flow


def flow_2(rng: random.Random) -> tuple[Files, dict[str, Any]]:
    """Make a valid project; also give its first flow, to break it."""
    flow = _flow(rng)
    files = {"p.project": "azkaban-flow-version: 2.0\n", "f.flow": _write(flow)}
    files |= dict.fromkeys(_SCRIPTS, "")
    if rng.random() < 0.3:
        files["d/g.flow"] = _write(_flow(rng))
    if rng.random() < 0.2:
        files["notes.properties"] = "x=1\n"
    return files, flow


def _any_node(rng: random.Random, nodes: list[dict[str, Any]]) -> dict[str, Any]:
    found = rng.choice(nodes)
    inner = found.get("nodes")
    deeper = isinstance(inner, list) and inner and rng.random() < 0.6
    return _any_node(rng, inner) if deeper else found


def _set(key: str, *values: Any) -> Callable[[random.Random, dict[str, Any]], None]:
    def change(rng: random.Random, flow: dict[str, Any]) -> None:
        _any_node(rng, flow["nodes"])[key] = copy.deepcopy(rng.choice(values))

    return change


def _callback(rng: random.Random, flow: dict[str, Any]) -> None:
    place = rng.choice([flow, _any_node(rng, flow["nodes"])])
    config = place.get("config")
    place["config"] = {**(config if isinstance(config, dict) else {}), **callback(rng)}


def _drop(key: str) -> Callable[[random.Random, dict[str, Any]], None]:
    def change(rng: random.Random, flow: dict[str, Any]) -> None:
        _any_node(rng, flow["nodes"]).pop(key, None)

    return change


def _bad_condition(rng: random.Random, flow: dict[str, Any]) -> None:
    """Put together pieces of conditions at random."""
    node = _any_node(rng, flow["nodes"])
    pieces = [
        "==", "!", "&&", "||", "(", ")", ">", "1", "'a'", "one_success", "all_done", "=", ">=",
        "true", "${nosuch:x}", "${a0:x}", "1.5", "-1", '"b c"', f"${{{node.get('name')}:x}}",
    ]  # fmt: skip
    node["condition"] = " ".join(rng.choices(pieces, k=rng.randint(1, 6)))


def _duplicate(rng: random.Random, flow: dict[str, Any]) -> None:
    flow["nodes"].append({"name": rng.choice(flow["nodes"]).get("name"), "type": "noop"})


def _cycle(rng: random.Random, flow: dict[str, Any]) -> None:
    nodes = [node for node in flow["nodes"] if "name" in node]
    inner = [node["nodes"] for node in nodes if isinstance(node.get("nodes"), list)]
    if inner and rng.random() < 0.5:
        nodes = [node for node in inner[0] if "name" in node]
    for node, other in zip(nodes, [*nodes[1:], *nodes[:1]], strict=True):
        node["dependsOn"] = [other["name"]]


def _trigger(rng: random.Random, flow: dict[str, Any]) -> None:
    trigger: dict[str, Any] = {"schedule": {"type": "cron", "value": cron(rng)}}
    if rng.random() < 0.5:
        trigger["maxWaitMins"] = Plain(rng.choice(["5", "010", "0", "x", "1.5", "-3", "~", "'7'"]))
    if rng.random() < 0.4:
        kinds = [{"name": "d", "type": "kafka", "params": {"t": Plain("1")}},
                 {"name": "e", "type": "kafka", "params": {"t": Plain("2")}},
                 {"name": "d", "type": "hdfs"}, {"name": "g"}, {"type": "hdfs"}]  # fmt: skip
        trigger["triggerDependencies"] = rng.sample(kinds, rng.randint(0, 3))
    if rng.random() < 0.2:
        trigger["schedule"][rng.choice(["type", "extra"])] = "daily"
    flow["trigger"] = trigger


_CHANGES: tuple[Callable[[random.Random, dict[str, Any]], None], ...] = (
    _bad_condition, _bad_condition, _callback, _callback, _duplicate, _cycle,
    _trigger, _trigger, _trigger, _trigger,
    _drop("type"), _drop("name"), _drop("nodes"), _drop("dependsOn"),
    _set("dependsOn", ["nosuch"], ["a0"], [None], [], "a0", {"a": 1}, None),
    _set("type", "flow", None, Plain("1"), {"a": "b"}),
    _set("name", None, "x", Plain("1"), {"a": "b"}),
    _set("nodes", [], None, "x", {"a": "b"}, [{"name": "n", "type": "noop"}]),
    _set("config", None, [], "x", {"k": ["v", "w"]}, {"k": {"a": "b"}}, {}, {"Xmx": "4G"},
         {"Xmx": "1G"}, {"Xms": "much"}, {"Xms": "2048M"}, {"Xmx": "${flow}"}),
    _set("dependson", ["a0"]), _set("trigger", {"schedule": None}, None),
    lambda rng, flow: flow.update(nodes=rng.choice([None, [], "x", {"a": "b"}])),
    lambda _rng, flow: flow.pop("nodes"),
    lambda rng, flow: flow.update(
        rng.choice([{"name": "z"}, {"type": "noop"}, {"jobs": []}, {"condition": "x"}])
    ),
    lambda _rng, _flow: None,
)  # fmt: skip


def break_flow_2(rng: random.Random, files: Files, flow: dict[str, Any]) -> Files:
    """Break it in one or two ways, or not at all."""
    files = dict(files)
    if rng.random() < 0.8:
        flow = copy.deepcopy(flow)
        for _ in range(rng.choice([1, 1, 2])):
            if isinstance(flow.get("nodes"), list) and flow["nodes"]:
                rng.choice(_CHANGES)(rng, flow)
        files["f.flow"] = _write(flow)
    elif rng.random() < 0.5:
        values = ["2", "'2.0'", "1.0", "2.00", "+2.0", "2e0", "x", "", "[2.0]", "2.0 # yes"]
        project = f"azkaban-flow-version: {rng.choice(values)}\n"
        files["p.project"] = rng.choice([project, project, "", "- a\n", "x: 1\n"])
    else:
        name, text = rng.choice(
            [("q.project", "azkaban-flow-version: 2.0\n"), ("e/f.flow", files["f.flow"]),
             ("e/h.flow", files["f.flow"]), ("f.flow", ""), ("f.flow", "nodes: ["),
             ("f.flow", "\tnodes: []\n"), ("f.flow", files["f.flow"] + "---\na: 1\n"),
             ("f.flow", files["f.flow"].replace("nodes:", "nodes: &n", 1)), ("x.job", "x=1\n")]
        )  # fmt: skip
        files[name] = text
    return files
