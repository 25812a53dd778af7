"""What the tests of set-up share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from setup.layout import Layout

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def ours(tmp_path: Path) -> Layout:
    """A prefix in which nothing is installed."""
    made = Layout(tmp_path / "p", tmp_path / "cache")
    made.create(need=0)
    return made
