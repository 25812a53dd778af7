"""Report on a decipherment: letters recovered, convergence of the chains, text beside truth.

    python -m jobs.decipher_report --prop report.solution=RUN/solution.npz --prop report.truth=a.txt

Writes report.html. Without a truth it shows the confidence of each letter alone.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path  # noqa: TC003 (the types of parameters are read at run time)
from typing import TYPE_CHECKING

import numpy as np

from core.decipher import Alphabet, log_probability
from jobs._decipher import Found, load_model, read_text
from jobs._params import param
from jobs._report import COLOURS, Page, figure
from jobs._runtime import InputError, Job, Outputs, Spec, main

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from core.decipher import CipherText

__all__ = ["JOB", "Params", "run"]


@dataclass(frozen=True, kw_only=True)
class Params:
    """What to report on."""

    solution: Path = param(doc="The solution.npz of jobs.decipher.")
    truth: str | None = param(None, doc="The plaintext (UTF-8), to compare with.")
    model: Path | None = param(None, doc="The language model used; empty: English.")


def run(params: Params, job: Job) -> Outputs:
    """Compare, plot, write."""
    found = Found.load(params.solution, "report.solution")
    alphabet = Alphabet(found.alphabet)
    solved = alphabet.encode(found.plaintext)
    truth = None
    level = None
    if params.truth is not None:
        truth = alphabet.encode(read_text(params.truth, "report.truth"))
        if truth.n_letters != solved.n_letters:
            raise InputError(
                f"report.truth = {params.truth!r}: {truth.n_letters} letters, but the deciphered "
                f"text has {solved.n_letters}: give the text that was enciphered"
            )
        level = log_probability(
            load_model(params.model, "report.model"), truth, spaces=found.spaces
        )
    page = Page("Decipherment of a substitution cipher", f"seed {job.seed}, {found.method}")
    recovered = _facts(page, found, solved, truth)
    page.plot(
        "Convergence",
        _convergence(found, level),
        "Log-probability of the text under each chain's key, after every step"
        + (", and that of the true text" if truth else ""),
    )
    page.code("Deciphered text", found.plaintext)
    if not found.spaces:
        page.code("Parted into words", found.words)
    if truth:
        page.code("Truth", truth.text)
    page.code("Ciphertext", found.ciphertext)
    _key(page, found, alphabet, truth)
    page.write(job.dir / "report.html")
    outputs: dict[str, str | int | float | Path] = {"report": job.dir / "report.html"}
    if truth:
        job.log(f"recovered {recovered:.2%} of {solved.n_letters} letters")
        outputs["recovered"] = round(recovered, 4)
    return outputs


def _facts(page: Page, found: Found, solved: CipherText, truth: CipherText | None) -> float:
    n_chains, n_steps = found.trace.shape
    confidence = found.posterior[np.arange(len(found.key)), found.key]
    cipher = Alphabet(found.alphabet).encode(found.ciphertext)
    facts: list[tuple[str, object]] = [("letters", solved.n_letters)]
    recovered = 0.0
    if truth:
        recovered = float((truth.codes == solved.codes).mean())
        facts.insert(0, ("letters recovered", f"{recovered:.2%}"))
    facts += [
        ("expected by the chains", f"{confidence[cipher.codes].mean():.2%}"),
        ("chains that agree", f"{found.agreed} of {n_chains}"),
        ("steps", f"{n_steps:,}"),
        ("keys tried", f"{found.proposals:,}"),
        ("acceptance rate", f"{found.acceptance_rate.mean():.1%}"),
    ]
    page.facts("Result", facts)
    return recovered


def _convergence(found: Found, level: float | None) -> Figure:
    fig = figure()
    ax = fig.subplots()
    steps = np.arange(1, found.trace.shape[1] + 1)
    keep = np.unique(np.geomspace(1, len(steps), 400).astype(int)) - 1
    for i, chain in enumerate(found.trace):
        ax.plot(steps[keep], chain[keep], color=COLOURS[i % len(COLOURS)], lw=1)
    if level is not None:
        ax.axhline(level, ls="--", color="#808080", lw=1, label="true text")
        ax.legend()
    ax.set_xscale("log")
    ax.set_xlabel("step (proposed swaps per chain)")
    ax.set_ylabel("log-probability (nats)")
    return fig


def _key(page: Page, found: Found, alphabet: Alphabet, truth: CipherText | None) -> None:
    cipher = alphabet.encode(found.ciphertext)
    right = dict(zip(cipher.codes.tolist(), truth.codes.tolist(), strict=True)) if truth else {}
    counts = np.bincount(cipher.codes, minlength=len(found.key))
    letters = "·" + alphabet.letters
    rows: list[list[object]] = []
    for c in np.argsort(-counts, kind="stable").tolist():
        if c and counts[c]:
            row: list[object] = [letters[c], letters[found.key[c]]]
            if truth:
                row.append(letters[right[c]])
            rows.append([*row, round(float(found.posterior[c, found.key[c]]), 3), int(counts[c])])
    header = ["cipher", "plain", *(["truth"] if truth else []), "confidence", "times"]
    page.table("Key", header, rows)


JOB = Spec(prefix="report", params=Params, run=run)

if __name__ == "__main__":
    sys.exit(main(JOB))
