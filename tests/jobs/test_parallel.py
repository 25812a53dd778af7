"""Training shared out among processes of this machine, as Spark's tasks do it among executors."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import replace
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from core.nn.callbacks import EarlyStopping
from jobs._texts import Corpus
from jobs._training import fit
from jobs.spark._allreduce import Ring, Seat
from jobs.spark._mailbox import Mail, Mailbox
from jobs.spark._parallel import Report, Watch, restore, train
from jobs.spark._shards import hold
from jobs.textclass.train import Params, prepare
from tests.jobs.folder import Folder

if TYPE_CHECKING:
    from multiprocessing.process import BaseProcess

SECRET = b"a secret of this test"
PARAMS = Params(
    data=Path("texts.npz"), cell="gru", embedding=8, hidden=6, dropout=0.0, epochs=5, patience=5,
    batch_size=10, learning_rate=0.01, dtype="float64",
)  # fmt: skip


def corpus() -> Corpus:
    rng = np.random.default_rng(2)
    x = rng.integers(1, 40, (12, 87))
    x[6:, ::2] = 0
    y = (x[0] > 20).astype(np.int64)
    return Corpus(x, y, x[:, :5], y[:5], tuple(map(str, range(40))), ("low", "high"))


def member(params: Params, seat: Seat, mail: Mail, results: Any, *, sharded: bool) -> None:
    texts = corpus()
    if sharded:
        rows = range(seat.rank, 87, seat.size)
        own = [(row, texts.x_train[:, row].astype("<i4").tobytes()) for row in rows]
        texts = hold(own, replace(texts, x_train=texts.x_train[:, :0]))
    results.put(train(params, texts, 7, seat, mail))


def start(
    folder: Path, params: Params, mail: Mail, attempt: int, size: int, *, sharded: bool = False
) -> tuple[list[BaseProcess], Any]:
    folder.mkdir()
    context = get_context("spawn")
    results = context.Queue()
    team = []
    for rank in range(size):
        gather = Folder(folder, rank, size)
        seat = Seat(
            rank=rank, size=size, host="127.0.0.1", secret=SECRET, gather=gather,
            ticket=10 * attempt + rank, seconds=60.0,
        )  # fmt: skip
        work = partial(member, sharded=sharded)
        team.append(context.Process(target=work, args=(params, seat, mail, results)))
    for process in team:
        process.start()
    return team, results


def end(team: list[BaseProcess], results: Any) -> list[Report]:
    reports = [results.get(timeout=60) for _ in team]
    for process in team:
        process.join(30)
        assert process.exitcode == 0
    return sorted(reports, key=lambda report: report.rank)


def alone(params: Params = PARAMS) -> tuple[np.ndarray, dict[str, list[float]]]:
    setting = prepare(params, corpus(), np.random.default_rng(7))
    fit(setting, params, [EarlyStopping(patience=params.patience)])
    return setting.trainer.parameters.values, setting.trainer.history.columns


def kept(file: Path, params: Params = PARAMS) -> tuple[np.ndarray, dict[str, list[float]]]:
    """What the last checkpoint says the model is."""
    setting = prepare(params, corpus(), np.random.default_rng(7))
    stopping = EarlyStopping(patience=params.patience)
    restore(setting, stopping, file.read_bytes())
    stopping.finish(setting.trainer)
    return setting.trainer.parameters.values, setting.trainer.history.columns


def agree(found: tuple[Any, Any], expected: tuple[Any, Any]) -> None:
    assert np.abs(found[0] - expected[0]).max() < 1e-12
    assert found[1].keys() == expected[1].keys()
    for name, column in expected[1].items():
        assert np.abs(np.subtract(found[1][name], column)).max() < 1e-12


def test_three_processes_make_the_model_of_one(tmp_path: Path) -> None:
    file, notes = tmp_path / "checkpoint.npz", []
    with Mailbox("127.0.0.1", SECRET, file, notes.append) as box:
        reports = end(*start(tmp_path / "1", PARAMS, box.mail, 1, size=3))
    agree(kept(file), alone())
    assert len({report.digest for report in reports}) == 1
    assert len(notes) == PARAMS.epochs
    assert notes[-1].startswith("epoch 5: loss ")


@pytest.mark.parametrize("sharded", [False, True])
def test_after_a_loss_all_go_on_from_the_last_checkpoint(tmp_path: Path, *, sharded: bool) -> None:
    params = replace(PARAMS, epochs=40, patience=40)
    file, notes = tmp_path / "checkpoint.npz", []
    with Mailbox("127.0.0.1", SECRET, file, notes.append) as box:
        team, _ = start(tmp_path / "1", params, box.mail, 1, size=2)
        while len(notes) < 3:
            time.sleep(0.005)
        victim = team[1].pid
        assert victim is not None
        os.kill(victim, signal.SIGKILL)
        for process in team:
            process.join(60)
        assert [process.exitcode for process in team] == [1, -signal.SIGKILL]
        before = len(notes)
        assert before < 40
        end(*start(tmp_path / "2", params, box.mail, 2, size=2))
        assert box.attempts == 2
    assert len(notes) == 40  # none was done twice
    agree(kept(file, params), alone(params))


def test_what_cannot_be_trained_ends_everywhere_with_the_reason(tmp_path: Path) -> None:
    params = replace(PARAMS, learning_rate=1e300)
    with Mailbox("127.0.0.1", SECRET, tmp_path / "checkpoint.npz", print) as box:
        reports = end(*start(tmp_path / "1", params, box.mail, 1, size=2))
    for report in reports:
        assert "texts texts.npz: " in report.error
        assert "not finite" in report.error


@pytest.mark.parametrize("epochs", [5, 8])
def test_a_checkpoint_of_the_end_can_be_gone_on_from(tmp_path: Path, epochs: int) -> None:
    file = tmp_path / "checkpoint.npz"
    longer = replace(PARAMS, epochs=epochs, patience=8)
    with Mailbox("127.0.0.1", SECRET, file, print) as box:
        end(*start(tmp_path / "1", replace(longer, epochs=5), box.mail, 1, size=1))
        end(*start(tmp_path / "2", longer, box.mail, 2, size=2))
    agree(kept(file, longer), alone(longer))


class Clock:
    """Time that passes by what is added."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize(
    ("worked", "named"),
    [
        ([2.0, 8.0, 2.1], "task 1 on b"),
        ([9.0, 1.0, 1.0], "task 0 on a"),
        ([2.0, 2.6, 2.1], ""),
        ([0.1, 0.8, 0.1], ""),
    ],
)
def test_who_is_slow_is_told(worked: list[float], named: str) -> None:
    """Three processes, each with its own clock; sums end when the last has come."""
    clock, told = Clock(), []
    for rank in range(3):
        ring = Ring(Seat(rank=rank, size=3, host="", secret=b"", gather=list), 0)
        ring.hosts = ["a", "b", "c"]
        watch = Watch(ring, clock)
        seen: list[float] = []

        def all_reduce(vector: np.ndarray, seen: list[float] = seen) -> None:
            seen[:] = vector
            vector[...] = worked

        ring.all_reduce = all_reduce  # type: ignore[method-assign]
        clock.now += max(worked)
        ring.seconds += max(worked) - worked[rank]
        told.append(watch.epoch())
        assert seen == pytest.approx([own if i == rank else 0 for i, own in enumerate(worked)])
        clock.now += 0.5
        watch.epoch()
        assert seen[rank] == pytest.approx(0.5), "what was before does not count"
    assert told == [told[0]] * 3
    assert (named in told[0]) if named else told[0] == ""
