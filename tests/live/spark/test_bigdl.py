"""BigDL on the local YARN, beside our own trainer: one network, one start, two trainers."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import numpy as np
import pytest

from core.nn import Context
from jobs._models import load_model
from jobs._texts import Corpus
from setup.spark.resource_manager import ResourceManager
from tests.live.spark.conftest import SIZES, Long, cancel_in_mid_run

if TYPE_CHECKING:
    from tests.live.conftest import LiveAzkaban
    from tests.live.spark.conftest import LiveSpark

pytestmark = pytest.mark.spark

LAYER = """\
import numpy as np
from bigdl.dllib.nn.layer import Linear
from bigdl.dllib.utils.common import init_engine
from pyspark import SparkContext
def where(_):
    import os, bigdl.dllib
    return os.path.realpath(bigdl.dllib.__file__)
context = SparkContext.getOrCreate()
init_engine()
print("SHAPE", Linear(3, 2).forward(np.ones((1, 3))).shape)
print("FROM", context.parallelize([0], 1).map(where).first())
"""


@pytest.fixture(scope="module")
def bigdl(yarn: LiveSpark) -> LiveSpark:
    """Spark with BigDL beside the other."""
    result = yarn.run("install", "--bigdl")
    assert result.returncode == 0, result.stderr
    return yarn


def test_flow_trains_by_bigdl_and_by_ours(azkaban: LiveAzkaban, bigdl: LiveSpark) -> None:
    settings = {"epochs": "3", "bigdl_memory": "512m", "learning_rate": "0.02"}
    with azkaban.uploaded("spark", "bigdl") as client:
        execid = client.execute("bigdl", "bigdl_text", properties=settings)
        execution = client.wait(execid, timeout=1500)
        failed = [job.id for job in execution.walk() if not job.status.good]
        logs = ["".join(client.log(execid, job))[-4000:] for job in failed]
        said = "".join(client.log(execid, "bigdl_train"))
    assert execution.succeeded, logs
    for part in ("--archives", "--properties-file", "--num-executors 2", "bigdl/share/dllib/lib"):
        assert part in said
    found = re.search(r"application_\d+_\d+", said)
    assert found
    assert ResourceManager(bigdl.cluster.url).application(found[0]).final == "SUCCEEDED"
    folder = azkaban.layout.runs / "spark" / str(execid)
    corpus = Corpus.load(folder / "bigdl_load" / "texts.npz")
    guess = np.bincount(corpus.y_test).max() / corpus.y_test.size
    page = (folder / "bigdl_text" / "report.html").read_text()
    assert "TorchDistributor was left out: " in page, "the locks bring no torch"
    for job, label in (("bigdl_train", "BigDL"), ("bigdl_peer", "ours")):
        network, meta = load_model(folder / job / "model.npz")
        assert meta["label"] == label
        right = network.forward(corpus.x_test, Context())[0].argmax(axis=1) == corpus.y_test
        assert right.mean() > guess, f"{label} learnt nothing"
        assert f"{right.mean():.1%}" in page
        assert len(meta["history"]["loss"]) == 3
        assert meta["history"]["loss"][-1] < meta["history"]["loss"][0]
        metrics = json.loads((folder / job / "run.json").read_text())["metrics"]
        assert metrics["train_seconds"] > 0


def test_kill_on_azkaban_ends_training_by_bigdl(azkaban: LiveAzkaban, bigdl: LiveSpark) -> None:
    settings = {"epochs": "9999", "bigdl_memory": "512m"}
    cancel_in_mid_run(azkaban, bigdl, Long("bigdl_text", "bigdl_train", settings))


def test_bigdl_in_the_zip_of_the_notes(bigdl: LiveSpark) -> None:
    """``--archives BigDL_venv.zip``: made by ``--kind zip``, for nodes that have this Python."""
    script = bigdl.script("layer", LAYER)
    size = ("--num-executors", "1", *SIZES)
    result = bigdl.run("submit", "--bigdl", "--kind", "zip", *size, str(script))
    assert result.returncode == 0, result.stderr[-4000:]
    assert ".zip#environment" in result.stderr
    assert "SHAPE (1, 2)" in result.stdout
    home = re.escape(str(bigdl.cluster.home / "local"))
    assert re.search(rf"FROM {home}/\S+\.zip/\S*bigdl/", result.stdout), "where it was unpacked"
