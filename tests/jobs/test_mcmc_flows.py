"""The flows decipher and sample, run job by job as Azkaban would, on other input."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import javaproperties
import numpy as np
import pytest

from core.decipher import ENGLISH
from core.mcmc.diagnostics import summarise
from jobs.sampling._common import Data, Draws
from tests.jobs import process

ROOT = Path(__file__).parents[2]


def load(path: Path) -> dict[str, str]:
    with path.open("rb") as stream:
        return dict(javaproperties.load(stream))


def run_flow(name: str, tmp_path: Path, **overrides: Any) -> dict[str, str]:
    """Run every job of ``flows/<name>`` after the jobs it depends on; return all outputs."""
    folder = ROOT / "flows" / name
    shared = load(folder / f"{name}.properties") | {k: str(v) for k, v in overrides.items()}
    jobs = {path.stem: load(path) for path in folder.glob("*.job")}
    outputs: dict[str, str] = {}
    done: set[str] = set()
    while len(done) < len(jobs):
        ready = [
            job
            for job, props in jobs.items()
            if job not in done
            and set(filter(None, props.get("dependencies", "").split(","))) <= done
        ]
        assert ready, f"cycle or missing dependency among {set(jobs) - done}"
        for job in ready:
            known = shared | outputs
            props = {
                key: re.sub(r"\$\{([^}]+)\}", lambda m, known=known: known[m[1]], value)
                for key, value in jobs[job].items()
                if key != "command"
            }
            props |= {"seed": shared["seed"], "output.dir": str(tmp_path / "runs")}
            (tmp_path / f"{job}.properties").write_bytes(
                javaproperties.dumps(props).encode("latin-1")
            )
            module = jobs[job]["command"].removeprefix("${python} -m ")
            result = subprocess.run(
                [sys.executable, "-m", module],
                cwd=ROOT,
                env={
                    **os.environ,
                    "OPENBLAS_NUM_THREADS": "1",
                    "JOB_NAME": job,
                    "JOB_PROP_FILE": str(tmp_path / f"{job}.properties"),
                    "JOB_OUTPUT_PROP_FILE": str(tmp_path / f"{job}.json"),
                },
                capture_output=True,
                text=True,
                check=False,
            )
            assert result.returncode == 0, (job, result.stdout, result.stderr)
            outputs |= json.loads((tmp_path / f"{job}.json").read_text("utf-8"))
            done.add(job)
    return outputs


def test_flow_decipher_takes_a_ciphertext(tmp_path: Path) -> None:
    text = (
        "In the first year of the war, the people of this country gave what they had, and asked "
        "only that their children might live in peace."
    )
    key = np.concatenate([[0], np.random.default_rng(5).permutation(26) + 1])
    source = tmp_path / "secret.txt"
    source.write_text(ENGLISH.encode(text).decode(key), "utf-8")
    outputs = run_flow("decipher", tmp_path, plaintext=source, encipher="false", chains=2)
    assert "decipher.recovered" not in outputs
    plain = Path(outputs["decipher_chains1.plaintext"]).read_text("utf-8")
    assert np.mean([a == b for a, b in zip(plain, text, strict=True)]) > 0.95
    assert outputs["decipher_text.truth"] == ""


@pytest.mark.parametrize("problem", ["decay", "changepoint"])
def test_flow_sample_converges_to_the_truth(tmp_path: Path, problem: str) -> None:
    outputs = run_flow("sample", tmp_path, problem=problem, seed=3)
    assert outputs["sample.converged"] == "true"
    assert float(outputs["sample.max_r_hat"]) < 1.01
    html = Path(outputs["sample.report"]).read_text("utf-8")
    for text in ("R-hat", "Trace", "Rank", "Running mean", "Autocorrelation", "Pairs"):
        assert text in html
    assert "<image" not in html  # plots are vector graphics
    draws = np.load(outputs["sample.draws"])["draws"]
    truth = np.load(outputs["sample_data.data"])["truth"]
    assert draws.shape == (8, 1000, len(truth))
    z = (draws.mean((0, 1)) - truth) / draws.std((0, 1))
    assert np.abs(z).max() < 4


def run(module: str, tmp_path: Path, **props: Any) -> subprocess.CompletedProcess[str]:
    return process.run(module, {"output.dir": tmp_path / "runs", **props})


def test_data_of_your_own_and_a_warning_when_not_converged(tmp_path: Path) -> None:
    table = tmp_path / "groups.csv"
    table.write_text("group,y\n0,1.5\n0,2.5\n1,7\n1,8\n1,9\n", "utf-8")
    done = run("sampling.load", tmp_path, problem="groups", csv=table)
    assert done.returncode == 0, done.stderr
    folder = tmp_path / "runs/local/local"
    done = run(
        "sampling.draw", tmp_path,
        data=folder / "sampling_load/data.npz", burn_in=50, draws=20,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    done = run("sampling.report", tmp_path, draws=folder / "sampling_draw/draws.npz")
    assert done.returncode == 0, done.stderr
    assert "WARNING: " in done.stdout
    assert "sampling_report.converged = false" in done.stdout
    done = run("sampling.draw", tmp_path, data=folder / "sampling_load/data.npz", method="hmc")
    assert done.returncode == 2
    assert done.stderr.strip().endswith(
        "sampling.draw.method = 'hmc': the problem groups is sampled by Gibbs and has no gradient; "
        "normal and decay have one"
    )


def test_nuts_draws_from_a_known_equation(tmp_path: Path) -> None:
    t = np.linspace(0, 5, 40)
    y = 3 * np.exp(-1.2 * t) + 1 + 0.1 * np.random.default_rng(0).standard_normal(40)
    Data("decay", np.zeros(0), t=t, y=y).save(tmp_path / "data.npz")
    done = run(
        "sampling.draw", tmp_path,
        data=tmp_path / "data.npz", method="nuts", n=4, burn_in=200, draws=100, thin=1,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "sampling_draw.divergences = " in done.stdout
    draws = np.load(tmp_path / "runs/local/local/sampling_draw/draws.npz")["draws"]
    assert np.allclose(draws.mean((0, 1)), [3, np.log(1.2), 1, np.log(0.1)], atol=0.5)
    assert summarise(draws).r_hat.max() < 1.1


def test_bad_input_is_one_clear_line_and_exit_2(tmp_path: Path) -> None:
    files = {}
    for name, text in {
        "words": "t,y\n0,1\n1,two\n2,3\n",
        "short": "t,y\n0,1\n",
        "column": "a,b\n0,1\n1,2\n2,3\n",
        "half": "y\n1\n2.5\n3\n",
        "gap": "group,y\n0,1\n2,1\n2,1\n",
    }.items():
        files[name] = tmp_path / f"{name}.csv"
        files[name].write_text(text, "utf-8")
    cases: list[tuple[str, dict[str, Any], str]] = [
        ("sampling.load", {"csv": files["words"]}, "line 3, column y: 'two' is not a number"),
        ("sampling.load", {"csv": files["short"]}, "1 rows of data, expected 3"),
        ("sampling.load", {"csv": files["column"]}, "line 2, column t: None is not a number"),
        (
            "sampling.load",
            {"csv": files["half"], "problem": "changepoint"},
            "line 3, column y: '2.5' is not a whole number",
        ),
        (
            "sampling.load",
            {"csv": files["gap"], "problem": "groups"},
            "group 1 has no rows",
        ),
        ("sampling.load", {"csv": files["half"], "problem": "normal"}, "has no data"),
        ("sampling.load", {"csv": tmp_path / "none.csv"}, "No such file"),
        ("sampling.draw", {"data": files["gap"]}, "not a file that jobs.sampling.load wrote"),
        ("sampling.report", {"draws": files["gap"]}, "not a file that jobs.sampling.draw wrote"),
    ]
    for module, props, message in cases:
        done = run(module, tmp_path, **props)
        assert done.returncode == 2, (props, done.stdout, done.stderr)
        assert message in done.stderr, (props, done.stderr)
        assert len(done.stderr.splitlines()) == 1, done.stderr


def test_a_report_of_odd_draws_says_what_they_are(tmp_path: Path) -> None:
    draws = np.random.default_rng(0).standard_normal((4, 40, 4))
    draws[..., 1], draws[1, 7, 2], draws[0, 0, 3] = 0.1, np.nan, np.inf
    density, rate, names = np.zeros((4, 40)), np.zeros(4), ("a", "b", "c", "d")
    Draws(draws, density, rate, names).save(tmp_path / "draws.npz")
    done = run("sampling.report", tmp_path, draws=tmp_path / "draws.npz")
    assert done.returncode == 0, done.stderr
    assert "WARNING: b is 0.1 in every draw" in done.stdout
    assert "WARNING: c: 1 draws are not finite numbers" in done.stdout
    assert "sampling_report.converged = false" in done.stdout
