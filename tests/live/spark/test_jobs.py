"""The jobs on executors give what one process gives, also when an executor is lost."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
from contextlib import contextmanager, suppress
from dataclasses import replace
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from azkaban_client import Client, collect
from azkaban_client.flow.form import with_form
from azkaban_client.new.create import from_template
from core.mcmc.diagnostics import summarise
from core.mcmc.long_runs import merge, sample_streams
from core.nn.callbacks import EarlyStopping
from core.nn.parameters import ParameterVector
from core.routing.divide import improve_parts
from core.routing.start import cut_tour
from jobs._models import load_model
from jobs._texts import Corpus
from jobs._training import fit
from jobs.routing._common import read_stops
from jobs.sampling._common import Data, Draws
from jobs.spark._allreduce import Seat
from jobs.spark._mailbox import Mailbox
from jobs.spark._parallel import restore, train
from jobs.spark._shards import _step, hold
from jobs.textclass.train import Params, prepare
from setup.layout import CHECKOUT
from tests.jobs.numbered import assert_same, in_one_process, write_table
from tests.live.spark.conftest import (
    LACKED,
    QUICK,
    SIZES,
    Long,
    cancel_in_mid_run,
    executors,
)
from tests.live.spark.store import KEYS
from tests.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.live.conftest import LiveAzkaban
    from tests.live.spark.conftest import LiveSpark
    from tests.live.spark.hdfs import Hdfs
    from tests.live.spark.store import Store

pytestmark = pytest.mark.spark

SMALL = {
    "cell": "gru",
    "embedding": 8,
    "hidden": 6,
    "dropout": 0.0,
    "batch_size": 10,
    "learning_rate": 0.01,
    "dtype": "float64",
}


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Texts whose first word tells the class."""
    rng = np.random.default_rng(2)
    x = rng.integers(1, 40, (12, 87))
    x[6:, ::2] = 0
    y = (x[0] > 20).astype(np.int64)
    path = tmp_path_factory.mktemp("texts") / "texts.npz"
    Corpus(x, y, x[:, :5], y[:5], tuple(map(str, range(40))), ("low", "high")).save(path)
    return path


def command(
    yarn: LiveSpark, out: Path, module: str, props: dict[str, Any], *words: str
) -> list[str]:
    options = {**props, "output_dir": out, "seed": 7}
    return yarn.command(
        *(
            "submit",
            "--num-executors",
            "2",
            *SIZES,
            *QUICK,
            *words,
            "--py-files",
            "core,jobs,azkaban_client",
        ),
        *("--conf", f"spark.pyspark.driver.python={sys.executable}", "-m", f"jobs.{module}"),
        *(f"--{key.replace('_', '-')}={value}" for key, value in options.items()),
    )


def run(yarn: LiveSpark, out: Path, module: str, props: dict[str, Any], *words: str) -> Path:
    """Run a job on the cluster; return its folder."""
    done = subprocess.run(
        command(yarn, out, module, props, *words),
        cwd=CHECKOUT, capture_output=True, text=True, timeout=600, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return out / "local" / "local" / module.replace(".", "_")


def here(texts: Path, epochs: int) -> np.ndarray:
    """Train in this process alone."""
    params = Params(data=texts, epochs=epochs, patience=epochs, **SMALL)
    setting = prepare(params, Corpus.load(texts), np.random.default_rng(7))
    fit(setting, params, [EarlyStopping(patience=epochs)])
    return setting.trainer.parameters.values


def of_model(folder: Path) -> np.ndarray:
    return ParameterVector(load_model(folder / "model.npz")[0]).values


def classify(texts: Path, epochs: int) -> dict[str, Any]:
    return {"data": texts, "tasks": 2, "epochs": epochs, "patience": epochs, **SMALL}


def test_two_executors_train_the_model_of_one_process(
    yarn: LiveSpark, texts: Path, tmp_path: Path
) -> None:
    folder = run(yarn, tmp_path, "spark.train", classify(texts, 4))
    assert np.abs(of_model(folder) - here(texts, 4)).max() < 1e-12
    record = json.loads((folder / "run.json").read_text())
    assert record["metrics"]["attempts"] == 1
    assert "Tasks" in (folder / "report.html").read_text()


LOADS = """\
import sys
from pyspark import SparkContext
from pyspark.sql import SparkSession
from jobs.spark.load import main
SparkContext.stop = lambda _: None  # one start serves all
folder, out, *names = sys.argv[1:]
frame = SparkSession.builder.getOrCreate().read.csv(
    f"{folder}/a.csv", header=True, escape='"', multiLine=True
)
frame.coalesce(1).write.parquet(f"{folder}/a.parquet")
for name in names:
    props = {"spark.load.data": f"{folder}/{name}", "output.dir": f"{out}/{name}.out", "seed": 7}
    props["spark.load.shards"] = f"{folder}/{name}.shards"
    code = main.main([word for pair in props.items() for word in ("--prop", "{}={}".format(*pair))])
    print("ENDED", name, code, flush=True)
"""


@pytest.mark.parametrize("place", ["file", "s3a"])
def test_texts_of_each_format_are_numbered_as_in_one_process(
    installed: LiveSpark, tmp_path: Path, place: str, request: pytest.FixtureRequest
) -> None:
    words = ["one, two", 'say "hi" ""', "c\nd", "über", "\\"]
    rows = [[" ".join(words[: 1 + n % 5]), f"class {n % 2}"] for n in range(40)]
    lines = [[text.replace("\n", " "), label] for text, label in sorted(rows, key=itemgetter(1))]
    there, options, environ = tmp_path / "there", list[str](), {}
    there.mkdir()
    same = {"a": write_table(there / "a.csv", rows)}
    same["lines"] = write_table(tmp_path / "lines.csv", lines)
    for label, part in groupby(lines, itemgetter(1)):
        (there / "lines.txt" / label).mkdir(parents=True)
        text = "\n\n".join(text for text, _ in part)
        (there / "lines.txt" / label / "x").write_text(text, encoding="utf-8")
    folder = f"file:{there}"
    if place == "s3a":
        store: Store = request.getfixturevalue("store")
        folder, options, environ = store.put(there), store.options, KEYS
    with never_named(KEYS["AWS_SECRET_ACCESS_KEY"]):
        result = installed.run(
            *("submit", "--master", "local[2]", "--no-environment", *QUICK, *options),
            *("--conf", f"spark.pyspark.python={sys.executable}", "--py-files"),
            *("core,jobs,azkaban_client", str(installed.script("loads", LOADS)), folder),
            *(str(tmp_path), "a.csv", "a.parquet", "lines.txt"),
            environ=environ,
        )
    ended = dict(re.findall(r"ENDED (\S+) (\d)", result.stdout))
    assert ended == dict.fromkeys(("a.csv", "a.parquet", "lines.txt"), "0"), result.stderr
    assert KEYS["AWS_SECRET_ACCESS_KEY"] not in result.stdout + result.stderr
    for name in ended:
        made = tmp_path / f"{name}.out" / "local" / "local" / "spark_load"
        expected = in_one_process(same[name.partition(".")[0]])
        assert_same(Corpus.load(made / "texts.npz"), expected)


@contextmanager
def never_named(secret: str) -> Iterator[None]:
    """Check that no process has a secret on its command line while the block runs."""
    found, ended = list[bytes](), threading.Event()

    def look() -> None:
        while not ended.wait(0.2):
            for file in Path("/proc").glob("[0-9]*/cmdline"):
                with suppress(OSError):
                    found.extend(w for w in [file.read_bytes()] if secret.encode() in w)

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
    assert found == []


def test_texts_on_hdfs_become_shards_of_which_each_task_holds_its_part(
    yarn: LiveSpark, hdfs: Hdfs, tmp_path: Path
) -> None:
    rng = np.random.default_rng(4)
    words = ["one, two", 'a "b"', "c\nd", "über", "!"]
    rows = [(" ".join(rng.choice(words, rng.integers(1, 9))), "ab"[n % 2]) for n in range(120)]
    numbered = ((n, *row) for n, row in enumerate(rows))
    path = write_table(tmp_path / "texts.csv", numbered, "number", "text", "label")
    hdfs.put(path)
    # As on a cluster whose file system this is: paths without a scheme are its own.
    there = f"--conf=spark.hadoop.fs.defaultFS={hdfs.url}"
    shards = "/there/shards"
    data = {"data": "/there/texts.csv", "shards": shards, "max_words": 9}
    texts = run(yarn, tmp_path, "spark.load", data, there) / "texts.npz"
    expected = in_one_process(write_table(tmp_path / "alone.csv", rows), max_words=9)
    assert_same(Corpus.load(texts), expected)

    props = classify(texts, 3) | {"shards": f"{hdfs.url}{shards}"}
    model = of_model(run(yarn, tmp_path, "spark.train", props))
    assert np.abs(model - here(texts, 3)).max() < 1e-12

    def refused(**props: Any) -> str:
        done = subprocess.run(
            command(yarn, tmp_path, "spark.load", {**data, **props}, there),
            cwd=CHECKOUT, capture_output=True, text=True, timeout=600, check=False,
        )  # fmt: skip
        assert done.returncode == 2, done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        return done.stderr

    said = (
        f"spark.load.shards = {shards}: is there already ({hdfs.url}{shards}); name a new folder\n"
    )
    assert said in refused()
    (tmp_path / "ragged.csv").write_text("text,label\na,b\nc,d,e\n")
    ragged = hdfs.put(tmp_path / "ragged.csv")
    said = refused(data="/there/ragged.csv", shards="")
    words = rf"exit code 2; its last words: spark\.load: .*{ragged}: Malformed CSV record: c,d,e$"
    assert re.search(words, said, re.MULTILINE)


def started(yarn: LiveSpark, out: Path, props: dict[str, Any]) -> subprocess.Popen[str]:
    """Start training; what it says is one stream."""
    return subprocess.Popen(
        command(yarn, out, "spark.train", props),
        cwd=CHECKOUT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip


def test_an_executor_killed_in_mid_training_costs_no_epoch(
    yarn: LiveSpark, texts: Path, tmp_path: Path
) -> None:
    epochs = 400
    said, application, killed = [], "", False
    with started(yarn, tmp_path, classify(texts, epochs)) as process:
        for line in process.stdout or ():
            said.append(line)
            if found := re.match(r"application (application_\w+)", line):
                application = found[1]
            if line.startswith("epoch 5:"):
                os.kill(executors(application)[2], signal.SIGKILL)
                killed = True
    assert process.returncode == 0, "".join(said)
    assert killed
    done = [int(number) for number in re.findall(r"^epoch (\d+):", "".join(said), re.MULTILINE)]
    assert done == list(range(1, epochs + 1)), "no epoch is lost, and none done twice"
    folder = tmp_path / "local" / "local" / "spark_train"
    assert json.loads((folder / "run.json").read_text())["metrics"]["attempts"] == 2
    assert np.abs(of_model(folder) - here(texts, epochs)).max() < 1e-12


def in_windows(path: Path, size: int, params: Params, folder: Path) -> np.ndarray:
    """Train in this process alone on windows of the texts, mixed as shards are."""
    whole = in_one_process(path)
    n, texts = whole.y_train.size, list[tuple[int, int, bytes]]()
    for place, label, column in zip(range(n), whole.y_train, whole.x_train.T, strict=True):
        row = place * _step(n) % n
        texts.append((row, int(label), column[column > 0].astype("<i4").tobytes()))
    texts.sort()
    y = np.array([label for _, label, _ in texts[:size]])
    held = hold(texts, replace(whole, x_train=whole.x_train[:, :0], y_train=y), n)
    secret, file = b"a secret", folder / "alone.npz"
    seat = Seat(rank=0, size=1, host="127.0.0.1", secret=secret, gather=lambda card: [card])
    with Mailbox("127.0.0.1", secret, file, print) as box:
        train(params, held, 7, seat, box.mail)
    setting = prepare(params, whole, np.random.default_rng(7))
    stopping = EarlyStopping(patience=params.patience)
    restore(setting, stopping, file.read_bytes())
    stopping.finish(setting.trainer)
    return setting.trainer.parameters.values


def updates_of(checkpoint: Path) -> tuple[int, int]:
    """Tell the epochs that are done, and the updates of the next."""
    if not checkpoint.is_file():
        return 0, 0
    with np.load(checkpoint) as archive:
        header = json.loads(archive["header"].tobytes())
    at = header["position"] or {"batches": 0}
    return len(header["history"].get("loss", [])), at["batches"]


def test_an_executor_killed_in_mid_epoch_on_shards_costs_the_updates_since_a_checkpoint(
    yarn: LiveSpark, hdfs: Hdfs, tmp_path: Path
) -> None:
    """In the second of three windows: its texts are sorted anew, and the first are passed over."""
    rng, words = np.random.default_rng(4), [f"w{n}" for n in range(50)]
    rows = [(" ".join(rng.choice(words, rng.integers(1, 9))), "ab"[n % 2]) for n in range(3000)]
    path = write_table(tmp_path / "many.csv", rows)
    shards = f"{hdfs.url}/there/many"
    texts = run(yarn, tmp_path, "spark.load", {"data": hdfs.put(path), "shards": shards})
    props = classify(texts / "texts.npz", 3) | {"batch_size": 1, "shards": shards, "window": 1000}
    folder = tmp_path / "local" / "local" / "spark_train"
    said, at, done = list[str](), (0, 0), threading.Event()

    def kill(application: str) -> None:
        nonlocal at
        while at < (1, 50) and not done.wait(0.02):
            at = updates_of(folder / "checkpoint.npz")
        os.kill(executors(application)[2], signal.SIGKILL)

    with started(yarn, tmp_path, props | {"checkpoint_every": 0.1}) as process:
        for line in process.stdout or ():
            said.append(line)
            if found := re.match(r"application (application_\w+)", line):
                threading.Thread(target=kill, args=[found[1]]).start()
    done.set()
    log = "".join(said)
    assert process.returncode == 0, log
    (found,) = re.findall(r"^continuing in epoch 2, after (\d+) updates", log, re.MULTILINE)
    assert at[0] == 1
    assert 50 <= at[1] <= int(found)
    assert re.findall(r"^epoch (\d+):", log, re.MULTILINE) == ["1", "2", "3"]
    assert json.loads((folder / "run.json").read_text())["metrics"]["attempts"] == 2
    params = Params(data=path, epochs=3, patience=3, **{**SMALL, "batch_size": 1})
    assert np.abs(of_model(folder) - in_windows(path, 800, params, tmp_path)).max() < 1e-12


def test_after_the_fourth_loss_training_gives_up(
    yarn: LiveSpark, texts: Path, tmp_path: Path
) -> None:
    said, application, killed = [], "", set[int]()
    with started(yarn, tmp_path, classify(texts, 100_000)) as process:
        for line in process.stdout or ():
            said.append(line)
            if found := re.match(r"application (application_\w+)", line):
                application = found[1]
            if line.startswith("epoch "):
                alive = set(executors(application).values())
                if len(alive) == 2 and not alive & killed:  # all of them train again
                    victim = alive.pop()
                    killed.add(victim)
                    os.kill(victim, signal.SIGKILL)
    assert process.returncode == 1, "".join(said[-80:])
    assert len(killed) == 4
    assert "an executor was lost for the fourth time" in "".join(said[-80:])
    checkpoint = tmp_path / "local" / "local" / "spark_train" / "checkpoint.npz"
    assert checkpoint.is_file(), "what was learnt is kept: --resume goes on"


def test_chains_and_diagnostics_are_those_of_one_process(yarn: LiveSpark, tmp_path: Path) -> None:
    data = tmp_path / "local" / "local" / "sampling_load" / "data.npz"
    made = [sys.executable, "-m", "jobs.sampling.load", "--output-dir", str(tmp_path)]
    subprocess.run(made, cwd=CHECKOUT, check=True, stdout=subprocess.DEVNULL)
    props = {"data": data, "streams": 3, "n": 2, "burn_in": 200, "draws": 300, "thin": 1}
    drawn = Draws.load(run(yarn, tmp_path, "spark.draw", props) / "draws.npz", "draws")
    counts: dict[str, Any] = {"n_chains": 2, "burn_in": 200, "n_draws": 300}
    problem, rng = Data.load(data, "data").posed("gibbs", 0.9, "method"), np.random.default_rng(7)
    expected = merge(sample_streams(problem, rng, streams=range(3), **counts))
    assert (drawn.draws == expected.draws).all()
    there, one = summarise(drawn.draws), summarise(expected.draws)
    assert (there.r_hat == one.r_hat).all()
    assert (there.ess_bulk == one.ess_bulk).all()
    assert (there.ess_tail == one.ess_tail).all()


def test_routes_are_those_of_one_process(yarn: LiveSpark, tmp_path: Path) -> None:
    stops = CHECKOUT / "jobs" / "routing" / "stops.csv"
    props = {"stops": stops, "dispatchers": 4, "parts": 3, "steps_per_stop": 10}
    folder = run(yarn, tmp_path, "spark.route", props)
    record = json.loads((folder / "result.json").read_text())
    problem = read_stops(stops).replace(dispatchers=4)
    one = improve_parts(problem, start=cut_tour(problem), parts=3, steps_per_stop=10, seed=7)
    ids = [[int(problem.ids[stop]) for stop in route] for route in one.routes]
    assert record["routes"] == ids
    assert record["cost"] == one.cost
    assert 0 < record["lower_bound"] < one.cost
    metrics = json.loads((folder / "run.json").read_text())["metrics"]
    assert metrics["driver_mb"] > 0
    assert metrics["task_mb"] > 0


COMPILED = """\
import os, sys
from functools import partial
from pyspark import SparkContext
from jobs.spark._compiled import CompiledMap
share = CompiledMap(SparkContext())
from core.routing.solver import compile_search
compile_search()
hits = (
    "[__import__('core.routing.solver', fromlist=['x']).compile_search()] and "
    "[sum(__import__('core.routing._sisr', fromlist=['x']).anneal.stats.cache_hits.values()), "
    "__import__('os').environ['NUMBA_CACHE_DIR']]"
)
print("FOUND", *share(partial(eval, hits), [{}])[0])
"""


def test_executors_take_what_the_driver_has_compiled(installed: LiveSpark, tmp_path: Path) -> None:
    """Though they keep compiled code in a folder of their own."""
    result = installed.run(
        *("submit", "--master", "local[1]", "--no-environment", *QUICK),
        *("--conf", f"spark.pyspark.python={sys.executable}"),
        *("--conf", f"spark.executorEnv.NUMBA_CACHE_DIR={tmp_path / 'theirs'}"),
        *("--py-files", "core,jobs,azkaban_client", str(installed.script("code", COMPILED))),
    )
    assert f"FOUND 1 {tmp_path / 'theirs'}\n" in result.stdout, result.stdout + result.stderr


def test_without_spark_a_job_says_how_it_is_run(tmp_path: Path, texts: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "jobs.spark.train", f"--data={texts}", f"--output-dir={tmp_path}"],
        cwd=CHECKOUT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr == (
        "spark.train: there is no Spark here: run it by azkaban-jobflow spark submit "
        "--py-files core,jobs,azkaban_client -m jobs.spark.train\n"
    )


@pytest.mark.parametrize("flow", ["spark_text", "spark_chains", "spark_route"])
def test_flow_succeeds_on_azkaban_and_leaves_reports(
    azkaban: LiveAzkaban, yarn: LiveSpark, flow: str
) -> None:
    with azkaban.uploaded("spark", flow) as client:
        execid = client.execute(flow, flow, properties={"epochs": "2"})
        execution = client.wait(execid, timeout=900)
        failed = [job.id for job in execution.walk() if not job.status.good]
        logs = ["".join(client.log(execid, job))[-2000:] for job in failed]
    assert execution.succeeded, logs
    for job in execution.walk():
        folder = azkaban.layout.runs / "spark" / str(execid) / job.id
        assert "</html>" in (folder / "report.html").read_text()


def test_a_project_of_azk_new_runs_and_takes_its_packages_along(
    azkaban: LiveAzkaban, yarn: LiveSpark, tmp_path: Path
) -> None:
    name = "words"
    from_template(tmp_path / name, "spark")
    script = tmp_path / name / "words.py"
    # On an executor, and in the driver: a package that neither the cluster nor the jobs have.
    (tmp_path / name / "requirements.txt").write_text(f"{LACKED}\n")
    text = script.read_text()
    for line in ("return re.findall", "from pyspark"):
        text, found = re.subn(rf"(?m)^( +)(?={line})", r"\1import sortedcontainers\n\1", text)
        assert found == 1
    script.write_text(text)
    auth = (azkaban.username, azkaban.password)
    with Client(azkaban.url, auth=auth, address=azkaban.address) as client:
        client.create_project(name, "of the template")
        with with_form(collect(tmp_path / name)).temporary() as archive:
            client.upload(name, archive)
        execid = client.execute(name, name, properties={"top": "3", "executors": "1"})
        execution = client.wait(execid, timeout=600)
        log = "".join(client.log(execid, name))
        client.delete_project(name)
    assert execution.succeeded, log[-3000:]
    assert "12 words" in log
    record = json.loads((azkaban.layout.runs / name / str(execid) / name / "run.json").read_text())
    assert record["metrics"] == {"words": 12, "distinct": 9}
    eventually(lambda: not yarn.unpacked())


# some seconds an epoch
TEXT = {"epochs": "9999", "hidden": "128", "max_words": "60"}


@pytest.mark.parametrize(
    "long",
    [
        Long("spark_text", "text_train", TEXT, sign="checkpoint.npz"),
        Long("spark_chains", "chains_draw", {"burn_in": "1000000000"}),
        Long("spark_route", "route_solve", {"steps_per_stop": "100000000"}),
    ],
    ids=lambda long: long.flow,
)
def test_kill_on_azkaban_ends_the_application(
    azkaban: LiveAzkaban, yarn: LiveSpark, long: Long
) -> None:
    cancel_in_mid_run(azkaban, yarn, long)
