"""Programs that are run for what they print."""

from __future__ import annotations

from typing import TYPE_CHECKING

from azkaban_client.programs import captured, runs

if TYPE_CHECKING:
    from pathlib import Path


def test_what_is_in_no_encoding_is_kept_as_far_as_it_goes() -> None:
    done = captured(["sh", "-c", r"printf 'caf\351'; printf '\377' >&2; exit 3"])
    assert (done.returncode, done.stdout, done.stderr) == (3, "caf\ufffd", "\ufffd")


def test_nobody_is_asked() -> None:
    assert captured(["cat"]).stdout == ""
    assert captured(["cat"], input="given").stdout == "given"


def test_what_does_not_start_does_not_run(tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.write_text("#!/bin/sh\n")
    assert not runs([script])
    script.chmod(0o755)
    assert runs([script])
