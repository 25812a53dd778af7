r"""Train a text classifier on the executors of a Spark cluster, which share out each batch.

    azkaban-jobflow spark submit --num-executors 2 --py-files core,jobs,azkaban_client \
        --conf spark.pyspark.driver.python=PYTHON -m jobs.spark.train --data texts.npz

The same training as jobs.textclass.train, with the same parameters and the same model file. Each
executor computes the gradient of its share of a batch; they add gradients up among themselves
before each update. Dropout aside, which draws other numbers for each number of tasks, the model is
that of one process up to rounding. All texts go to each task, up to a size; with --shards, which
jobs.spark.load writes, each task has its part alone. After each epoch, and every --checkpoint-every
seconds, a checkpoint comes here; when an executor is lost, all go on from the last one. A training
that was ended continues from checkpoint.npz in the job's folder.
"""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from azkaban_client.job import InputError, Outputs, Page, Run, job, param, write_bytes
from core.nn.callbacks import EarlyStopping
from core.nn.serial import ModelError
from jobs._plots import loss_curves
from jobs._texts import Corpus
from jobs._training import save
from jobs.spark import _parallel
from jobs.spark._common import connected, host_of, together
from jobs.spark._mailbox import Mailbox
from jobs.spark._room import check_room, window_bytes
from jobs.spark._shards import Shards, hold
from jobs.textclass import train as textclass
from jobs.textclass.train import prepare

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from jobs._training import Setting
    from jobs.spark._allreduce import Seat
    from jobs.spark._mailbox import Mail
    from jobs.spark._parallel import Report

__all__ = ["Params", "main"]


@dataclass(frozen=True, kw_only=True)
class Params(textclass.Params):
    """The network, how it is trained, and how many share the work."""

    tasks: int = param(2, doc="Tasks that share the work; the cluster has as many slots.", ge=1)
    shards: str = param("", doc="The folder of jobs.spark.load's shards, if not all is in data.")
    window: int = param(
        500_000,
        doc="Most texts of shards that all tasks hold at a time; of more, each epoch takes others.",
        ge=1000,
    )
    broadcast_mb: int = param(512, doc="Most memory of texts that go to each task, in MB.", ge=1)
    checkpoint_every: float = param(
        30.0,
        doc="Seconds of an epoch between checkpoints, from which a training continues.",
        ge=0,
    )
    resume: Path | None = param(None, doc="A checkpoint.npz to go on from.")


@job
def main(params: Params, run: Run) -> Outputs:
    """Train on the executors, save here."""
    corpus = Corpus.load(params.data)
    checkpoint, model = run.dir / "checkpoint.npz", run.dir / "model.npz"
    checkpoint.unlink(missing_ok=True)
    stopping = EarlyStopping(patience=params.patience)
    if not params.shards:
        _check_size(corpus, params)
        setting = _begin(params, run, corpus, stopping, checkpoint)
    secret = secrets.token_bytes(32)
    begin = time.monotonic()
    with connected(run, ("spark.train.tasks", params.tasks)) as context:
        started = time.monotonic() - begin
        data = None
        shards, params = _shards(context, params, run, corpus)
        if shards:
            corpus = shards.bare()
            setting = _begin(params, run, hold((), corpus), stopping, checkpoint)
            data = shards.of(params.tasks, params.epochs)
        with Mailbox(host_of(context), secret, checkpoint, run.log) as box:
            total = shards.texts if shards else 0
            work = _work(params, context.broadcast(corpus), total, run.seed, box.mail)
            reports = together(context, work, tasks=params.tasks, secret=secret, data=data)
            attempts = box.attempts
    if reports[0].error:
        raise InputError(reports[0].error)
    _parallel.restore(setting, stopping, checkpoint.read_bytes())
    stopping.finish(setting.trainer)
    digest = sha256(setting.trainer.parameters.values.tobytes()).hexdigest()
    if {report.digest for report in reports} != {digest}:
        raise RuntimeError("the executors ended with different parameters: please report this")
    scores = reports[0].scores
    seconds = max(report.seconds for report in reports)
    worked = [report.seconds - report.waited for report in reports]
    if slow := _parallel.late(worked, [report.host for report in reports]):
        run.log(slow.removeprefix("; "))
    save(model, setting, params.name, corpus, scores, seconds=seconds)
    run.log(f"{params.name}: {scores['accuracy']:.1%} of the validation texts right")
    run.report(_page(params, setting.trainer.history.columns, reports, scores, attempts))
    return {
        "model": model,
        "data": params.data.absolute(),
        "checkpoint": checkpoint,
        "attempts": attempts,
        "texts": shards.taken(len(setting.trainer.history)) if shards else corpus.y_train.size,
        "connect_seconds": round(started, 2),
        "train_seconds": round(seconds, 2),
        "slowest_task": int(np.argmax(worked)),
        "wait_seconds": round(float(np.mean([report.waited for report in reports])), 2),
        **scores,
    }


def _size(corpus: Corpus) -> int:
    """Tell how many bytes the texts take."""
    arrays = (corpus.x_train, corpus.y_train, corpus.x_test, corpus.y_test)
    return sum(array.nbytes for array in arrays)


def _check_size(corpus: Corpus, params: Params) -> None:
    """Refuse texts that are too large to go to every task."""
    size = _size(corpus)
    if size > params.broadcast_mb << 20:
        raise InputError(
            f"spark.train.broadcast_mb = {params.broadcast_mb}: the texts take "
            f"{size / (1 << 20):,.1f} MB, and all go to each task: let jobs.spark.load write "
            "shards, or raise it"
        )


def _begin(
    params: Params, run: Run, corpus: Corpus, stopping: EarlyStopping, checkpoint: Path
) -> Setting:
    """Make the network and split the texts; go on from a checkpoint if one is given."""
    setting = prepare(params, corpus, np.random.default_rng(run.seed))
    if params.resume:
        try:
            data = params.resume.read_bytes()
            _parallel.restore(setting, stopping, data)
        except (OSError, ModelError) as error:
            raise InputError(f"spark.train.resume = {params.resume}: {error}") from None
        write_bytes(checkpoint, data)
    return setting


def _shards(context: Any, params: Params, run: Run, corpus: Corpus) -> tuple[Shards | None, Params]:
    """Find the shards, if any; limit the epochs to what they have texts for, and say so.

    What executors have no memory for is refused.
    """
    settings = dict(context.getConf().getAll())
    if not params.shards:
        fix = "let jobs.spark.load write shards"
        check_room(settings, params.tasks, _size(corpus), "the texts", fix=fix, texts=0)
        return None, params
    shards = Shards(context, params.shards, corpus, "spark.train.shards", params.window)
    check_room(
        settings,
        params.tasks,
        window_bytes(shards.size, corpus.x_train.shape[0], params.tasks),
        f"spark.train.window = {params.window}: windows of {shards.size:,} texts",
        fix="set it to {} or less",
        texts=shards.size,
    )
    if shards.windows == 1:
        return shards, params
    epochs = min(params.epochs, shards.windows)
    taken = shards.taken(epochs)
    run.log(
        f"{shards.texts:,} texts, more than spark.train.window: each epoch takes {shards.size:,} "
        f"others, {epochs} epochs {taken:,} ({taken / shards.texts:.0%})"
    )
    return shards, replace(params, epochs=epochs)


def _work(
    params: Params, shared: Any, total: int, seed: int, mail: Mail
) -> Callable[[Seat, Iterable[Any]], Report]:
    sharded, every = bool(params.shards), params.checkpoint_every
    plain = textclass.Params(
        **{name: getattr(params, name) for name in textclass.Params.__dataclass_fields__}
    )

    def work(seat: Seat, rows: Iterable[Any]) -> Report:
        corpus = shared.value
        if sharded:
            corpus = hold(rows, corpus, total)
        return _parallel.train(plain, corpus, seed, seat, mail, every=every)

    return work


def _page(
    params: Params,
    history: dict[str, list[float]],
    reports: Sequence[Report],
    scores: dict[str, float],
    attempts: int,
) -> Page:
    page = Page(
        "Training on Spark", f"{params.cell}, {len(reports)} tasks, batches of {params.batch_size}"
    )
    page.facts(
        "Result",
        [
            ("validation accuracy", f"{scores['accuracy']:.1%}"),
            ("validation loss", f"{scores['loss']:.4f}"),
            ("epochs", len(history["loss"])),
            ("attempts", attempts),
        ],
    )
    rows = [
        [r.rank, r.host, round(r.seconds, 2), round(r.cpu_seconds, 2), round(r.waited, 2)]
        for r in reports
    ]
    header = ["task", "host", "seconds", "processor, s", "waited for sums, s"]
    page.table("Tasks", header, rows)
    curve = loss_curves([(params.name, history)])
    page.plot("Learning curve", curve, "Loss by epoch; dotted on validation texts.")
    return page


if __name__ == "__main__":
    main.start()
