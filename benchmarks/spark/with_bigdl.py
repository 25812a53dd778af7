r"""BigDL's DistriOptimizer beside this project's trainer: the same texts, batches and epochs.

    python benchmarks/spark/with_bigdl.py --data T.npz --env FOLDER

T.npz comes from `jobs.textclass_load`. FOLDER gets BigDL 2.4.0 with Spark 3.5.9 from
``setup/locks/bigdl.txt`` unless it is there (0.6 GB). Both train a GRU in both directions on two
cores: BigDL in Spark's local mode, ours in two processes. BigDL takes the last step, ours attends.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import re
import resource
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from jobs._mailbox import Mailbox  # noqa: E402
from jobs._nn_text import Corpus  # noqa: E402
from jobs.textclass_train import Params  # noqa: E402


def installed(env: Path) -> Path:
    """Make the environment; return its packages."""
    found = sorted(env.glob("lib/python*/site-packages"))
    if not found or not (found[0] / "bigdl" / "share").is_dir():
        subprocess.run([sys.executable, "-m", "venv", env], check=True)
        pip = [str(env / "bin" / "python"), "-m", "pip", "install", "-q", "--no-deps"]
        lock = ROOT / "setup" / "locks" / "bigdl.txt"
        subprocess.run([*pip, "--require-hashes", "-r", str(lock)], check=True)
        found = sorted(env.glob("lib/python*/site-packages"))
    return found[0]


def bigdl(options: argparse.Namespace) -> dict[str, float]:
    """Train by BigDL."""
    packages = installed(options.env)
    jars = [str(path) for path in packages.glob("bigdl/share/**/*.jar")]
    conf = next(packages.glob("bigdl/share/dllib/conf/spark-bigdl.conf"))
    command = [str(packages / "pyspark" / "bin" / "spark-submit"), "--master", "local[2]"]
    command += ["--driver-memory", "2g", "--properties-file", str(conf), "--jars", ",".join(jars)]
    command += ["--conf", f"spark.driver.extraClassPath={':'.join(jars)}"]
    command += ["--conf", "spark.driver.bindAddress=127.0.0.1", "--conf", "spark.ui.enabled=false"]
    command += [str(Path(__file__).with_name("bigdl_textclass.py")), str(options.data)]
    numbers = (options.texts, options.epochs, options.batch, options.hidden)
    own = {
        "SPARK_HOME": str(packages / "pyspark"),
        "SPARK_LOCAL_IP": "127.0.0.1",
        "PYSPARK_PYTHON": str(options.env / "bin" / "python"),
        "PYTHONPATH": str(packages),
    }
    done = subprocess.run(
        [*command, *map(str, numbers)],
        env={**os.environ, **own},
        capture_output=True,
        text=True,
        check=False,
    )
    result = re.search(r"^RESULT (.*)$", done.stdout, re.MULTILINE)
    if not result:
        raise SystemExit(f"BigDL failed:\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}")
    found: dict[str, float] = json.loads(result[1])
    return found


def ours(options: argparse.Namespace, run: Any) -> dict[str, float]:
    """Train by `core.nn`, in two processes."""
    whole = Corpus.load(options.data)
    with tempfile.TemporaryDirectory() as name:
        data = Path(name) / "texts.npz"
        count = slice(options.texts * 10 // 9)  # a tenth is kept from training
        few = replace(whole, x_train=whole.x_train[:, count], y_train=whole.y_train[count])
        few.save(data)
        params = Params(
            data=data, cell="gru", embedding=options.hidden, hidden=options.hidden, dropout=0.0,
            epochs=options.epochs, patience=options.epochs, batch_size=options.batch,
        )  # fmt: skip
        file = Path(name) / "checkpoint.npz"
        with Mailbox("127.0.0.1", run.SECRET, file, lambda _: None) as box:
            reports = run.processes(2, run.train_member, params, box.mail)
        accuracy = run.held_out(params, whole, file)
    return {"seconds": max(r.seconds for r in reports), "accuracy": accuracy}


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--env", type=Path, required=True)
    parser.add_argument("--texts", type=int, default=2560)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--hidden", type=int, default=64)
    options = parser.parse_args()
    spec = importlib.util.spec_from_file_location("run", Path(__file__).with_name("run.py"))
    if spec is None or spec.loader is None:
        raise ImportError("run.py")
    run = importlib.util.module_from_spec(spec)
    sys.modules["run"] = run  # for the processes that it starts
    sys.path.insert(0, str(Path(__file__).parent))
    spec.loader.exec_module(run)
    print(f"{options.texts} texts, {options.epochs} epochs, batches of {options.batch}")
    for name, work in (("ours", lambda: ours(options, run)), ("BigDL", lambda: bigdl(options))):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        found = work()
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        rate = options.texts * options.epochs / found["seconds"]
        print(
            f"{name}: {found['seconds']:.1f} s training ({rate:.0f} texts/s), processor "
            f"{cpu:.1f} s with start and end, {found['accuracy']:.3f} of held-out texts right"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
