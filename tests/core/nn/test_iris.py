"""What the default network reaches on data that it has not seen."""

from __future__ import annotations

import numpy as np
from sklearn.datasets import load_iris

from core.nn import Adam, CrossEntropy, Trainer
from core.nn.labels import accuracy
from core.nn.models import mlp


def test_default_model_is_95_percent_right_on_held_out_iris() -> None:
    bunch = load_iris()
    x, y = np.asarray(bunch.data), np.asarray(bunch.target)
    reached = []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        shuffled = np.concatenate([rng.permutation(np.flatnonzero(y == c)) for c in range(3)])
        test = np.concatenate([shuffled[i : i + 15] for i in (0, 50, 100)])
        train = np.setdiff1d(shuffled, test)
        mean, scale = x[train].mean(axis=0), x[train].std(axis=0)
        trainer = Trainer(
            mlp(sizes=[4, 10, 3], rng=rng),
            CrossEntropy(),
            Adam(learning_rate=0.02, weight_decay=0.003),
            rng=rng,
            metric=accuracy,
            schedule=lambda update: 1 - update / 700,
        )
        trainer.fit((x[train] - mean) / scale, y[train], epochs=100, batch_size=16)
        reached.append(trainer.evaluate((x[test] - mean) / scale, y[test])["accuracy"])
    assert np.mean(reached) >= 0.95
