r"""Train a text classifier by torch and Spark's TorchDistributor, one process on each executor.

    azkaban-jobflow spark submit --num-executors 2 --no-environment \
        --conf spark.pyspark.python=PYTHON \
        --conf spark.pyspark.driver.python=PYTHON --py-files core,jobs,azkaban_client \
        -m jobs.spark.torch --data texts.npz

PYTHON has the jobs' packages and torch, pandas and pyarrow; without these the job says so and
leaves the training out. The network, its first weights and what is kept to measure on are those of
jobs.spark.bigdl, and so is the rule (Adam, gradients clipped to norm 1); the order of the texts is
torch's own. The model file is one of jobs.textclass.train's.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from importlib.util import find_spec

from azkaban_client.job import InputError, Outputs, Page, Run, job, param
from jobs.spark import _library, _torch_training
from jobs.spark._common import connected, spark_errors

__all__ = ["Params", "main"]

_NEEDED = ("torch", "pandas", "pyarrow")  # the last two by TorchDistributor itself


@dataclass(frozen=True, kw_only=True)
class Params(_library.Params):
    """The network, how it is trained, and by how many processes."""

    processes: int = param(2, doc="Processes; the cluster has as many slots.", ge=1)
    label: str = param("TorchDistributor", doc="What the report calls it.")


@job
def main(params: Params, run: Run) -> Outputs:
    """Train on the executors, save here."""
    training = _library.LibraryTraining.begin(params, run)
    if params.batch_size % params.processes:
        raise InputError(
            f"spark.torch.batch_size = {params.batch_size}: no multiple of spark.torch.processes = "
            f"{params.processes}"
        )
    page = Page(
        "Training by TorchDistributor",
        f"{params.processes} processes, batches of {params.batch_size}",
    )
    if missing := [name for name in _NEEDED if not find_spec(name)]:
        note = f"{params.label} was left out: {sys.executable} has no {', '.join(missing)}."
        run.log(note)
        page.text("Left out", note)
        run.report(page)
        return {"model": "", "note": note}
    (x, y, _), (held_x, held_y, _) = training.setting.train, training.setting.held
    given = {
        "start": dict(training.setting.trainer.network.params),
        "x": x.T,
        "y": y,
        "held_x": held_x.T,
        "held_y": held_y,
        "epochs": params.epochs,
        "batch_size": params.batch_size,
        "learning_rate": params.learning_rate,
        "seed": run.seed,
        "checked": _library.CHECKED,
    }
    with connected(run, ("spark.torch.processes", params.processes)):
        from pyspark import cloudpickle
        from pyspark.ml.torch.distributor import TorchDistributor
        from pyspark.sql import SparkSession

        SparkSession.builder.getOrCreate()  # what the distributor runs in
        cloudpickle.register_pickle_by_value(_torch_training)  # torch's processes have no `jobs`
        team = TorchDistributor(params.processes, local_mode=False, use_gpu=False)
        with spark_errors():
            learnt = team.run(_torch_training.train, given)
    training.take(learnt["weights"], learnt["history"])
    return {**training.finish(run, page, learnt["seconds"], learnt["logits"]), "note": ""}


if __name__ == "__main__":
    main.start()
