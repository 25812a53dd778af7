"""Everything that set-up downloads is one file of one version, whatever is newer on that day."""

from __future__ import annotations

import hashlib
import re
import threading
import tomllib
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from setup import maven
from setup.python.installer import LOCKS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import pytest

VERSIONS = tomllib.loads((LOCKS.parent / "versions.toml").read_text(encoding="utf-8"))
_EXACT = re.compile(r"(?=.*\d)(?!.*(?:snapshot|latest|release))[\w.-]+", re.IGNORECASE)


def _pins() -> list[dict[str, Any]]:
    found = [jar for section in VERSIONS.values() for jar in section.get("jars", ())]
    return found + list(VERSIONS["mysql"].values())


def test_versions_are_exact_and_files_have_their_hash() -> None:
    assert len(_pins()) > 50
    for pin in _pins():
        name = pin.get("coordinate") or pin["package"]
        version = name.split(":")[2] if "coordinate" in pin else re.split("==|@", name)[-1]
        assert _EXACT.fullmatch(version), name
        assert re.fullmatch(r"[0-9a-f]{64}", pin["sha256"]), name


def test_each_line_of_a_lock_is_one_version_with_hashes() -> None:
    for lock in LOCKS.glob("*.txt"):
        text = lock.read_text().replace("\\\n", " ")
        lines = [line for line in text.splitlines() if line and not line.startswith("#")]
        assert lines, lock
        for line in lines:
            version = re.match(r"[\w.-]+==([^ ]+) .*--hash=sha256:[0-9a-f]{64}", line)
            assert version, f"{lock.name}: {line[:80]}"
            assert _EXACT.fullmatch(version[1].replace("+", "."))


@contextmanager
def _repository(files: dict[str, bytes], asked: list[str]) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            content = files.get(self.path)
            self.send_response(404 if content is None else 200)
            self.send_header("Content-Length", str(len(content or b"")))
            self.end_headers()
            self.wfile.write(content or b"")

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def test_jars_are_those_of_the_pinned_version_whatever_else_a_repository_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its metadata name a newer release, as those of a repository do on a later day."""
    files: dict[str, bytes] = {}
    jars = []
    for pin in (pin for pin in _pins() if "coordinate" in pin):
        group, artifact, version, *classifier = pin["coordinate"].split(":")
        folder = f"/{group.replace('.', '/')}/{artifact}"
        name = "-".join([artifact, "{0}", *classifier]) + ".jar"
        for each in (version, "9999.1"):
            files[f"{folder}/{each}/{name.format(each)}"] = f"{artifact} {each}".encode()
        files[f"{folder}/maven-metadata.xml"] = (
            f"<metadata><groupId>{group}</groupId><artifactId>{artifact}</artifactId><versioning>"
            "<latest>9999.1</latest><release>9999.1</release><versions>"
            f"<version>{version}</version><version>9999.1</version></versions></versioning></metadata>"
        ).encode()
        sha256 = hashlib.sha256(f"{artifact} {version}".encode()).hexdigest()
        jars.append(maven.Jar(pin["coordinate"], sha256, "MIT"))
    jars = list(dict.fromkeys(jars))
    asked: list[str] = []
    with _repository(files, asked) as url:
        monkeypatch.setenv("AZK_MAVEN_REPO", url)
        paths = maven.fetch(jars, tmp_path, lambda _: None)
    for jar, path in zip(jars, paths, strict=True):
        assert hashlib.sha256(path.read_bytes()).hexdigest() == jar.sha256
    assert not [path for path in asked if "9999" in path]
