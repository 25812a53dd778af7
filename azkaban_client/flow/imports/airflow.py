"""Read a DAG of Airflow: operators that stand in the file, and what is written between them."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from azkaban_client.errors import InvalidProject
from azkaban_client.flow.imports.code import Constants, UnknownError, dotted, keywords
from azkaban_client.flow.imports.draft import DraftJob, shell
from azkaban_client.flow.times import to_quartz
from azkaban_client.when import When

if TYPE_CHECKING:
    from azkaban_client.flow.imports.draft import Draft

__all__ = ["read"]

_NOTHING = {"EmptyOperator", "DummyOperator"}
_PARAM = re.compile(r"\{\{\s*(?:params|dag_run\.conf)(?:\.(\w+)|\[['\"]([\w.]+)['\"]\])\s*\}\}")
_LOST = ("sla", "pool", "trigger_rule", "execution_timeout", "on_failure_callback", "executor")

Ends = tuple[list[str], list[str]]  # the first and the last jobs of a task or of a group


def read(text: str, draft: Draft) -> None:
    """Read the DAG of a file.

    Raises
    ------
    InvalidProject
        It has several.
    """
    tree = ast.parse(text)
    reader = _Reader(draft)
    reader.constants.learn(tree)
    reader.body(tree.body, "")
    if not draft.jobs:
        return
    flow = draft.close(reader.dag or draft.name)
    if reader.schedule is not None:
        _note_schedule(draft, flow, reader.schedule, reader.zone)
    draft.losses.exact("tasks and dependencies", f"{reader.tasks} jobs of the flow {flow}")


def _note_schedule(draft: Draft, flow: str, asked: Any, zone: str | None) -> None:
    try:
        if not isinstance(asked, str):
            raise ValueError("no cron expression")  # noqa: TRY004, TRY301 (of the DAG)
        draft.schedules[flow] = When("cron", to_quartz(asked), zone=zone or "UTC")
        draft.losses.exact("schedule", str(draft.schedules[flow]), str(asked))
    except ValueError as error:
        draft.losses.lost("schedule", str(error), str(asked))


@dataclass
class _Reader:
    """Goes through a file from its top."""

    draft: Draft
    constants: Constants = field(default_factory=Constants)
    dag: str = ""
    schedule: Any = None
    zone: str | None = None
    tasks: int = 0
    defaults: dict[str, Any] = field(default_factory=dict)
    ends: dict[str, Ends] = field(default_factory=dict)  # by the names of variables
    groups: list[list[str]] = field(default_factory=list)

    def body(self, statements: list[ast.stmt], prefix: str) -> None:
        """Read some statements in the group `prefix`."""
        for node in statements:
            if isinstance(node, ast.With):
                self._with(node, prefix)
            elif isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                found = self._made(node.value, prefix)
                names = [one.id for one in targets if isinstance(one, ast.Name)]
                if found is not None:
                    self.ends |= dict.fromkeys(names, found)
            elif isinstance(node, ast.Expr):
                self._expression(node.value, prefix)
            elif isinstance(node, ast.For | ast.While | ast.If) and _makes_tasks(node):
                words = "tasks that are made in a loop or on a condition are not read"
                self.draft.losses.lost("code", words, f"line {node.lineno}")
            elif isinstance(node, ast.FunctionDef) and node.decorator_list:
                self._decorated(node)

    def _with(self, node: ast.With, prefix: str) -> None:
        for item in node.items:
            call = item.context_expr
            name = dotted(call.func).rpartition(".")[2] if isinstance(call, ast.Call) else ""
            if isinstance(call, ast.Call) and name == "DAG":
                self._dag(call, self.draft.name)
                self.body(node.body, prefix)
            elif isinstance(call, ast.Call) and name == "TaskGroup":
                given = keywords(self.constants, call)
                group = str(given.get("group_id") or self._first(call) or "group")
                self.groups.append([])
                self.body(node.body, f"{prefix}{group}.")
                inside = self.groups.pop()
                if self.groups:
                    self.groups[-1] += inside
                if isinstance(item.optional_vars, ast.Name):
                    self.ends[item.optional_vars.id] = self._ends_of(inside)

    def _ends_of(self, inside: list[str]) -> Ends:
        jobs = self.draft.jobs
        needed = {one for name in inside for one in jobs[name].dependencies}
        first = [one for one in inside if not set(jobs[one].dependencies) & set(inside)]
        return first, [one for one in inside if one not in needed]

    def _first(self, call: ast.Call) -> Any:
        try:
            return self.constants.value(call.args[0]) if call.args else None
        except UnknownError:
            return None

    def _dag(self, call: ast.Call, name: str) -> None:
        """Read what a DAG is made with; `name` is its name if it says none."""
        if self.dag:
            raise InvalidProject(
                f"{self.draft.name}: line {call.lineno}: a second DAG: give each a file of its own"
            )
        given = keywords(self.constants, call)
        self.dag = str(given.get("dag_id") or self._first(call) or name)
        self.schedule = given.get("schedule", given.get("schedule_interval"))
        self.zone = self._zone(call)
        self.defaults = _table(given.get("default_args"))
        for key, value in _table(given.get("params")).items():
            self.draft.properties[str(key)] = "" if value is None else str(value)

    def _zone(self, call: ast.Call) -> str | None:
        """Return the time zone in which a DAG counts: that of its start date."""
        start = next((one.value for one in call.keywords if one.arg == "start_date"), None)
        if not isinstance(start, ast.Call):
            return None
        given = keywords(self.constants, start)
        zone = given.get("tz", given.get("tzinfo", given.get("timezone")))
        return zone if isinstance(zone, str) else None

    def _decorated(self, node: ast.FunctionDef) -> None:
        names = {dotted(one.func if isinstance(one, ast.Call) else one) for one in
                 node.decorator_list}  # fmt: skip
        if any(name.rpartition(".")[2] == "task" or ".task" in f".{name}" for name in names):
            words = "a function of Python: write its body as a script, or with the job kit"
            self.draft.losses.lost("@task", words, f"{node.name}, line {node.lineno}")
        elif "dag" in {name.rpartition(".")[2] for name in names}:
            for one in node.decorator_list:
                if isinstance(one, ast.Call) and dotted(one.func).rpartition(".")[2] == "dag":
                    self._dag(one, node.name)
            self.dag = self.dag or node.name
            self.body(node.body, "")

    def _made(self, node: ast.expr, prefix: str) -> Ends | None:
        """Read a task or a DAG that is made here, or some tasks that are named together."""
        if isinstance(node, ast.List | ast.Tuple | ast.BinOp) and self._has_tasks(node):
            return self._ends(node, prefix)
        if not isinstance(node, ast.Call):
            return None
        name = dotted(node.func).rpartition(".")[2]
        if name == "DAG":
            self._dag(node, self.draft.name)
        elif name.endswith(("Operator", "Sensor")):
            made = self._task(node, name, prefix)
            return [made], [made]
        elif _makes_tasks(node):  # BashOperator.partial(...).expand(...)
            words = "tasks that a call makes are not read"
            self.draft.losses.lost("code", words, f"line {node.lineno}")
        return None

    def _has_tasks(self, node: ast.expr) -> bool:
        """Tell whether a list, or what stands between arrows, is of tasks alone."""
        if isinstance(node, ast.List | ast.Tuple):
            return bool(node.elts) and all(map(self._has_tasks, node.elts))
        if isinstance(node, ast.BinOp):
            arrow = isinstance(node.op, ast.RShift | ast.LShift)
            return arrow and self._has_tasks(node.left) and self._has_tasks(node.right)
        return (isinstance(node, ast.Name) and node.id in self.ends) or _is_operator(node)

    def _task(self, call: ast.Call, kind: str, prefix: str) -> str:
        given = {**self.defaults, **keywords(self.constants, call)}
        self.tasks += 1
        job = DraftJob()
        name = self.draft.add(f"{prefix}{given.get('task_id') or self._first(call)}", job)
        if self.groups:
            self.groups[-1].append(name)
        if given.get("retries"):
            job.properties["retries"] = str(given["retries"])
            pause = given.get("retry_delay", 300)
            pause = pause if isinstance(pause, (int, float)) else 300
            job.properties["retry.backoff"] = str(round(pause * 1000))
            self.draft.losses.exact("retries", f"{given['retries']}, after {pause} s", name)
        mail = given.get("email")
        if mail and given.get("email_on_failure", True):
            many = mail if isinstance(mail, list) else [mail]
            job.properties["failure.emails"] = ",".join(map(str, many))
        for lost in _LOST:
            if lost in {one.arg for one in call.keywords} and given.get(lost) != "all_success":
                self.draft.losses.lost(lost, "not on Azkaban's Flow 1.0", name)
        command = given.get("bash_command")
        if kind == "BashOperator" and isinstance(command, str):
            job.command = self._command(name, command)
            job.properties |= {f"env.{k}": str(v) for k, v in _table(given.get("env")).items()}
        elif kind not in _NOTHING:
            job.note = f"Of Airflow: a {kind}, which is to be written as a command."
            words = f"a {kind}: a job that does nothing is in its place"
            self.draft.losses.lost("operator", words, name)
        return name

    def _command(self, name: str, command: str) -> str:
        """Write a command, with Azkaban's references in place of templates."""
        said = _PARAM.sub(lambda found: f"${{{found[1] or found[2]}}}", command)
        for key in _PARAM.findall(command):
            self.draft.properties.setdefault(key[0] or key[1], "")
        if rest := re.findall(r"\{[{%].*?[%}]\}", said):
            self.draft.losses.lost(
                "template", "only params become properties", f"{name}: {rest[0]}"
            )
        return shell(self.draft, name, said, refers=said != command)

    def _expression(self, node: ast.expr, prefix: str) -> None:
        if isinstance(node, ast.BinOp):
            self._ends(node, prefix)
            return
        if not isinstance(node, ast.Call):
            return
        name = dotted(node.func).rpartition(".")[2]
        if name in ("chain", "cross_downstream"):
            ends = [self._ends(one, prefix) for one in node.args]
            for left, right in pairwise(ends):
                self._link(left, right)
        elif (
            name in ("set_downstream", "set_upstream")
            and isinstance(node.func, ast.Attribute)
            and node.args
        ):
            one, other = self._ends(node.func.value, prefix), self._ends(node.args[0], prefix)
            self._link(*((one, other) if name == "set_downstream" else (other, one)))
        else:
            self._made(node, prefix)

    def _ends(self, node: ast.expr, prefix: str) -> Ends:
        """Return the first and last jobs of what is written, and link what stands between."""
        if isinstance(node, ast.Name) and node.id in self.ends:
            return self.ends[node.id]
        if isinstance(node, ast.List | ast.Tuple):
            found = [self._ends(one, prefix) for one in node.elts]
            return [x for one in found for x in one[0]], [x for one in found for x in one[1]]
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.RShift | ast.LShift):
            left, right = self._ends(node.left, prefix), self._ends(node.right, prefix)
            forward = isinstance(node.op, ast.RShift)
            self._link(*((left, right) if forward else (right, left)))
            return (left[0], right[1]) if forward else (right[0], left[1])
        made = self._made(node, prefix)
        if made is None:
            self.draft.losses.lost("dependency", ast.unparse(node), f"line {node.lineno}")
        return made or ([], [])

    def _link(self, left: Ends, right: Ends) -> None:
        for job in right[0]:
            self.draft.jobs[job].dependencies += left[1]


def _table(value: Any) -> dict[Any, Any]:
    return value if isinstance(value, dict) else {}


def _is_operator(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and dotted(node.func).endswith(("Operator", "Sensor"))


def _makes_tasks(node: ast.AST) -> bool:
    """Tell whether operators are called in some code, or in part (``X.partial(...)``)."""
    calls = (one for one in ast.walk(node) if isinstance(one, ast.Call))
    return any(_is_operator(one) or _is_partial(one) for one in calls)


def _is_partial(call: ast.Call) -> bool:
    kind, _, word = dotted(call.func).rpartition(".")
    return word == "partial" and kind.endswith(("Operator", "Sensor"))
