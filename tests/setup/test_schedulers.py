"""Other schedulers without one of them; with them: tests/live and tests/distribution."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from setup.errors import ServerError
from setup.schedulers.parts import Part
from setup.schedulers.scheduler import Scheduler

if TYPE_CHECKING:
    from setup.layout import Layout


def test_a_part_that_is_to_end_must_end_well(ours: Layout) -> None:
    scheduler = Scheduler(ours, "luigi")
    (scheduler.home / "logs").mkdir(parents=True)
    scheduler._launch(Part("tables", [sys.executable, "-c", "print('made')"], once=True))
    assert scheduler.log("tables").read_text() == "made\n"
    failing = [sys.executable, "-c", "import sys; print('no room'); sys.exit(3)"]
    with pytest.raises(ServerError, match=r"(?s)tables ended with exit code 3; .*no room"):
        scheduler._launch(Part("tables", failing, once=True))
