"""Encipher a text with a random key.

    python -m jobs.decipher.encipher --text letter.txt --seed 3

Each letter of the alphabet is replaced by another one that depends on the seed; case, spaces,
punctuation and everything else stay. Writes cipher.txt and, to check the answer, truth.txt.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from azkaban_client.job import InputError, Outputs, Run, job, param, write_text
from jobs._files import read_text
from jobs.decipher._common import load_model, passages

__all__ = ["Params", "main"]


@dataclass(frozen=True, kw_only=True)
class Params:
    """What to encipher."""

    text: str | None = param(
        None, doc="A text file (UTF-8) to encipher, - for standard input; empty: the passage."
    )
    passage: str = param(
        "children", doc="A passage that comes along, held out of the language model's training."
    )
    encipher: bool = param(
        True, doc="If not, the text is a ciphertext already, and is only checked and copied."
    )
    model: Path | None = param(None, doc="A language model, for its alphabet; empty: English.")


@job
def main(params: Params, run: Run) -> Outputs:
    """Draw a key and substitute."""
    alphabet = load_model(params.model, "decipher.encipher.model").alphabet
    if params.text:
        text, source = read_text(params.text, "decipher.encipher.text"), params.text
    else:
        known = passages()
        if params.passage not in known:
            raise InputError(
                f"decipher.encipher.passage = {params.passage!r}: expected one of "
                f"{', '.join(known)}"
            )
        text, source = known[params.passage]["text"], known[params.passage]["source"]
    plain = alphabet.encode(text)
    if not plain.n_letters:
        raise InputError(
            f"decipher.encipher.text = {params.text!r}: no letter of the alphabet "
            f"{alphabet.letters!r}"
        )
    if not params.encipher:
        write_text(run.dir / "cipher.txt", text)
        return {"cipher": run.dir / "cipher.txt", "truth": "", "letters": plain.n_letters}
    key = np.concatenate([[0], run.rng.permutation(len(alphabet)) + 1])
    run.log(f"{plain.n_letters} letters; {source}")
    write_text(run.dir / "cipher.txt", plain.decode(key))
    write_text(run.dir / "truth.txt", text)
    return {
        "cipher": run.dir / "cipher.txt",
        "truth": run.dir / "truth.txt",
        "letters": plain.n_letters,
    }


if __name__ == "__main__":
    main.start()
