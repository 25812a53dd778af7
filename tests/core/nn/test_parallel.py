"""Several trainers that share each batch come to the weights of one."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest

from core.nn import SGD, Adam, CrossEntropy, SquaredError, Trainer
from core.nn.callbacks import EarlyStopping
from core.nn.labels import accuracy
from core.nn.models import charlm, mlp, textclass
from core.nn.parallel import ParallelTrainer
from core.nn.shards import Shard, ShardTrainer


class Sums:
    """All-reduce among threads."""

    def __init__(self, size: int) -> None:
        self._barrier = threading.Barrier(size, timeout=30)
        self._vectors: dict[int, np.ndarray] = {}

    def of(self, rank: int) -> Any:
        def all_reduce(vector: np.ndarray) -> None:
            self._vectors[rank] = vector.copy()
            self._barrier.wait()
            vector[...] = sum(self._vectors[i] for i in sorted(self._vectors))
            self._barrier.wait()

        return all_reduce


def together(size: int, work: Any) -> list[Any]:
    """Run ``work(rank, size, all_reduce)`` in threads; give back what they return."""
    sums, found = Sums(size), {}

    def run(rank: int) -> None:
        try:
            found[rank] = work(rank=rank, size=size, all_reduce=sums.of(rank))
        except BaseException as error:  # noqa: BLE001 (raised again below)
            sums._barrier.abort()
            found[rank] = error

    threads = [threading.Thread(target=run, args=(rank,)) for rank in range(size)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for value in found.values():
        if isinstance(value, BaseException):
            raise value
    return [found[rank] for rank in range(size)]


def texts(n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(5)
    lengths = rng.integers(1, 10, n)
    x = np.where(np.arange(9)[:, None] < lengths, rng.integers(1, 30, (9, n)), 0)
    return x, rng.integers(3, size=n), x > 0


def classifier(make: Any, cell: str, dropout: float = 0.0, **options: Any) -> Trainer:
    rng = np.random.default_rng(3)
    network = textclass(
        vocabulary=30, classes=3, embedding=5, hidden=4, cell=cell, dropout=dropout,
        dtype="float64", rng=rng,
    )  # fmt: skip
    return make(
        network, CrossEntropy(), Adam(learning_rate=0.01), rng=rng, metric=accuracy, clip=0.3,
        batch_axis=1, **options,
    )  # fmt: skip


def fitted(trainer: Trainer, n: int = 43, batch_size: int = 8) -> Trainer:
    x, y, mask = texts(n)
    held = texts(5)
    trainer.fit(x, y, mask=mask, epochs=3, batch_size=batch_size, validation=held)
    return trainer


# 43 texts in batches of 8: the last batch has 3, fewer than some teams have members
@pytest.mark.parametrize("cell", ["none", "lstm", "gru"])
@pytest.mark.parametrize("size", [1, 2, 3, 5])
def test_weights_and_history_are_those_of_one_process(cell: str, size: int) -> None:
    alone = fitted(classifier(Trainer, cell))
    team = together(size, lambda **me: fitted(classifier(ParallelTrainer, cell, **me)))
    for trainer in team:
        assert np.abs(trainer.parameters.values - alone.parameters.values).max() < 1e-12
        assert trainer.parameters.values.tobytes() == team[0].parameters.values.tobytes()
        for name, column in alone.history.columns.items():
            assert np.abs(np.subtract(trainer.history[name], column)).max() < 1e-12


# who holds which text: evenly, one process nothing, one nearly everything
@pytest.mark.parametrize("owners", [np.arange(43) % 3, np.arange(43) % 2, np.arange(43) // 41])
def test_each_holds_its_own_texts_and_the_weights_are_those_of_one_process(
    owners: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.nn.parallel._MEASURED", 2)
    alone = fitted(classifier(Trainer, "gru"))

    def held(x: np.ndarray, rank: int) -> Shard:
        own = np.flatnonzero(owners[: x.shape[1]] == rank)
        place = np.full(x.shape[1], -1)
        place[own] = np.arange(own.size)
        return Shard(x[:, own], place)

    def fit(rank: int, **me: Any) -> Trainer:
        trainer = classifier(ShardTrainer, "gru", rank=rank, **me)
        (x, y, _), (kept_x, kept_y, _) = texts(43), texts(5)
        x, kept = held(x, rank), held(kept_x, rank)
        trainer.fit(x, y, mask=x > 0, epochs=3, batch_size=8, validation=(kept, kept_y, kept > 0))
        return trainer

    for trainer in together(3, fit):
        assert np.abs(trainer.parameters.values - alone.parameters.values).max() < 1e-12
        for name, column in alone.history.columns.items():
            assert np.abs(np.subtract(trainer.history[name], column)).max() < 1e-12


def windows(rank: int, size: int, *, lost: int = -1) -> tuple[Shard, np.ndarray]:
    """Deal 43 texts out in windows of 20, 20 and 3; the first, and the targets of all its texts."""
    x, y, _ = texts(43)

    def window(number: int) -> tuple[Shard, np.ndarray]:
        columns = np.arange(43)[20 * number : 20 * number + 20]
        own = columns[(columns % size == rank) & (columns != lost)] - columns[0]
        place, targets = np.full(columns.size, -1), np.zeros(columns.size, int)
        place[own], targets[own] = np.arange(own.size), y[columns[own]]
        return Shard(x[:, columns[own]], place, window), targets

    return window(0)[0], y[:20]


@pytest.mark.parametrize("size", [1, 2, 4])
def test_each_epoch_takes_the_next_window_as_one_process_would(size: int) -> None:
    x, y, mask = texts(43)
    alone = classifier(Trainer, "gru")
    kept = x[:, 17:20], y[17:20], mask[:, 17:20]
    for part in (slice(17), slice(20, 40), slice(40, 43)):
        alone.fit(x[:, part], y[part], mask=mask[:, part], epochs=1, batch_size=8, validation=kept)

    def fit(rank: int, **me: Any) -> Trainer:
        trainer = classifier(ShardTrainer, "gru", rank=rank, **me)
        whole, targets = windows(rank, size)
        own, held = whole[:, np.arange(17)], whole[:, np.arange(17, 20)]
        trainer.fit(
            own, targets[:17], mask=own > 0, epochs=3, batch_size=8,
            validation=(held, targets[17:], held > 0),
        )  # fmt: skip
        return trainer

    for trainer in together(size, fit):
        assert np.abs(trainer.parameters.values - alone.parameters.values).max() < 1e-12
        for name, column in alone.history.columns.items():
            assert np.abs(np.subtract(trainer.history[name], column)).max() < 1e-12


def test_a_text_that_nobody_holds_is_noticed_by_all() -> None:
    def fit(rank: int, **me: Any) -> str:
        trainer = classifier(ShardTrainer, "none", rank=rank, **me)
        x, y = windows(rank, 2, lost=30)
        with pytest.raises(ValueError, match="missing, or there twice") as refused:
            trainer.fit(x, y, mask=x > 0, epochs=3, batch_size=8)
        return str(refused.value)

    assert len(together(2, fit)) == 2


def test_targets_of_another_number_are_refused() -> None:
    me: Any = {"rank": 0, "size": 1, "all_reduce": lambda _: None}
    x = Shard(np.ones((2, 3), np.int32), np.arange(4))
    with pytest.raises(ValueError, match="4 examples but 3 targets"):
        classifier(ShardTrainer, "none", **me).fit(x, np.zeros(3, int), epochs=1)


def test_gradient_is_that_of_the_whole_batch() -> None:
    x, y, mask = texts(7)
    alone = classifier(Trainer, "lstm")
    step = alone.step(x, y, mask=mask)
    team = together(
        3, lambda **me: (t := classifier(ParallelTrainer, "lstm", **me), t.step(x, y, mask=mask))
    )
    for trainer, own in team:
        assert np.abs(trainer.parameters.grad - alone.parameters.grad).max() < 1e-14
        assert abs(own.loss - step.loss) < 1e-14
        assert abs(own.grad_norm - step.grad_norm) < 1e-14
        assert np.abs(own.output - step.output).max() < 1e-14


def test_summed_loss() -> None:
    x = np.random.default_rng(1).normal(size=(11, 4))
    y = x[:, :2] ** 2

    def fit(make: Any = Trainer, **me: Any) -> np.ndarray:
        rng = np.random.default_rng(0)
        network = mlp(sizes=[4, 6, 2], rng=rng)
        trainer = make(network, SquaredError(), SGD(learning_rate=0.01), rng=rng, **me)
        trainer.fit(x, y, epochs=4)
        return np.append(trainer.parameters.values, trainer.history["loss"])

    for found in together(4, lambda **me: fit(ParallelTrainer, **me)):
        assert np.abs(found - fit()).max() < 1e-12


def test_one_output_per_step_counts_the_steps_of_each_share() -> None:
    x, _, mask = texts(10)  # of different lengths: the shares count differently

    def fit(make: Any = Trainer, **me: Any) -> np.ndarray:
        rng = np.random.default_rng(0)
        network = charlm(vocabulary=30, hidden=6, dtype="float64", rng=rng)
        trainer = make(
            network, CrossEntropy(), Adam(), rng=rng, metric=accuracy, batch_axis=1, target_axis=1,
            **me,
        )  # fmt: skip
        trainer.fit(x, x, mask=mask, epochs=2, batch_size=4, validation=(x, x, mask))
        # `fit` adds batches up by their examples; what is measured of all of them is exact
        measured = [trainer.history[f"validation_{name}"] for name in ("loss", "accuracy")]
        return np.append(trainer.parameters.values, measured)

    for found in together(3, lambda **me: fit(ParallelTrainer, **me)):
        assert np.abs(found - fit()).max() < 1e-12


def test_dropout_differs_between_processes_and_leaves_them_in_step() -> None:
    team = together(3, lambda **me: fitted(classifier(ParallelTrainer, "gru", 0.5, **me)))
    again = together(3, lambda **me: fitted(classifier(ParallelTrainer, "gru", 0.5, **me)))
    alone = fitted(classifier(Trainer, "gru", 0.5))
    for trainer in (*team, *again):
        assert trainer.parameters.values.tobytes() == team[0].parameters.values.tobytes()
    assert not np.allclose(alone.parameters.values, team[0].parameters.values)


def test_all_stop_early_together() -> None:
    def fit(make: Any = Trainer, **me: Any) -> Trainer:
        trainer = classifier(make, "none", **me)
        x, y, mask = texts(30)
        rule = EarlyStopping(patience=2)
        trainer.fit(
            x, y, mask=mask, epochs=400, batch_size=10, validation=texts(9), callbacks=[rule]
        )
        return trainer

    alone = fit()
    assert len(alone.history) < 400
    for trainer in together(2, lambda **me: fit(ParallelTrainer, **me)):
        assert len(trainer.history) == len(alone.history)
        assert np.abs(trainer.parameters.values - alone.parameters.values).max() < 1e-12


def test_rank_outside_of_the_team_is_refused() -> None:
    with pytest.raises(ValueError, match=r"rank = 2: must be in 0\.\.1"):
        classifier(ParallelTrainer, "none", rank=2, size=2, all_reduce=lambda _: None)


def test_state_from_batch_to_batch_is_refused() -> None:
    x, y, _ = texts(4)
    trainer = classifier(ParallelTrainer, "lstm", rank=0, size=1, all_reduce=lambda _: None)
    with pytest.raises(ValueError, match="cannot be shared out"):
        trainer.step(x, y, state=(None,) * 5)
