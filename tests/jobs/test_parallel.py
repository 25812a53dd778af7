"""Training shared out among processes of this machine, as Spark's tasks do it among executors."""

from __future__ import annotations

import itertools
import json
import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pytest

from core.nn.callbacks import EarlyStopping
from jobs._texts import Corpus
from jobs._training import fit
from jobs.spark import _parallel
from jobs.spark._allreduce import PeerError, Ring, Seat
from jobs.spark._mailbox import Mail, Mailbox
from jobs.spark._parallel import Keeper, Report, Watch, restore, train
from jobs.spark._shards import hold
from jobs.textclass.train import Params, prepare
from tests.jobs.folder import Folder

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.process import BaseProcess

    from core.nn import Trainer

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


def held(seat: Seat, window: int = 87) -> Corpus:
    """What a process has of the texts when each has its own part, in windows."""
    texts, rows = corpus(), range(seat.rank, 87, seat.size)
    own = [(n, texts.y_train[n], texts.x_train[:, n].astype("<i4").tobytes()) for n in rows]
    bare = replace(texts, x_train=texts.x_train[:, :0], y_train=texts.y_train[:window])
    return hold(own, bare, 87)


def member(params: Params, seat: Seat, mail: Mail, results: Any, *, sharded: bool) -> None:
    results.put(train(params, held(seat) if sharded else corpus(), 7, seat, mail))


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
    assert notes.pop(before) == f"continuing after epoch {before}"
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


STEPS = 3  # in an epoch


class LostError(Exception):
    """A process that is gone."""


class Killer(Keeper):
    """Loses a process at some updates, once each: the first in even ones, with its checkpoint."""

    lost: ClassVar[set[int]] = set()

    def update(self, trainer: Trainer) -> None:
        if trainer.updates in self.lost and self._ring.rank == trainer.updates % 2:
            self.lost.discard(trainer.updates)
            raise LostError
        super().update(trainer)


def attempts(folder: Path, params: Params, mail: Mail, texts: Callable[[Seat], Corpus]) -> int:
    """Train in two threads, again and again until none is lost; return how often."""

    def one(rank: int, attempt: int) -> Report | None:
        place = folder / str(attempt)
        place.mkdir(exist_ok=True)
        seat = Seat(
            rank=rank, size=2, host="127.0.0.1", secret=SECRET, gather=Folder(place, rank, 2),
            ticket=10 * attempt + rank, seconds=60.0,
        )  # fmt: skip
        try:
            return train(params, texts(seat), 7, seat, mail, every=0)
        except (LostError, PeerError):
            return None

    for attempt in itertools.count(1):
        with ThreadPoolExecutor(2) as pool:
            reports = list(pool.map(one, range(2), [attempt, attempt]))
        if all(reports):
            return attempt
        assert not any(reports)
    raise AssertionError


@pytest.mark.parametrize(
    ("texts", "batch_size"),
    [(lambda _: corpus(), 27), (held, 27), (partial(held, window=29), 10)],
    ids=["whole", "parts", "windows"],
)
def test_a_loss_at_any_update_costs_that_update_at_most(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    texts: Callable[[Seat], Corpus],
    batch_size: int,
) -> None:
    params = replace(PARAMS, cell="none", epochs=3, dropout=0.2, batch_size=batch_size)
    updates = 3 * STEPS
    monkeypatch.setattr(_parallel, "Keeper", Killer)
    monkeypatch.setattr(_parallel, "_REST", 0)
    found, notes = [], list[str]()
    for losses in (0, updates):
        monkeypatch.setattr(Killer, "lost", set(range(1, losses + 1)))
        folder, notes = tmp_path / str(losses), []
        folder.mkdir()
        with Mailbox("127.0.0.1", SECRET, folder / "checkpoint.npz", notes.append) as box:
            assert attempts(folder, params, box.mail, texts) == 1 + losses
        with np.load(folder / "checkpoint.npz") as archive:
            found.append((archive["theta"].tobytes(), json.loads(archive["header"].tobytes())))
    for key in ("history", "updates", "rng"):
        assert found[0][1][key] == found[1][1][key]
    assert found[0][0] == found[1][0]
    said = [note.partition(" (")[0] for note in notes if note.startswith("continuing")]
    assert said == [continuing(n) for n in range(1, updates + 1)]


def continuing(lost: int) -> str:
    """From the update at which a process was lost, or the one before."""
    epoch, done = divmod(lost - (lost % 2 == 0), STEPS)
    if done:
        return f"continuing in epoch {epoch + 1}, after {done} updates"
    if lost % 2 == 0:
        return f"continuing after epoch {epoch}"
    return f"continuing in epoch {epoch}, after {STEPS} updates"  # not measured yet


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
