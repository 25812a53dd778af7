"""When the environment is brought up to date."""

from __future__ import annotations

from typing import TYPE_CHECKING

from setup import pyenv
from setup.layout import Layout

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_a_copied_client_is_renewed_with_its_files_and_an_editable_one_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    layout = Layout(tmp_path / "prefix", tmp_path / "cache")
    layout.env.mkdir(parents=True)
    checkout = tmp_path / "checkout"
    (checkout / "azkaban_client").mkdir(parents=True)
    (checkout / "pyproject.toml").write_text("")
    module = checkout / "azkaban_client" / "one.py"
    module.write_text("1")
    monkeypatch.setattr(pyenv, "CHECKOUT", checkout)
    (layout.env / ".lock-base").write_text(pyenv._digest(layout, "base"))
    assert pyenv.current(layout)
    module.write_text("2")
    assert not pyenv.current(layout)
    (layout.env / ".lock-dev").write_text(pyenv._digest(layout, "dev"))
    (layout.env / ".lock-base").write_text(pyenv._digest(layout, "base"))
    module.write_text("3")
    assert pyenv.current(layout)
    assert pyenv.current(layout, "dev")
