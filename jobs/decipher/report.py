"""Report on a decipherment: letters recovered, convergence of the chains, text beside truth.

    python -m jobs.decipher.report --solution RUN/solution.npz --truth a.txt

Writes report.html. Several solutions of one text, found by jobs with different streams, are pooled:
the report shows the most probable one and how many jobs found it. Without the true text, it shows
only the confidence of each letter.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from azkaban_client.job import COLOURS, InputError, Outputs, Page, Run, figure, job, param
from azkaban_client.job.plots import cells, colour_bar
from core.decipher import Alphabet, log_probability
from core.decipher.homophonic import log_density
from jobs._files import read_text
from jobs.decipher._common import StoredSolution, load_model

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from core.decipher import CipherText

_SHOWN = 3000  # characters set in colour
_CONVERGENCE = {
    False: "Log-probability of the text under each chain's key, after every step (first of the "
    "running letters, in a search that has two parts)",
    True: "Log-probability of the running letters and of the symbols that stand for them, as "
    "chains cool from random keys; each further round starts anew",
}
_TRAFFIC = (COLOURS[2], COLOURS[1], COLOURS[6])

__all__ = ["Params", "main"]


@dataclass(frozen=True, kw_only=True)
class Params:
    """What to report on."""

    solution: tuple[Path, ...] = param(doc="The solution.npz of one or more jobs.decipher.solve.")
    truth: str | None = param(None, doc="The plaintext (UTF-8), to compare with.")
    model: Path | None = param(None, doc="The language model used; empty: English.")


@job
def main(params: Params, run: Run) -> Outputs:
    """Compare, plot, write."""
    every = [StoredSolution.load(path, f"{run.prefix}.solution") for path in params.solution]
    found = _pool(every)
    highest = max(one.log_probability for one in every)
    same = sum(one.log_probability > highest - 1e-6 for one in every)
    alphabet = Alphabet(found.alphabet)
    solved = alphabet.encode(found.plaintext)
    truth, level = _truth(params, found, solved)
    kind = "homophonic" if found.homophonic else "substitution"
    page = Page(f"Decipherment of a {kind} cipher", f"seed {run.seed}, {found.method}")
    recovered = _facts(page, found, solved, truth, (same, len(every)))
    if len(every) > 1 and same == 1:
        run.log(f"WARNING: only 1 of {len(every)} jobs found the best key: search longer")
    if len(found.warnings):
        page.code("Warnings", "\n".join(str(warning) for warning in found.warnings))
    page.plot(
        "Convergence",
        _convergence(found, level),
        _CONVERGENCE[found.homophonic] + (", and that of the true text" if truth else ""),
    )
    _show_texts(page, found, truth)
    page.plot(
        "Posterior of the key",
        _heat(found, alphabet),
        "Chance that a cipher letter stands for a letter; the most frequent cipher letters first",
    )
    _key(page, found, alphabet, truth)
    outputs: dict[str, object] = {"report": run.report(page), "agreed": f"{same} of {len(every)}"}
    if truth:
        run.log(f"recovered {recovered:.2%} of {solved.n_letters} letters")
        outputs["recovered"] = round(recovered, 4)
    return outputs


def _truth(
    params: Params, found: StoredSolution, solved: CipherText
) -> tuple[CipherText | None, float | None]:
    """Read the true text, if it is known, and return it with its log-probability."""
    if params.truth is None:
        return None, None
    truth = Alphabet(found.alphabet).encode(read_text(params.truth, "decipher.report.truth"))
    if truth.n_letters != solved.n_letters:
        raise InputError(
            f"decipher.report.truth = {params.truth!r}: {truth.n_letters} letters, but the "
            f"deciphered text has {solved.n_letters}: give the text that was enciphered"
        )
    model = load_model(params.model, "decipher.report.model")
    if found.homophonic:
        return truth, log_density(model, truth)
    return truth, log_probability(model, truth, spaces=found.spaces)


def _show_texts(page: Page, found: StoredSolution, truth: CipherText | None) -> None:
    """Show the deciphered text beside the true one and the next best readings."""
    page.code("Deciphered text", found.plaintext)
    page.plot("Confidence", _coloured(found), "The deciphered text; colour is each letter's chance")
    if not found.spaces:
        page.code("Parted into words", found.words)
    if truth:
        page.code("Truth", truth.text)
    page.code("Ciphertext", found.ciphertext)
    if len(found.readings) > 1:
        drops = found.chances - found.chances[0]
        rows = [
            [round(float(drop), 2), _marked(str(text), found.plaintext)]
            for drop, text in zip(drops[1:], found.readings[1:], strict=True)
        ]
        page.table("Next best readings", ["log-probability less", "where they differ"], rows)


def _pool(every: list[StoredSolution]) -> StoredSolution:
    """Return the best of several solutions, with all chains and the posterior of the best."""
    if len({(one.ciphertext, one.alphabet, one.trace.shape[0], one.spaces) for one in every}) > 1:
        raise InputError("decipher.report.solution: solutions of different texts or settings")
    best = max(every, key=lambda one: one.log_probability)
    alike = [one for one in every if one.log_probability > best.log_probability - 1e-6]
    longest = max(one.trace.shape[1] for one in every)
    traces = [
        np.pad(one.trace, ((0, 0), (0, longest - one.trace.shape[1])), mode="edge") for one in every
    ]
    return replace(
        best,
        posterior=np.mean([one.posterior for one in alike], axis=0),
        trace=np.concatenate(traces),
        acceptance_rate=np.concatenate([one.acceptance_rate for one in every]),
        agreed=sum(one.agreed for one in alike),
        proposals=sum(one.proposals for one in every),
    )


def _facts(
    page: Page,
    found: StoredSolution,
    solved: CipherText,
    truth: CipherText | None,
    jobs: tuple[int, int],
) -> float:
    n_chains, n_steps = found.trace.shape
    confidence = found.posterior[np.arange(len(found.key)), found.key]
    cipher = found.cipher
    facts: list[tuple[str, object]] = [("letters", solved.n_letters)]
    recovered = 0.0
    if truth:
        recovered = float((truth.codes == solved.codes).mean())
        facts.insert(0, ("letters recovered", f"{recovered:.2%}"))
    facts += [
        ("expected by the chains", f"{confidence[cipher.codes].mean():.2%}"),
        ("chains that agree", f"{found.agreed} of {n_chains}"),
        *([("jobs that agree", f"{jobs[0]} of {jobs[1]}")] if jobs[1] > 1 else []),
        ("steps", f"{n_steps:,}"),
        ("keys tried", f"{found.proposals:,}"),
        ("acceptance rate", f"{found.acceptance_rate.mean():.1%}"),
    ]
    page.facts("Result", facts)
    return recovered


def _convergence(found: StoredSolution, level: float | None) -> Figure:
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
    each = "sweeps over all symbols, in rounds" if found.homophonic else "proposed swaps per chain"
    ax.set_xlabel(f"step ({each})")
    ax.set_ylabel("log-probability (nats)")
    return fig


def _marked(text: str, best: str) -> str:
    """List the words of `text` that are not those of `best`."""
    pairs = zip(text.split(), best.split(), strict=True)
    return ", ".join(dict.fromkeys(f"{new} for {old}" for new, old in pairs if new != old))[:300]


def _coloured(found: StoredSolution) -> Figure:
    """Set the text in a fixed-width grid, each letter in the colour of its confidence."""
    confidence = found.posterior[np.arange(len(found.key)), found.key]
    cipher = found.cipher
    chance = np.full(len(found.plaintext), np.nan)
    chance[cipher.places] = confidence[cipher.codes]
    width, rows = 76, [""]
    places = []
    for i, c in enumerate(found.plaintext[:_SHOWN]):
        if c == "\n" or len(rows[-1]) == width:
            rows.append("")
        if c != "\n":
            places.append((i, len(rows) - 1, len(rows[-1])))
            rows[-1] += c
    fig = figure(7.0, 0.6 + 0.19 * len(rows))
    axis = fig.subplots()
    for i, row, column in places:
        if np.isfinite(chance[i]):
            weak = min(int((1 - chance[i]) * 10), 2)  # 90% and more, 80% and more, less
            axis.text(column, row, found.plaintext[i], color=_TRAFFIC[weak], family="monospace")
        else:
            axis.text(column, row, found.plaintext[i].replace("$", r"\$"), family="monospace")
    for colour, label in zip(_TRAFFIC, ("90% and more", "80% to 90%", "below 80%"), strict=True):
        axis.plot([], [], "s", color=colour, label=label)
    axis.legend(ncols=3, loc="lower left", bbox_to_anchor=(0, 1))
    axis.set_xlim(0, width)
    axis.set_ylim(len(rows) - 0.3, -1)
    axis.set_axis_off()
    return fig


def _heat(found: StoredSolution, alphabet: Alphabet) -> Figure:
    cipher = found.cipher
    counts = np.bincount(cipher.codes, minlength=len(found.key))
    order = [c for c in np.argsort(-counts, kind="stable").tolist() if counts[c]]
    plain = list(dict.fromkeys(found.key[order].tolist()))
    plain += [p for p in range(1, len(alphabet) + 1) if p not in plain]
    fig = figure(7.0, max(6.0, 0.16 * len(order)))
    axis = fig.subplots()
    mesh = cells(axis, found.posterior[np.ix_(order, plain)], cmap="viridis", vmin=0, vmax=1)
    axis.set_yticks(range(len(order)), [(cipher.symbols or alphabet.letters)[c - 1] for c in order])
    axis.set_xticks(range(len(plain)), [alphabet.letters[p - 1] for p in plain])
    axis.set_ylabel("cipher letter")
    axis.set_xlabel("plain letter")
    colour_bar(fig, mesh, "probability")
    return fig


def _key(page: Page, found: StoredSolution, alphabet: Alphabet, truth: CipherText | None) -> None:
    cipher = found.cipher
    right = dict(zip(cipher.codes.tolist(), truth.codes.tolist(), strict=True)) if truth else {}
    counts = np.bincount(cipher.codes, minlength=len(found.key))
    letters, written = "·" + alphabet.letters, ("·", *(cipher.symbols or alphabet.letters))
    rows: list[list[object]] = []
    for c in np.argsort(-counts, kind="stable").tolist():
        if c and counts[c]:
            row: list[object] = [written[c], letters[found.key[c]]]
            if truth:
                row.append(letters[right[c]])
            rows.append([*row, round(float(found.posterior[c, found.key[c]]), 3), int(counts[c])])
    header = ["cipher", "plain", *(["truth"] if truth else []), "confidence", "times"]
    page.table("Key", header, rows)


if __name__ == "__main__":
    main.start()
