"""Read a workflow of Oozie."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from azkaban_client.errors import InvalidProject
from azkaban_client.flow.imports.draft import DraftJob, shell

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

    from azkaban_client.flow.imports.draft import Draft

__all__ = ["read"]

_FS_SETTINGS = ("name-node", "job-xml", "configuration")


def read(text: str, draft: Draft) -> None:
    """Read the actions, and what leads from one to the next when all goes well."""
    root = _parse(text, draft.name)
    for one in root.iter():
        if _kind(one) == "property" and _text(one, "name"):
            draft.properties.setdefault(_text(one, "name"), _text(one, "value"))
    nodes = {one.get("name", ""): one for one in root if one.get("name")}
    kills = {key for key, node in nodes.items() if _kind(node) == "kill"}
    actions = {key: node for key, node in nodes.items() if _kind(node) == "action"}
    names = {key: draft.add(key, DraftJob()) for key in actions}
    before: dict[str, list[str]] = {}
    for key, node in nodes.items():
        for target in _next(draft, key, node, kills):
            before.setdefault(target, []).append(key)
    for key, node in actions.items():
        _fill(draft, names[key], node)
        draft.jobs[names[key]].dependencies = _givers(key, names, before)
    flow = draft.close(root.get("name") or draft.name)
    draft.losses.exact("actions and transitions", f"{len(names)} jobs of the flow {flow}")


def _parse(text: str, name: str) -> Element:
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise InvalidProject(f"{name}: has a DOCTYPE, which no workflow needs: take it out")
    try:
        root = ET.fromstring(text)  # noqa: S314 (no entities, see above)
    except ET.ParseError as error:
        raise InvalidProject(f"{name}: no XML: {error}") from error
    if _kind(root) != "workflow-app":
        raise InvalidProject(f"{name}: expected <workflow-app>, not <{_kind(root)}>")
    return root


def _givers(key: str, names: dict[str, str], before: dict[str, list[str]]) -> list[str]:
    """Return the actions right before one, through forks, joins and decisions."""
    found: set[str] = set()
    todo, seen = list(before.get(key, [])), {key}
    while todo:
        one = todo.pop()
        if one in seen:
            continue
        seen.add(one)
        if one in names:
            found.add(names[one])
        else:
            todo += before.get(one, [])
    return sorted(found)


def _kind(node: Element) -> str:
    return node.tag.rpartition("}")[2]


def _child(node: Element, kind: str) -> Element | None:
    return next((one for one in node if _kind(one) == kind), None)


def _text(node: Element, kind: str) -> str:
    child = _child(node, kind)
    return (child.text or "").strip() if child is not None else ""


def _next(draft: Draft, name: str, node: Element, kills: set[str]) -> list[str]:
    kind = _kind(node)
    if kind == "action":
        error = _child(node, "error")
        target = error.get("to", "") if error is not None else ""
        if target and target not in kills:
            words = f"goes on to {target} after an error: on Azkaban the flow fails"
            draft.losses.lost("error transition", words, name)
        ok = _child(node, "ok")
        return [ok.get("to", "")] if ok is not None else []
    if kind == "fork":
        return [one.get("start", "") for one in node if _kind(one) == "path"]
    if kind == "join":
        return [node.get("to", "")]
    if kind == "decision":
        draft.losses.lost("decision", "all its ways are taken: set conditions in Flow 2.0", name)
        return [one.get("to", "") for one in node.iter() if one.get("to")]
    return []


def _fill(draft: Draft, name: str, node: Element) -> None:
    """Read an action; one that is no shell is run by the program that Hadoop has for it."""
    job = draft.jobs[name]
    action = next((one for one in node if _kind(one) not in ("ok", "error")), None)
    kind = _kind(action) if action is not None else ""
    if action is not None and kind in ("shell", "ssh"):
        words = [_text(action, "exec") or _text(action, "command")]
        words += [(one.text or "").strip() for one in action if _kind(one) in ("argument", "args")]
        for one in action:
            if _kind(one) == "env-var":
                key, _, value = (one.text or "").strip().partition("=")
                job.properties[f"env.{key}"] = value
        job.command = " ".join(map(_word, words))
        draft.losses.exact("shell action", job.command, name)
    elif action is not None and kind == "spark":
        words = ["spark-submit", "--master", _text(action, "master") or "yarn"]
        if _text(action, "class"):
            words += ["--class", _text(action, "class")]
        words += [*_text(action, "spark-opts").split(), _text(action, "jar")]
        words += [(one.text or "").strip() for one in action if _kind(one) == "arg"]
        job.command = " ".join(words)
        draft.losses.approximated("spark action", job.command, name)
    elif action is not None and kind == "fs":
        steps = [one for one in action if _kind(one) not in _FS_SETTINGS]
        commands = [_fs(one) for one in steps]
        job.command = shell(draft, name, " && ".join(commands) or "true", refers=True)
        said = [f"{_kind(one)} {one.get('path') or one.get('source', '')}" for one in steps]
        draft.losses.approximated("fs action", "; ".join(said), name)
        if unknown := sorted({_kind(one) for one in steps if _fs(one) == "false"}):
            draft.losses.lost("fs action", f"{', '.join(unknown)}: the job fails there", name)
    else:
        job.note = f"Of Oozie: an action of the kind {kind or 'none'}, which is to be written."
        draft.losses.lost(
            f"{kind or 'empty'} action", "a job that does nothing is in its place", name
        )


def _word(text: str) -> str:
    """Quote a word of a command, which Azkaban splits at spaces and without escapes."""
    if " " not in text and '"' not in text and "'" not in text:
        return text
    quote = "'" if '"' in text else '"'
    return f"{quote}{text}{quote}"


def _fs(step: Element) -> str:
    path = step.get("path", "")
    return {
        "mkdir": f"hdfs dfs -mkdir -p {path}",
        "delete": f"hdfs dfs -rm -r -f {path}",
        "move": f"hdfs dfs -mv {step.get('source', '')} {step.get('target', '')}",
        "chmod": f"hdfs dfs -chmod {step.get('permissions', '')} {path}",
        "touchz": f"hdfs dfs -touchz {path}",
    }.get(_kind(step), "false")
