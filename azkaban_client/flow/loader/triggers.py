"""Triggers of Flow 2.0: a schedule, and perhaps data to wait for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from azkaban_client import cron
from azkaban_client.flow.loader.model import Trigger
from azkaban_client.flow.loader.yaml_file import Value, YamlFile, integer, is_null, show

if TYPE_CHECKING:
    from yaml.nodes import Node

__all__ = ["check_trigger"]


def check_trigger(file: YamlFile, trigger: Value) -> Trigger | None:
    """Note what is wrong with a ``trigger``, as the server would refuse it, and return it."""
    if is_null(trigger.node):
        return None
    keys = ("maxWaitMins", "schedule", "triggerDependencies")
    found = file.mapping(trigger.node, "trigger", keys)
    if found is None:
        return None
    schedule = _check_schedule(file, found.get("schedule"), trigger.line)
    waits = found.get("maxWaitMins")
    waits = None if waits is None or is_null(waits.node) else waits
    if waits is not None:
        minutes = integer(waits.node)
        if minutes is None or minutes < 1:
            words = f"maxWaitMins: {show(waits.node)}: expected a whole number, 1 or more"
            file.error(waits.line, "bad-trigger" if minutes is not None else "wrong-kind", words)
    depends = found.get("triggerDependencies")
    count = 0
    if depends is not None and not is_null(depends.node):
        count = _check_dependencies(file, depends.node)
        if count and waits is None:
            words = "a trigger with triggerDependencies needs maxWaitMins: ..."
            file.error(depends.line, "bad-trigger", words)
    return None if schedule is None else Trigger(schedule, count)


def _check_schedule(file: YamlFile, schedule: Value | None, line: int) -> str | None:
    if schedule is None or is_null(schedule.node):
        file.error(line, "bad-trigger", "a trigger needs schedule: {type: cron, value: ...}")
        return None
    texts = file.texts(schedule, "schedule")
    extra = [key for key in texts if key not in ("type", "value")]
    if extra:
        words = f"schedule: {', '.join(extra)}: only type and value are known"
        file.error(texts[extra[0]].line, "bad-trigger", words)
    kind = file.text(texts.get("type"), "type of schedule")
    if kind != "cron":
        file.error(schedule.line, "bad-trigger", f"schedule: type is {kind}: expected type: cron")
    expression = file.text(texts.get("value"), "value of schedule")
    if expression is None:
        words = "schedule: value is missing: expected a cron expression"
        file.error(schedule.line, "bad-trigger", words)
        return None
    line = texts["value"].line
    try:
        cron.check(expression)
    except ValueError as error:
        file.error(line, "bad-trigger", f"schedule: {expression!r} is no cron expression: {error}")
        return None
    if expression.split()[0] != "0":
        words = f"schedule: {expression!r}: the first field, seconds, must be 0"
        file.error(line, "bad-trigger", words)
    return expression


def _check_dependencies(file: YamlFile, node: Node) -> int:
    names: set[str | None] = set()
    seen: set[tuple[str | None, tuple[tuple[str, str], ...]]] = set()
    count = 0
    for item in file.items(node, "triggerDependencies"):
        count += 1
        keys = file.mapping(item, "a trigger dependency", ("name", "type", "params"))
        if keys is None:
            continue
        name = file.text(keys.get("name"), "name of a trigger dependency")
        kind = file.text(keys.get("type"), "type of a trigger dependency")
        texts = file.texts(keys.get("params"), f"params of {name}")
        for what, value in (("name", name), ("type", kind)):
            if value is None:
                file.error(item, "bad-trigger", f"a trigger dependency has no {what}")
        params = tuple(sorted((key, str(value.node.value)) for key, value in texts.items()))
        if name in names:
            file.error(item, "bad-trigger", f"two trigger dependencies are called {name!r}")
        if (kind, params) in seen:
            words = f"trigger dependency {name!r}: another one waits for the same"
            file.error(item, "bad-trigger", words)
        names.add(name)
        seen.add((kind, params))
    return count
