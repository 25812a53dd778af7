"""Build a language model from plain text, or copy the one that ships with the project.

    python -m jobs.decipher.model --text novels.txt --output novels.lm

Counts words, word bigrams and running letters, and packs them into one compressed file.
Several texts are separated by commas; a folder stands for its .txt files. Without a text, the
English model that ships with the project is copied. 300,000 words are enough to decipher 400
letters; more text deciphers shorter messages.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from azkaban_client.job import InputError, Outputs, Run, job, param, write_bytes
from core.decipher import Alphabet, LanguageModel, build, english
from jobs._files import read_texts

__all__ = ["Params", "main"]


@dataclass(frozen=True, kw_only=True)
class Params:
    """What to count."""

    text: str | None = param(
        None, doc="Training texts (UTF-8): files or folders, comma-separated; empty: English."
    )
    alphabet: str = param(
        "abcdefghijklmnopqrstuvwxyz",
        doc="Letters of the language, in lower case; auto: those that occur in the text.",
    )
    source: str = param("", doc="Where the text comes from and its licence; kept in the model.")
    output: Path | None = param(None, doc="The model's file (default: model.lm in the job folder).")


@job
def main(params: Params, run: Run) -> Outputs:
    """Build, pack, write."""
    model = _train(params, run) if params.text else english()
    path = params.output or run.dir / "model.lm"
    data = model.to_bytes()
    write_bytes(path, data)
    words = int(model.counts.sum())
    run.log(
        f"{words:,} words, {len(model.words):,} distinct, {len(model.first):,} word bigrams, "
        f"{len(data):,} bytes"
    )
    return {"model": path, "words": words, "vocabulary": len(model.words)}


def _train(params: Params, run: Run) -> LanguageModel:
    text = "\n\n".join(read_texts(params.text or "", "decipher.model.text"))
    try:
        letters = _letters(text) if params.alphabet == "auto" else params.alphabet
        run.log(f"alphabet: {letters}")
        return build(text, Alphabet(letters), params.source)
    except ValueError as error:
        raise InputError(f"decipher.model.text = {params.text!r}: {error}") from None


def _letters(text: str) -> str:
    """Return the letters that make up at least one in 100,000 of the text's."""
    folded = [c for c in text.lower() if c.isalpha()]
    return "".join(sorted(c for c in set(folded) if folded.count(c) * 100_000 >= len(folded)))


if __name__ == "__main__":
    main.start()
