"""An index of made-up packages on loopback, in which every pinned one has a newer release.

Each package asks for another one with an extra that asks for more than the lock has, as
``coverage[toml]`` does for whoever wants TOML: an installer that resolves stumbles over it.
"""

from __future__ import annotations

import hashlib
import io
import re
import threading
import zipfile
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

from packaging.markers import Marker

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NEWER = "9999.1"
_LINE = re.compile(r"^([A-Za-z0-9._-]+)==(\S+)(?: ; (.*?))? \\$", re.MULTILINE)


class Index:
    """What a server of packages has: files by name, and who asked for what."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.asked: set[str] = set()
        self.url = ""

    def add(self, name: str, version: str, needs: str = "") -> str:
        """Make up a wheel and return its SHA-256."""
        stem = f"{re.sub(r'[-_.]+', '_', name)}-{version}"
        content = wheel(name, version, needs)
        self.files[f"{stem}-py3-none-any.whl"] = content
        return hashlib.sha256(content).hexdigest()

    def lock(self, source: Path, target: Path) -> dict[str, str]:
        """Write a lock like another one, for made-up packages; return what it pins here."""
        found = [match.groups(default="") for match in _LINE.finditer(source.read_text())]
        pins = {name: version for name, version, marker in found if applies(marker)}
        names = [*pins, *pins][1:]
        lines = []
        for other, (name, version) in zip(names, pins.items(), strict=False):
            sha256 = self.add(name, version, f"{other}[extra]" if other != name else "")
            self.add(name, NEWER, f"{other}[extra]>={NEWER}" if other != name else "")
            lines.append(f"{name}=={version} \\\n    --hash=sha256:{sha256}\n")
        self.add("surprise", "1.0")
        target.write_text("".join(lines))
        return {normal(name): version for name, version in pins.items()}

    def write(self, folder: Path) -> Path:
        """Write all the wheels into a folder."""
        folder.mkdir()
        for name, content in self.files.items():
            (folder / name).write_bytes(content)
        return folder


def wheel(name: str, version: str, needs: str = "") -> bytes:
    """Make up a wheel, the same bytes each time."""
    info = f"{re.sub(r'[-_.]+', '_', name)}-{version}.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\nProvides-Extra: extra\n"
    metadata += "Requires-Dist: surprise ; extra == 'extra'\n"
    metadata += f"Requires-Dist: {needs}\n" if needs else ""
    files = {
        f"made_up_{re.sub(r'[-_.]+', '_', name)}.py": f"VERSION = {version!r}\n",
        f"{info}/METADATA": metadata,
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{path},,\n" for path in (*files, f"{info}/RECORD"))
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for path, text in {**files, f"{info}/RECORD": record}.items():
            archive.writestr(zipfile.ZipInfo(path), text)
    return stream.getvalue()


def applies(marker: str) -> bool:
    """Tell whether a requirement is one for this machine and Python."""
    return not marker or Marker(marker).evaluate()


def normal(name: str) -> str:
    """Write a name as indexes do."""
    return re.sub(r"[-_.]+", "-", name).lower()


@contextmanager
def serving(index: Index) -> Iterator[Index]:
    """Serve an index on loopback, as simple as PEP 503 has it."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            kind, name = self.path.strip("/").split("/")[:2]
            if kind == "simple":
                index.asked.add(name)
                found = [file for file in index.files if normal(file.split("-")[0]) == name]
                links = "".join(f'<a href="/files/{file}">{file}</a>\n' for file in found)
                self._answer(links.encode() if found else None, "text/html")
            else:
                self._answer(index.files.get(name), "application/octet-stream")

        def _answer(self, content: bytes | None, kind: str) -> None:
            self.send_response(404 if content is None else 200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content or b"")))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(content or b"")

        do_HEAD = do_GET  # noqa: N815 (as the base class calls it)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        index.url = f"http://127.0.0.1:{server.server_port}/simple"
        try:
            yield index
        finally:
            server.shutdown()
            thread.join()
