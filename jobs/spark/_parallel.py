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
    from collections.abc import Callable, Sequence

    from core.nn import Trainer
    from jobs._texts import Corpus
    from jobs._training import Setting
    from jobs.spark._allreduce import Seat
    from jobs.spark._mailbox import Mail
    from jobs.textclass.train import Params

__all__ = ["Keeper", "Report", "Watch", "late", "reached", "restore", "train"]

# A process is called slow when the others wait this share of the time, and it worked for so many
# seconds: shorter times say more of what else a machine does.
_LATE_SHARE, _LATE_SECONDS = 0.4, 1.0
_REST = 20  # times the duration of a checkpoint until the next: all wait meanwhile


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


def train(
    params: Params, corpus: Corpus, seed: int, seat: Seat, mail: Mail, *, every: float = 30.0
) -> Report:
    """Train together with the others of a ring, from the last checkpoint on.

    Parameters
    ----------
    params, corpus, seed
        The same in each process; of the texts, each may hold a `Shard`.
    seat
        Where this process sits.
    mail
        Takes a checkpoint after each epoch.
    every
        Seconds between checkpoints within an epoch.

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
        # One asks the driver for all: hundreds that ask at once would wait for its network.
        if data := ring.share(mail.fetch(ring.attempt) if ring.rank == 0 else b""):
            restore(setting, stopping, data)
            if ring.rank == 0:
                mail.send(ring.attempt, b"", f"continuing {reached(setting.trainer)}")
        keeper = Keeper(ring, mail, stopping, every)
        setting.trainer.after_update = keeper.update

        begin, cpu, scores, error = time.monotonic(), time.process_time(), {}, ""
        try:
            if stopping.done:
                stopping.finish(setting.trainer)
                scores = setting.trainer.evaluate(*setting.held)
            else:
                scores = fit(setting, params, [stopping, keeper.epoch])
        except InputError as wrong:  # the same for all processes, so a restart would not help
            error = str(wrong)
        seconds, cpu = time.monotonic() - begin, time.process_time() - cpu
        digest = hashlib.sha256(setting.trainer.parameters.values.tobytes()).hexdigest()
        return Report(ring.rank, seat.host, seconds, cpu, ring.seconds, digest, dict(scores), error)


class Keeper:
    """Sends the checkpoints of a training to the driver, by the first process alone.

    Parameters
    ----------
    ring, mail, stopping
        Of this process.
    every
        Seconds between two within an epoch. They take a twentieth of the time at most.
    clock
        Tells seconds.
    """

    def __init__(
        self,
        ring: Ring,
        mail: Mail,
        stopping: EarlyStopping,
        every: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ring, self._mail, self._stopping = ring, mail, stopping
        self._every, self._clock = every, clock
        self._watch = Watch(ring)
        self._due = clock() + every

    def epoch(self, trainer: Trainer) -> bool:
        """Send one after an epoch, and say in the log what came of it; all processes call this."""
        slow = self._watch.epoch()
        if self._ring.rank == 0:
            self._send(trainer, _note(trainer) + slow)
        return False

    def update(self, trainer: Trainer) -> None:
        """Send one after an update if it is time."""
        if self._ring.rank == 0 and self._clock() >= self._due:
            self._send(trainer, "")

    def _send(self, trainer: Trainer, note: str) -> None:
        begin, stream = self._clock(), io.BytesIO()
        save_checkpoint(stream, trainer, self._stopping.state())
        self._mail.send(self._ring.attempt, stream.getvalue(), note)
        now = self._clock()
        self._due = now + max(self._every, _REST * (now - begin))


class Watch:
    """Find the process for which the others wait, epoch by epoch.

    Parameters
    ----------
    ring
        Of all processes, which make the same calls.
    clock
        Tells seconds.
    """

    def __init__(self, ring: Ring, clock: Callable[[], float] = time.monotonic) -> None:
        self._ring = ring
        self._clock = clock
        self._last = clock(), ring.seconds

    def epoch(self) -> str:
        """Say who was late since the last call, for a log; empty if nobody was."""
        (before, waited), now = self._last, self._clock()
        spent = now - before
        worked = np.zeros(self._ring.size)
        worked[self._ring.rank] = spent - (self._ring.seconds - waited)
        self._ring.all_reduce(worked)
        self._last = self._clock(), self._ring.seconds
        return late(worked.tolist(), self._ring.hosts)


def late(worked: Sequence[float], hosts: Sequence[str]) -> str:
    """Say which process works so much longer that the others mostly wait; empty if none does.

    Parameters
    ----------
    worked
        Seconds that each spent, those without that it waited for sums.
    hosts
        Where each runs.

    Examples
    --------
    >>> print(late([2.0, 8.0, 2.0], ["a", "b", "c"]).removeprefix("; "))
    task 1 on b is slow: it worked 8.0 s, the others about 2.0 s, and waited for it 75% of the time
    >>> late([2.0, 2.5, 2.1], ["a", "b", "c"])
    ''
    """
    slow = int(np.argmax(worked))
    others = [seconds for rank, seconds in enumerate(worked) if rank != slow]
    usual = float(np.median(others)) if others else worked[slow]
    if worked[slow] < _LATE_SECONDS or usual > (1 - _LATE_SHARE) * worked[slow]:
        return ""
    return (
        f"; task {slow} on {hosts[slow]} is slow: it worked {worked[slow]:.1f} s, the others about "
        f"{usual:.1f} s, and waited for it {1 - usual / worked[slow]:.0%} of the time"
    )


def restore(setting: Setting, stopping: EarlyStopping, data: bytes) -> None:
    """Restore a training from a checkpoint.

    Raises
    ------
    ModelError
        When it is no checkpoint, or one of another training.
    """
    state: Any = load_checkpoint(io.BytesIO(data), setting.trainer)
    stopping.restore(state)


def reached(trainer: Trainer) -> str:
    """Say after what a training continues."""
    epochs, at = len(trainer.history), trainer.position
    if at is None:
        return f"after epoch {epochs}"
    return f"in epoch {epochs + 1}, after {at.batches} updates ({at.examples / at.size:.0%})"


def _note(trainer: Trainer) -> str:
    history = trainer.history
    loss, right = history["validation_loss"][-1], history["validation_accuracy"][-1]
    return (
        f"epoch {len(history)}: loss {history['loss'][-1]:.4f}, on texts kept {loss:.4f}, "
        f"{right:.1%} right"
    )
