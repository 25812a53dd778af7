"""A bill of materials in CycloneDX: every package and jar that set-up installs.

Scanners read it: the pins in ``setup/locks`` and ``versions.toml`` are turned into components with
package URLs and hashes. Known vulnerabilities, and what contains them, are added
(CycloneDX calls that VEX); they are in ``vulnerabilities.toml``.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from setup import maven
from setup.python.installer import LOCKS

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["components", "document", "vulnerabilities"]

_PIN = re.compile(r"^([A-Za-z0-9._-]+)==([^ ;\\]+)", re.MULTILINE)
_HASH = re.compile(r"sha256:([0-9a-f]{64})")


def document() -> dict[str, Any]:
    """Make the CycloneDX 1.6 document, as JSON takes it.

    Examples
    --------
    >>> bom = document()
    >>> bom["bomFormat"], len(bom["components"]) > 50
    ('CycloneDX', True)
    """
    project = tomllib.loads((LOCKS.parents[1] / "pyproject.toml").read_text())["project"]
    subject = {"type": "application", "name": project["name"], "version": project["version"]}
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": {**subject, "licenses": [{"expression": project["license"]}]}},
        "components": list(components()),
        "vulnerabilities": list(vulnerabilities()),
    }


def components() -> Iterator[dict[str, Any]]:
    """List the Python packages of all locks, then the jars of all sections."""
    seen = set()
    for lock in sorted(LOCKS.glob("*.txt")):
        for component in _packages(lock):
            if component["purl"] not in seen:
                seen.add(component["purl"])
                yield component
    pins = _data("versions.toml")
    for section, content in pins.items():
        for jar in maven.pinned(section) if "jars" in content else ():
            yield _maven(jar.coordinate, jar.sha256, jar.licence, section)
    for pin in pins["mysql"].values():
        if "coordinate" in pin:
            yield _maven(pin["coordinate"], pin["sha256"], pin["licence"], "mysql")
        else:
            kind = "pypi" if "==" in pin["package"] else "npm"
            name, version = re.split("==|@", pin["package"])
            yield {
                **_component(f"pkg:{kind}/{name}@{version}", name, version, "mysql"),
                "hashes": [{"alg": "SHA-256", "content": pin["sha256"]}],
                "licenses": [{"expression": pin["licence"]}],
            }


def vulnerabilities() -> Iterator[dict[str, Any]]:
    """List the components' known vulnerabilities, each with its state and what contains it."""
    found = {component["name"]: component["purl"] for component in components()}
    data = _data("vulnerabilities.toml")
    for entry in (*data["fixed"], *data["open"]):
        if "instead_of" in entry:
            detail = f"pinned in a release with the fix, instead of {entry['instead_of']}"
            analysis = {"state": "resolved", "response": ["update"], "detail": detail}
        else:
            analysis = {k: entry[k] for k in ("state", "justification", "response") if k in entry}
            analysis["detail"] = f"{entry['what']}; contained: {entry['measure']}"
        for name in entry["ids"]:
            yield _vulnerability(name, found[entry["component"]], analysis)


def _vulnerability(name: str, component: str, analysis: dict[str, Any]) -> dict[str, Any]:
    return {
        "bom-ref": f"{name} in {component}",
        "id": name,
        "source": {"name": "NVD", "url": f"https://nvd.nist.gov/vuln/detail/{name}"},
        "affects": [{"ref": component}],
        "analysis": analysis,
    }


def _data(name: str) -> dict[str, Any]:
    return tomllib.loads(Path(__file__).with_name(name).read_text(encoding="utf-8"))


def _component(purl: str, name: str, version: str, section: str) -> dict[str, Any]:
    return {
        "type": "library",
        "bom-ref": purl,
        "name": name,
        "version": version,
        "purl": purl,
        "properties": [{"name": "azkaban-jobflow:section", "value": section}],
    }


def _maven(coordinate: str, sha256: str, licence: str, section: str) -> dict[str, Any]:
    group, artifact, version, *classifier = coordinate.split(":")
    suffix = "".join(f"?classifier={name}" for name in classifier)
    return {
        **_component(f"pkg:maven/{group}/{artifact}@{version}{suffix}", artifact, version, section),
        "group": group,
        "hashes": [{"alg": "SHA-256", "content": sha256}],
        "licenses": [{"expression": licence}],
    }


def _packages(lock: Path) -> Iterator[dict[str, Any]]:
    """Read the pins of one lock; a package has one hash for each of its wheels."""
    text = lock.read_text()
    pins = list(_PIN.finditer(text))
    ends = [pin.start() for pin in pins[1:]] + [len(text)]
    for pin, end in zip(pins, ends, strict=True):
        name, version = pin[1].lower(), pin[2]
        hashes = _HASH.findall(text[pin.end() : end])
        yield {
            **_component(f"pkg:pypi/{name}@{version}", name, version, lock.stem),
            "hashes": [{"alg": "SHA-256", "content": value} for value in hashes],
        }
