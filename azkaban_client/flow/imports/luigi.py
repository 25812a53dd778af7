"""Read tasks of Luigi: each becomes a job that has Luigi run this one task."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from azkaban_client.flow.imports.code import Constants, dotted, keywords
from azkaban_client.flow.imports.draft import DraftJob

if TYPE_CHECKING:
    from collections.abc import Iterator

    from azkaban_client.flow.imports.draft import Draft

__all__ = ["read"]

_TASKS = {"Task", "ExternalTask", "WrapperTask", "Config"}


def read(text: str, draft: Draft) -> None:
    """Read the tasks of a module; its file goes beside the jobs."""
    tree = ast.parse(text)
    constants = Constants()
    constants.learn(tree)
    classes = {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}
    tasks = {
        name: node
        for name, node in classes.items()
        if _is_task(node, classes) and any(isinstance(one, ast.FunctionDef) for one in node.body)
    }  # what has no method is what others are made from
    module = draft.name
    names = {name: draft.add(name, DraftJob()) for name in tasks}
    for name, node in tasks.items():
        job = draft.jobs[names[name]]
        words = ["${python}", "-m", "luigi", "--module", module, name, "--local-scheduler"]
        for parameter, default in _parameters(node, classes, constants):
            key = f"{name}.{parameter}"
            draft.properties.setdefault(key, default)
            words += [f"--{parameter.replace('_', '-')}", f'"${{{key}}}"']
        job.command = " ".join(words)
        job.properties["env.PYTHONPATH"] = "."
        job.properties["env.LUIGI_CONFIG_PARSER"] = "cfg"
        job.dependencies = [names[one] for one in _requires(node, classes) if one in names]
        _note(draft, name, node)
    if tasks:
        draft.scripts[f"{module}.py"] = text
        draft.losses.exact("tasks and requires", f"{len(tasks)} jobs; Luigi skips what is complete")
        draft.losses.approximated(
            "parameters", "properties TASK.NAME: what one task passes to another is set by hand"
        )


def _is_task(node: ast.ClassDef, classes: dict[str, ast.ClassDef], depth: int = 0) -> bool:
    for base in node.bases:
        name = dotted(base)
        if name.rpartition(".")[2] in _TASKS - {"Config"} and name.startswith("luigi."):
            return True
        if name in classes and depth < len(classes) and _is_task(classes[name], classes, depth + 1):
            return True
        if "." not in name and name in ("Task", "ExternalTask", "WrapperTask"):
            return True
    return False


def _line(node: ast.ClassDef, classes: dict[str, ast.ClassDef]) -> Iterator[ast.ClassDef]:
    """Yield a class and those that it is made from, within the module."""
    todo, seen = [node], {node.name}
    while todo:
        one = todo.pop(0)
        yield one
        for base in map(dotted, one.bases):
            if base in classes and base not in seen:
                seen.add(base)
                todo.append(classes[base])


def _parameters(
    node: ast.ClassDef, classes: dict[str, ast.ClassDef], constants: Constants
) -> Iterator[tuple[str, str]]:
    for one in _line(node, classes):
        for statement in one.body:
            if not isinstance(statement, ast.Assign) or not isinstance(statement.value, ast.Call):
                continue
            if dotted(statement.value.func).rpartition(".")[2].endswith("Parameter"):
                default = keywords(constants, statement.value).get("default", "")
                for target in statement.targets:
                    if isinstance(target, ast.Name):
                        yield target.id, "" if default is None else str(default)


def _requires(node: ast.ClassDef, classes: dict[str, ast.ClassDef]) -> list[str]:
    """List the tasks that ``requires`` names: ``X()``, ``self.clone(X)``."""
    for one in _line(node, classes):
        for function in one.body:
            if isinstance(function, ast.FunctionDef) and function.name == "requires":
                found: dict[str, None] = {}
                for call in ast.walk(function):
                    if isinstance(call, ast.Call):
                        called = dotted(call.func)
                        if called == "self.clone" and call.args:
                            called = dotted(call.args[0])
                        found[called] = None
                return list(found)
    return []


def _note(draft: Draft, name: str, node: ast.ClassDef) -> None:
    for function in node.body:
        if not isinstance(function, ast.FunctionDef):
            continue
        if function.name == "requires" and any(
            isinstance(one, ast.For | ast.comprehension | ast.If) for one in ast.walk(function)
        ):
            words = "each task that it names is one job, whatever it is called with"
            draft.losses.approximated("requires in a loop", words, name)
        if function.name == "run" and any(isinstance(one, ast.Yield) for one in ast.walk(function)):
            words = "tasks that a run asks for are run by Luigi within this job"
            draft.losses.approximated("dynamic dependencies", words, name)
    decorators = {dotted(one.func if isinstance(one, ast.Call) else one) for one in
                  node.decorator_list}  # fmt: skip
    if decorators & {"requires", "inherits", "luigi.util.requires", "luigi.util.inherits"}:
        draft.losses.lost("@requires", "write requires() in the class", name)
