"""A bill of materials in CycloneDX: every package and jar that set-up installs.

Scanners for known vulnerabilities read it: the pins in ``setup/locks`` and ``versions.toml`` are
turned into components with package URLs and hashes.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from setup import maven
from setup.pyenv import LOCKS

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["components", "document"]

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
    }


def components() -> Iterator[dict[str, Any]]:
    """List the Python packages of all locks, then the jars of all sections."""
    seen = set()
    for lock in sorted(LOCKS.glob("*.txt")):
        for component in _packages(lock):
            if component["purl"] not in seen:
                seen.add(component["purl"])
                yield component
    pins = tomllib.loads(Path(maven.__file__).with_name("versions.toml").read_text())
    for section, content in pins.items():
        for jar in maven.pinned(section) if "jars" in content else ():
            group, artifact, version, *classifier = jar.coordinate.split(":")
            suffix = "".join(f"?classifier={name}" for name in classifier)
            yield {
                "type": "library",
                "group": group,
                "name": artifact,
                "version": version,
                "purl": f"pkg:maven/{group}/{artifact}@{version}{suffix}",
                "hashes": [{"alg": "SHA-256", "content": jar.sha256}],
                "licenses": [{"expression": jar.licence}],
                "properties": [{"name": "azkaban-jobflow:section", "value": section}],
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
            "type": "library",
            "name": name,
            "version": version,
            "purl": f"pkg:pypi/{name}@{version}",
            "hashes": [{"alg": "SHA-256", "content": value} for value in hashes],
            "properties": [{"name": "azkaban-jobflow:section", "value": lock.stem}],
        }
