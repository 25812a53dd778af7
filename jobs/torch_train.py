r"""Train a text classifier by torch and Spark's TorchDistributor, one process on each executor.

    setup spark submit --num-executors 2 --no-environment --conf spark.pyspark.python=PYTHON \
        --conf spark.pyspark.driver.python=PYTHON --py-files core,jobs -m jobs.torch_train \
        --prop torch.data=texts.npz

PYTHON has the jobs' packages and torch, pandas and pyarrow; without these the job says so and
leaves the training out. The network, its first weights and what is kept to measure on are those of
jobs.bigdl_train, and so is the rule (Adam, gradients clipped to norm 1); the order of the texts is
torch's own. The model file is one of textclass_train's.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from importlib.util import find_spec

from jobs import _peer, _torch
from jobs._params import param
from jobs._report import Page
from jobs._runtime import InputError, Job, Outputs, Spec, main
from jobs._spark import connected, told

__all__ = ["JOB", "Params", "run"]

_NEEDED = ("torch", "pandas", "pyarrow")  # the last two by TorchDistributor itself


@dataclass(frozen=True, kw_only=True)
class Params(_peer.Params):
    """The network, how it is trained, and by how many processes."""

    processes: int = param(2, doc="Processes; the cluster has as many slots.", ge=1)
    label: str = param("TorchDistributor", doc="What the report calls it.")


def run(params: Params, job: Job) -> Outputs:
    """Train on the executors, save here."""
    peer = _peer.Peer.begin(params, job, "torch")
    if params.batch_size % params.processes:
        raise InputError(
            f"torch.batch_size = {params.batch_size}: no multiple of torch.processes = "
            f"{params.processes}"
        )
    page = Page(
        "Training by TorchDistributor",
        f"{params.processes} processes, batches of {params.batch_size}",
    )
    if missing := [name for name in _NEEDED if not find_spec(name)]:
        note = f"{params.label} was left out: {sys.executable} has no {', '.join(missing)}."
        job.log(note)
        page.text("Left out", note)
        job.report(page)
        return {"model": "", "note": note}
    (x, y, _), (held_x, held_y, _) = peer.setting.train, peer.setting.held
    given = {
        "start": dict(peer.setting.trainer.network.params),
        "x": x.T,
        "y": y,
        "held_x": held_x.T,
        "held_y": held_y,
        "epochs": params.epochs,
        "batch_size": params.batch_size,
        "learning_rate": params.learning_rate,
        "seed": job.seed,
        "checked": _peer.CHECKED,
    }
    with connected(job):
        from pyspark import cloudpickle  # noqa: PLC0415 (only a driver of Spark has it)
        from pyspark.ml.torch.distributor import TorchDistributor  # noqa: PLC0415
        from pyspark.sql import SparkSession  # noqa: PLC0415

        SparkSession.builder.getOrCreate()  # what the distributor runs in
        cloudpickle.register_pickle_by_value(_torch)  # torch's processes have no `jobs`
        team = TorchDistributor(params.processes, local_mode=False, use_gpu=False)
        with told():
            learnt = team.run(_torch.train, given)
    peer.take(learnt["weights"], learnt["history"])
    return {**peer.finish(job, page, learnt["seconds"], learnt["logits"]), "note": ""}


JOB = Spec(prefix="torch", params=Params, run=run)

if __name__ == "__main__":
    sys.exit(main(JOB))
