"""Run one process's part of a shared training, as a Spark task."""

from __future__ import annotations

import hashlib
import io
import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from azkaban_client.job import InputError
from core.nn.callbacks import EarlyStopping
from core.nn.checkpoint import load_checkpoint, save_checkpoint
from core.nn.memory import keep_freed_memory
from core.nn.parallel import ParallelTrainer
from core.nn.shards import Shard, ShardTrainer
from jobs._training import fit
from jobs.spark._allreduce import Ring
from jobs.textclass.train import prepare

if TYPE_CHECKING:
    from core.nn import Trainer
    from jobs._texts import Corpus
    from jobs._training import Setting
    from jobs.spark._allreduce import Seat
    from jobs.spark._mailbox import Mail
    from jobs.textclass.train import Params

__all__ = ["Report", "restore", "train"]


@dataclass(frozen=True)
class Report:
    """What a process reports at the end.

    Attributes
    ----------
    rank
        Its number.
    host
        Where it ran.
    seconds
        From the first update to the end.
    cpu_seconds
        Seconds of processor time, in that time.
    waited
        Seconds of those spent on sums, waiting for the others included.
    digest
        SHA-256 of the parameters: the same everywhere, or something is wrong.
    scores
        Measures on the texts kept.
    error
        Why training cannot continue; empty if it did.
    """

    rank: int
    host: str
    seconds: float
    cpu_seconds: float
    waited: float
    digest: str
    scores: dict[str, float]
    error: str = ""


def train(params: Params, corpus: Corpus, seed: int, seat: Seat, mail: Mail) -> Report:
    """Train together with the others of a ring, from the last checkpoint on.

    Parameters
    ----------
    params, corpus, seed
        The same in each process; of the texts, each may hold a `Shard`.
    seat
        Where this process sits.
    mail
        Takes a checkpoint after each epoch.

    Raises
    ------
    PeerError
        When another process is lost: all start again from the last checkpoint.
    """
    keep_freed_memory()
    with Ring.join(seat) as ring:
        texts: object = corpus.x_train
        kind = ShardTrainer if isinstance(texts, Shard) else ParallelTrainer
        make = partial(kind, rank=ring.rank, size=ring.size, all_reduce=ring.all_reduce)
        setting = prepare(params, corpus, np.random.default_rng(seed), make)
        stopping = EarlyStopping(patience=params.patience)
        if data := mail.fetch(ring.attempt):
            restore(setting, stopping, data)

        def keep(trainer: Trainer) -> bool:
            if ring.rank == 0:
                stream = io.BytesIO()
                save_checkpoint(stream, trainer, stopping.state())
                mail.send(ring.attempt, stream.getvalue(), _note(trainer))
            return False

        begin, cpu, scores, error = time.monotonic(), time.process_time(), {}, ""
        try:
            if stopping.done:
                stopping.finish(setting.trainer)
                scores = setting.trainer.evaluate(*setting.held)
            else:
                scores = fit(setting, params, [stopping, keep])
        except InputError as wrong:  # the same for all processes, so a restart would not help
            error = str(wrong)
        seconds, cpu = time.monotonic() - begin, time.process_time() - cpu
        digest = hashlib.sha256(setting.trainer.parameters.values.tobytes()).hexdigest()
        return Report(ring.rank, seat.host, seconds, cpu, ring.seconds, digest, dict(scores), error)


def restore(setting: Setting, stopping: EarlyStopping, data: bytes) -> None:
    """Restore a training from a checkpoint.

    Raises
    ------
    ModelError
        When it is no checkpoint, or one of another training.
    """
    state: Any = load_checkpoint(io.BytesIO(data), setting.trainer)
    stopping.restore(state)


def _note(trainer: Trainer) -> str:
    history = trainer.history
    loss, right = history["validation_loss"][-1], history["validation_accuracy"][-1]
    return (
        f"epoch {len(history)}: loss {history['loss'][-1]:.4f}, on texts kept {loss:.4f}, "
        f"{right:.1%} right"
    )
