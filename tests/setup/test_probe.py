"""What a Java printed, read for why its server does not come up."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from setup.life import probe
from tests.stranger import Stranger, disguised

if TYPE_CHECKING:
    from pathlib import Path

_MAIN = 'Exception in thread "main" java.lang.RuntimeException: outer\n\tat a.B.main(B.java:1)\n'


_CRASH = "A fatal error has been detected by the Java Runtime"
_MEMORY = 'Exception: java.lang.OutOfMemoryError thrown from the handler in "x"'
_CLASS = "Error: Could not find or load main class a.B"
_VM = "Error occurred during initialization of VM"


@pytest.mark.parametrize(
    ("text", "ended", "alive"),
    [
        (_MAIN, "java.lang.RuntimeException: outer", "java.lang.RuntimeException: outer"),
        (
            _MAIN + "Caused by: java.io.IOException: middle\n\t... 3 more\nCaused by: a.C: root\n",
            "java.lang.RuntimeException: outer: a.C: root",
            "java.lang.RuntimeException: outer: a.C: root",
        ),
        (f"{_VM}\nCould not reserve enough space\n", f"{_VM} Could not reserve enough space", ""),
        (_CLASS, _CLASS, ""),
        (f"#\n# {_CRASH}\n", _CRASH, _CRASH),
        (_MEMORY, _MEMORY, _MEMORY),
        ('Exception in thread "worker" java.lang.Error: no\n', "", ""),
        ('Full thread dump OpenJDK\n"main" #1\nException in thread "main" x\n', "", ""),
    ],
)
def test_told(tmp_path: Path, text: str, ended: str, alive: str) -> None:
    """Of a process that goes on, only what leaves no hope counts."""
    path = tmp_path / "out"
    path.write_text("INFO begins\n" + text)
    assert probe.cause(path) == ended
    assert probe.cause(path, ended=False) == alive
    assert probe.cause(tmp_path / "none") == ""


def test_a_server_of_another_account_is_told_no_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "password").write_text("s3cret\n")
    disguised(monkeypatch)
    for pages in (True, False):
        with Stranger() as stranger:
            ends = (("127.0.0.1", stranger.port),)
            endpoint = probe.Endpoint("web", pages, "x", ends, "me", str(tmp_path / "password"))
            assert not endpoint.ready()
            assert endpoint.refusal() == ""
            count, heard = stranger.heard()
            assert (count >= 1, heard) == (True, b"")
