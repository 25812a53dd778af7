"""The commands of README and tutorial, typed in their order by a newcomer."""

from __future__ import annotations

import os
import re
import subprocess
from typing import TYPE_CHECKING

import pytest

from setup.layout import CHECKOUT, Layout

if TYPE_CHECKING:
    from pathlib import Path


def _script(page: str) -> str:
    blocks = re.findall(
        r"^```sh\n(.*?)^```", (CHECKOUT / page).read_text(), re.MULTILINE | re.DOTALL
    )
    # this test runs within `setup test`
    lines = [line for line in "".join(blocks).splitlines() if "setup test" not in line]
    return "set -eux\n" + "\n".join(lines)


@pytest.mark.parametrize("page", ["README.md", "docs/tutorial.md", "docs/distributions.md"])
def test_commands_work(page: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    home = tmp_path_factory.getbasetemp() / "newcomer"  # the tutorial follows the README
    home.mkdir(exist_ok=True)
    environ = {
        k: v
        for k, v in os.environ.items()
        if not k.startswith(("PYTHON", "AZK_", "VIRTUAL_ENV", "XDG_"))
        and k != "PYTEST_CURRENT_TEST"
    }
    environ.update(
        HOME=str(home), AZK_HOME=str(home / "azk"), AZK_CACHE=str(Layout.of().cache), TERM="dumb"
    )
    if allowed := os.environ.get("AZK_ALLOW_ROOT"):
        environ["AZK_ALLOW_ROOT"] = allowed
    result = subprocess.run(
        ["bash", "-c", _script(page)],
        cwd=CHECKOUT,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
        timeout=900,
    )
    assert result.returncode == 0, result.stdout[-3000:] + result.stderr[-3000:]
    assert _left_behind(home) == []


def _left_behind(home: Path) -> list[str]:
    """Nothing but the prefix and what the tutorial itself makes lies in the home folder."""
    known = {"azk", "hello", "runs", ".local", ".cache"}
    return sorted(p.name for p in home.iterdir() if p.name not in known)
