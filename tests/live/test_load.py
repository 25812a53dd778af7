"""Many at once, over TLS on MySQL: none fails and none is lost. `benchmarks/load` tries more."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

from benchmarks.load.crowd import Crowd, executions, uploads

if TYPE_CHECKING:
    from pathlib import Path

    from tests.live.conftest import LiveAzkaban

NONE = {"failed": 0, "unfinished": 0, "lost": 0, "errors": []}


def test_many_at_once_beside_idle_clients(split: LiveAzkaban, tmp_path: Path) -> None:
    crowd = Crowd(split.config, 60.0)
    with ExitStack() as idle:
        for _ in range(40):  # each keeps its connection
            idle.enter_context(crowd.client()).projects()
        sent = uploads(crowd, 25, tmp_path)
        started = executions(crowd, 20, tmp_path)
    assert {key: sent[key] for key in NONE} == NONE
    assert {key: started[key] for key in NONE} == NONE
    assert started["not asked for"] == 0
