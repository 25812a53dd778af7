"""Flow 2.0: a ``.project`` file, and flows in YAML."""

from __future__ import annotations

import posixpath
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import yaml

from azkaban_client.flow.loader.model import Flow, Job, Project, in_order
from azkaban_client.flow.loader.problem import Problem
from azkaban_client.flow.loader.properties import Entry, PropertyFile
from azkaban_client.flow.loader.triggers import check_trigger
from azkaban_client.flow.loader.yaml_file import Value, YamlFile, is_null

if TYPE_CHECKING:
    from yaml.nodes import Node

    from azkaban_client.flow.zip import Bundle

__all__ = ["load"]

_KEYS = ("name", "type", "config", "dependsOn", "condition", "nodes", "trigger")
_VERSION = "azkaban-flow-version"


def load(bundle: Bundle) -> Project:
    """Read the ``.flow`` files of a project; each is a flow, and its embedded flows are more."""
    flows: dict[str, Flow] = {}
    problems = _project_files(bundle)
    homes: dict[str, str] = {}
    for name in bundle.visible_names:
        if not name.endswith(".flow"):
            continue
        flow = posixpath.basename(name).removesuffix(".flow")
        if flow in homes:
            problems.append(
                Problem(
                    name,
                    None,
                    "duplicate-flow",
                    f"the flow {flow!r} is there twice ({homes[flow]}, {name}): rename one file",
                )
            )
            continue
        homes[flow] = name
        reader = _Reader(YamlFile(name), flow)
        reader.read(bundle.read(name))
        flows |= reader.flows
        problems += reader.file.problems
    return Project(version=2, flows=flows, problems=tuple(problems))


def _project_files(bundle: Bundle) -> list[Problem]:
    names = [name for name in bundle.visible_names if name.endswith(".project")]
    problems: list[Problem] = []
    for number, name in enumerate(names):
        file = YamlFile(name)
        _check_version(file, bundle.read(name))
        problems += file.problems
        same = [one for one in names[:number] if posixpath.dirname(one) == posixpath.dirname(name)]
        if same:
            words = f"{same[0]} is there already: a project has one .project file"
            problems.append(Problem(name, None, "two-project-files", words))
    return problems


def _check_version(file: YamlFile, data: bytes) -> None:
    root = file.compose(data)
    wanted = f"expected {_VERSION}: 2.0"
    if root is None or is_null(root):
        if not file.problems:
            file.error(None, "no-version", f"the file is empty: {wanted}")
        return
    found = file.mapping(root, "the project")
    if found is None:
        return
    value = found.get(_VERSION)
    if value is None:
        file.error(None, "no-version", f"{_VERSION} is missing: {wanted}")
    elif not _is_two(value.node):
        shown = file.text(value, _VERSION)
        file.error(value.line, "bad-version", f"{_VERSION}: {shown!r} is not taken: {wanted}")


def _is_two(node: Node) -> bool:
    """Tell whether a value is 2.0 and not ``2`` or ``"2.0"``, which the server refuses."""
    if not isinstance(node, yaml.ScalarNode):
        return False
    try:
        number = float(node.value.replace("_", ""))
    except ValueError:
        return False
    plain = node.style is None and any(sign in node.value for sign in ".eE")
    return number == 2.0 and (plain or node.tag.endswith(":float"))


@dataclass
class _Reader:
    """Reads one ``.flow`` file."""

    file: YamlFile
    name: str
    flows: dict[str, Flow] = field(default_factory=dict)

    def read(self, data: bytes) -> None:
        root = self.file.compose(data)
        if root is None or is_null(root):
            if not self.file.problems:
                self.file.error(None, "no-nodes", "the file is empty: expected nodes: ...")
            return
        keys = self.file.mapping(root, f"flow {self.name}", _KEYS)
        if keys is None:
            return
        for key in ("name", "type", "dependsOn", "condition"):
            if key in keys:
                self.file.warn(
                    keys[key].line,
                    "ignored-key",
                    f"{key!r} of the whole flow has no effect: its name is the file's",
                )
        trigger = check_trigger(self.file, keys["trigger"]) if "trigger" in keys else None
        self._flow(self.name, keys, (), (), top=True)
        if trigger is not None and self.name in self.flows:
            self.flows[self.name] = replace(self.flows[self.name], trigger=trigger)

    def _flow(
        self,
        flow: str,
        keys: dict[str, Value],
        around: tuple[PropertyFile, ...],
        givers: tuple[str, ...],
        *,
        top: bool,
    ) -> None:
        """Read a flow; those within it come first."""
        config = self._config(keys, f"config of {flow}")
        nodes = keys.get("nodes")
        if nodes is None or is_null(nodes.node):
            line = nodes.line if nodes else None
            self.file.error(line, "no-nodes", f"flow {flow} has no nodes: expected nodes: ...")
            return
        jobs: dict[str, Job] = {}
        for item in self.file.items(nodes.node, f"nodes of {flow}"):
            job = self._job(item, flow, (*around, config), givers)
            if job is None:
                continue
            if job.name in jobs:
                self.file.error(
                    item,
                    "duplicate-job",
                    f"the name {job.name!r} is used twice in flow {flow}: rename one",
                )
                continue
            jobs[job.name] = job
        self.flows[flow] = Flow(id=flow, jobs=in_order(jobs), config=config, top=top)

    def _job(
        self, item: Node, flow: str, around: tuple[PropertyFile, ...], givers: tuple[str, ...]
    ) -> Job | None:
        keys = self.file.mapping(item, f"a node of {flow}", _KEYS)
        if keys is None:
            return None
        name = self.file.text(keys.get("name"), "name of a node")
        if name is None:
            self.file.error(item, "no-name", f"a node of {flow} has no name: expected name: ...")
            return None
        if ":" in name:
            words = f"the name {name!r} holds ':', with which Azkaban joins names: rename it"
            self.file.error(keys["name"].line, "bad-name", words)
        kind = self.file.text(keys.get("type"), f"type of {name}")
        if kind is None:
            words = f"node {name} has no type: expected type: command (or another)"
            self.file.error(item, "no-type", words)
        needs = self._needs(keys, name)
        own = self._config(keys, f"config of {name}")
        embeds = f"{flow}:{name}" if kind == "flow" else None
        if embeds is not None:
            inner = {key: value for key, value in keys.items() if key != "config"}
            self._flow(embeds, inner, (*around, own), (*givers, *needs), top=False)
        elif "nodes" in keys:
            words = f"nodes of {name} have no effect: its type is {kind}, not flow"
            self.file.warn(keys["nodes"].line, "ignored-key", words)
            self._check_form({"nodes": keys["nodes"]})
        if "trigger" in keys:
            words = f"trigger of {name} has no effect: only a whole flow has one"
            self.file.warn(keys["trigger"].line, "ignored-key", words)
            if kind == "flow":
                check_trigger(self.file, keys["trigger"])
            else:
                self._check_form({"trigger": keys["trigger"]})
        return Job(
            name=name,
            type=kind,
            dependencies=needs,
            own=own,
            shared=around,
            lines={"type": item.start_mark.line + 1, **{k: v.line for k, v in keys.items()}},
            givers=(*givers, *needs),
            condition=self.file.text(keys.get("condition"), f"condition of {name}"),
            embeds=embeds,
        )

    def _check_form(self, keys: dict[str, Value]) -> None:
        """Note what the parser refuses, even if the loader does not use it."""
        spare = _Reader(YamlFile(self.file.name), self.name)
        if "trigger" in keys:
            check_trigger(spare.file, keys["trigger"])
        elif not is_null(keys["nodes"].node):
            spare._flow(self.name, keys, (), (), top=False)
        form = [one for one in spare.file.problems if one.rule in ("wrong-kind", "unknown-key")]
        self.file.problems += form

    def _needs(self, keys: dict[str, Value], name: str) -> tuple[str, ...]:
        value = keys.get("dependsOn")
        if value is None or is_null(value.node):
            return ()
        found = []
        for item in self.file.items(value.node, f"dependsOn of {name}"):
            text = self.file.text(Value(item, value.line), f"dependsOn of {name}")
            if text is None and is_null(item):
                self.file.error(item, "missing-dependency", f"dependsOn of {name}: a name is empty")
            elif text is not None:
                found.append(text)
        return tuple(found)

    def _config(self, keys: dict[str, Value], what: str) -> PropertyFile:
        texts = self.file.texts(keys.get("config"), what)
        entries = {
            key: Entry("" if is_null(value.node) else str(value.node.value), value.line)
            for key, value in texts.items()
            if isinstance(value.node, yaml.ScalarNode)
        }
        return PropertyFile(self.file.name, entries)
