"""Encipher a text with a random key.

    python -m jobs.encipher --prop encipher.text=letter.txt --prop seed=3

Each letter of the alphabet is replaced by another one, drawn from the seed; case, spaces,
punctuation and everything else stay. Writes cipher.txt and, for whoever checks the answer,
truth.txt.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path  # noqa: TC003 (the types of parameters are read at run time)

import numpy as np

from jobs._decipher import load_model, passages, read_text
from jobs._params import param
from jobs._runtime import InputError, Job, Outputs, Spec, main, write_text

__all__ = ["JOB", "Params", "run"]


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


def run(params: Params, job: Job) -> Outputs:
    """Draw a key and substitute."""
    alphabet = load_model(params.model, "encipher.model").alphabet
    if params.text:
        text, source = read_text(params.text, "encipher.text"), params.text
    else:
        known = passages()
        if params.passage not in known:
            raise InputError(
                f"encipher.passage = {params.passage!r}: expected one of {', '.join(known)}"
            )
        text, source = known[params.passage]["text"], known[params.passage]["source"]
    plain = alphabet.encode(text)
    if not plain.n_letters:
        raise InputError(
            f"encipher.text = {params.text!r}: no letter of the alphabet {alphabet.letters!r}"
        )
    if not params.encipher:
        write_text(job.dir / "cipher.txt", text)
        return {"cipher": job.dir / "cipher.txt", "truth": "", "letters": plain.n_letters}
    key = np.concatenate([[0], job.rng.permutation(len(alphabet)) + 1])
    job.log(f"{plain.n_letters} letters; {source}")
    write_text(job.dir / "cipher.txt", plain.decode(key))
    write_text(job.dir / "truth.txt", text)
    return {
        "cipher": job.dir / "cipher.txt",
        "truth": job.dir / "truth.txt",
        "letters": plain.n_letters,
    }


JOB = Spec(prefix="encipher", params=Params, run=run)

if __name__ == "__main__":
    sys.exit(main(JOB))
