"""Compare trained character models, sample text from them, and write the report.

    python -m jobs.charlm.report --models A/model.npz,B/model.npz --text book.txt

The report has bits per character beside those of n-gram models, learning curves, sampled text, and
what the units of the best model do while it reads.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING, Any

from azkaban_client.job import COLOURS, InputError, Outputs, Page, Run, figure, job, param
from azkaban_client.job.plots import cells, colour_bar
from core.nn.language import Alphabet, bits_per_symbol, ngram_bits, sample
from jobs._files import read_text
from jobs._models import Trained, load_trained

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.figure import Figure


__all__ = ["Params", "main"]


@dataclass(frozen=True, kw_only=True)
class Params:
    """Which models to compare, and how much text to sample."""

    models: tuple[Path, ...] = param(doc="The model.npz of several jobs.charlm.train.")
    text: Path = param(doc="The text that they were trained on.")
    characters: int = param(400, doc="Characters that each model writes.", ge=1)
    temperature: float = param(0.7, doc="Below 1 keeps to the likely, above 1 strays.", gt=0)
    prompt: str | None = param(None, doc="What they go on from; the held-out text if empty.")


@job
def main(params: Params, run: Run) -> Outputs:
    """Measure, sample, report."""
    text = read_text(params.text, "charlm.report.text")
    models = _load(params, run)
    alphabet = Alphabet(models[0].meta["symbols"])
    try:
        ids = alphabet.encode(text)
    except ValueError as error:
        raise InputError(f"charlm.report.text = {params.text}: {error}") from None
    cut = round(len(text) * (1 - models[0].meta["held_out"]))
    bits = {model.name: bits_per_symbol(model.network, ids[cut:]) for model in models}
    best = min(models, key=lambda model: bits[model.name])
    base = _baselines(ids[:cut], ids[cut:], len(alphabet))
    page = Page(
        "Character language models",
        f"{params.text.name}: {cut} characters to train, {len(text) - cut} held out, "
        f"{len(alphabet)} different ones, seed {run.seed}",
    )
    page.facts("Held-out bits per character", [(name, f"{b:.3f}") for name, b in bits.items()])
    rows: list[list[object]] = [
        [m.name, m.meta["parameters"], m.meta["updates"], round(bits[m.name], 3)] for m in models
    ]
    rows += [[name, "", "", round(value, 3)] for name, value in base.items()]
    page.table("Models and baselines", ["model", "parameters", "updates", "bits"], rows)
    page.plot(
        "Learning curves",
        _curves(models, base),
        "Bits per character by update, on the start of the held-out text; dotted: n-gram models.",
    )
    for model in models:
        page.code(f"{model.name} writes", _write(model, alphabet, params, text[cut:], run.rng))
    page.plot(
        f"What {best.name} does while it reads",
        _units(best, ids[cut : cut + 80], alphabet),
        "Output of the first 40 units of its first layer at each character.",
    )
    report = run.report(page)
    for name, value in {**bits, **base}.items():
        run.log(f"{name}: {value:.3f} bits per character")
    return {"report": report, "best": best.name, "bits_per_char": bits[best.name]}


def _load(params: Params, run: Run) -> list[Trained]:
    models = load_trained(params.models, run.prefix, needs={"label", "symbols"}, same={})
    first = models[0].meta
    for model in models[1:]:
        if any(model.meta[name] != first[name] for name in ("symbols", "held_out")):
            raise InputError(f"{run.prefix}.models: not all of them were trained on the same text")
    return models


def _baselines(train: Any, test: Any, symbols: int) -> dict[str, float]:
    names = {1: "unigrams", 2: "bigrams", 3: "trigrams"}
    usable = [n for n in names if symbols**n <= 20_000_000 and n < min(len(train), len(test))]
    return {names[n]: ngram_bits(train, test, n, symbols) for n in usable}


def _curves(models: list[Trained], base: dict[str, float]) -> Figure:
    fig = figure(7.0, 3.6)
    axes = fig.subplots()
    for model, colour in zip(models, cycle(COLOURS), strict=False):
        history = model.meta["history"]
        axes.plot(history["update"], history["bits"], color=colour, marker="o", label=model.name)
    for name, value in base.items():
        axes.axhline(value, color="#808080", linestyle=":")
        beside = (1.01, value)  # of the axes: no curve crosses it there
        axes.annotate(name, beside, xycoords=("axes fraction", "data"), va="center")
    axes.set(xlabel="update", ylabel="bits per character")
    axes.legend()
    return fig


def _write(
    model: Trained, alphabet: Alphabet, params: Params, text: str, rng: np.random.Generator
) -> str:
    prompt = params.prompt or text[:40]
    try:
        start = alphabet.encode(prompt)
    except ValueError as error:
        raise InputError(f"charlm.report.prompt = {prompt!r}: {error}") from None
    drawn = sample(model.network, start, params.characters, rng=rng, temperature=params.temperature)
    return prompt + alphabet.decode(drawn)


def _units(model: Trained, ids: Any, alphabet: Alphabet) -> Figure:
    layer = model.network.layers[0]  # type: ignore[attr-defined]
    outputs, _ = layer.forward(ids[:, None])
    shown = outputs[:, 0, :40].T
    fig = figure(9.0, 4.2)
    axes = fig.subplots()
    mesh = cells(axes, shown, cmap="RdBu", vmin=-1, vmax=1)
    letters = [c if c.strip() else "·" for c in alphabet.decode(ids)]
    axes.set_xticks(range(len(ids)), letters, fontsize=7, family="monospace")
    axes.set(xlabel="character read", ylabel="unit")
    colour_bar(fig, mesh, "output")
    return fig


if __name__ == "__main__":
    main.start()
