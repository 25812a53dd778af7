"""The bill of materials names everything that is pinned, and nothing twice."""

from __future__ import annotations

import json
import re

from cyclonedx.schema import OutputFormat, SchemaVersion
from cyclonedx.validation import make_schemabased_validator

from setup import bom, cli, maven
from setup.layout import CHECKOUT
from setup.python.installer import LOCKS


def test_every_pin_is_a_component(capsys) -> None:
    assert cli.main(["bom"]) == 0
    document = json.loads(capsys.readouterr().out)
    purls = [component["purl"] for component in document["components"]]
    assert len(purls) == len(set(purls))
    for lock in LOCKS.glob("*.txt"):
        for name, version in re.findall(r"(?m)^([\w.-]+)==([^ ;\\]+)", lock.read_text()):
            assert f"pkg:pypi/{name}@{version}" in purls
    for jar in maven.pinned("azkaban"):
        group, artifact, version = jar.coordinate.split(":")
        assert f"pkg:maven/{group}/{artifact}@{version}" in purls


def test_document_is_valid_cyclonedx() -> None:
    """By the schema of the standard, as its own library holds it."""
    checker = make_schemabased_validator(OutputFormat.JSON, SchemaVersion.V1_6)
    assert checker.validate_str(json.dumps(bom.document())) is None
    broken = {**bom.document(), "vulnerabilities": [{"analysis": {"state": "fine"}}]}
    assert checker.validate_str(json.dumps(broken)) is not None


def test_vulnerabilities_name_components_and_what_contains_them() -> None:
    known = {component["bom-ref"] for component in bom.components()}
    found = list(bom.vulnerabilities())
    assert len({v["bom-ref"] for v in found}) == len(found)
    for vulnerability in found:
        assert re.fullmatch(r"CVE-20\d\d-\d{4,}", vulnerability["id"])
        assert {affected["ref"] for affected in vulnerability["affects"]} <= known
        analysis = vulnerability["analysis"]
        assert analysis["response"]
        if analysis["state"] != "resolved":
            assert "; contained: " in analysis["detail"]
            assert ("justification" in analysis) is (analysis["state"] == "not_affected")


def test_page_tells_the_same_as_the_document() -> None:
    page = (CHECKOUT / "docs/reference/security.md").read_text()
    fixed, _, remaining = page.partition("## What remains")
    by_state = {True: set[str](), False: set[str]()}
    for vulnerability in bom.vulnerabilities():
        by_state[vulnerability["analysis"]["state"] == "resolved"].add(vulnerability["id"])
    assert set(re.findall(r"CVE-\d+-\d+", fixed)) == by_state[True]
    assert set(re.findall(r"CVE-\d+-\d+", remaining)) == by_state[False]


def test_every_component_has_a_hash() -> None:
    for component in bom.components():
        assert component["hashes"], component["purl"]
        assert all(re.fullmatch("[0-9a-f]{64}", h["content"]) for h in component["hashes"])


def test_known_holes_with_a_drop_in_fix_are_fixed() -> None:
    """The floor of each: the first release without the hole that scanners name."""
    floors = {
        "commons-collections": (3, 2, 2),
        "commons-fileupload": (1, 6, 0),
        "commons-io": (2, 14, 0),
        "guava": (32, 0, 0),
        "httpclient": (4, 5, 13),
        "jakarta.mail": (1, 6, 8),
        "reload4j": (1, 2, 22),
        "mysql-connector-java": (5, 1, 49),
    }
    versions = {}
    for jar in maven.pinned("azkaban"):
        _, artifact, version = jar.coordinate.split(":")
        versions[artifact] = tuple(map(int, re.findall(r"\d+", version)[:3]))
    assert "log4j" not in versions
    for artifact, floor in floors.items():
        assert versions[artifact] >= floor, artifact
