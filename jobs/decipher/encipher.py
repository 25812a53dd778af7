"""Encipher a text with a random key.

    python -m jobs.decipher.encipher --text letter.txt --seed 3

Each letter of the alphabet is replaced by another one that depends on the seed; case, spaces,
punctuation and everything else stay. With --symbols 54 the cipher is homophonic: each letter is
replaced by one of its own numbers, of which frequent letters have several, and everything else is
left out. Writes cipher.txt and, to check the answer, truth.txt.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from azkaban_client.job import InputError, Outputs, Run, job, param, write_text
from core.decipher import looks_homophonic
from core.decipher.homophonic import share_out
from jobs._files import read_text
from jobs.decipher._common import load_model, passages

if TYPE_CHECKING:
    from core.decipher import Alphabet, CipherText, LanguageModel

__all__ = ["Params", "main"]

_PER_LINE = 20  # numbers of a homophonic cipher


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
    symbols: int | None = param(
        None, doc="Numbers of a homophonic cipher, at least as many as there are letters.", ge=2
    )
    model: Path | None = param(None, doc="A language model, for its alphabet; empty: English.")


@job
def main(params: Params, run: Run) -> Outputs:
    """Draw a key and substitute."""
    model = load_model(params.model, "decipher.encipher.model")
    alphabet = model.alphabet
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
    try:
        plain = alphabet.encode(text) if params.encipher else _read(alphabet, text)
    except ValueError as error:
        raise InputError(f"decipher.encipher.text = {params.text!r}: {error}") from None
    if not plain.n_letters:
        raise InputError(
            f"decipher.encipher.text = {params.text!r}: no letter of the alphabet "
            f"{alphabet.letters!r}"
        )
    if not params.encipher:
        write_text(run.dir / "cipher.txt", text)
        return {"cipher": run.dir / "cipher.txt", "truth": "", "letters": plain.n_letters}
    run.log(f"{plain.n_letters} letters; {source}")
    write_text(run.dir / "cipher.txt", _enciphered(plain, model, params.symbols, run.rng))
    write_text(run.dir / "truth.txt", text)
    return {
        "cipher": run.dir / "cipher.txt",
        "truth": run.dir / "truth.txt",
        "letters": plain.n_letters,
    }


def _read(alphabet: Alphabet, text: str) -> CipherText:
    """Read a ciphertext as jobs.decipher.solve does."""
    return (alphabet.read_homophonic if looks_homophonic(text, alphabet) else alphabet.read)(text)


def _enciphered(
    plain: CipherText, model: LanguageModel, symbols: int | None, rng: np.random.Generator
) -> str:
    """Replace the letters, each by one other letter, or by one of several numbers."""
    if symbols is None:
        return plain.decode(np.concatenate([[0], rng.permutation(len(model.alphabet)) + 1]))
    try:
        ends = np.concatenate([[0], np.cumsum(share_out(model, symbols))])
    except ValueError as error:
        raise InputError(f"decipher.encipher.symbols = {symbols}: {error}") from None
    numbers = rng.permutation(symbols)[rng.integers(ends[plain.codes - 1], ends[plain.codes])]
    width = len(str(symbols - 1))
    written = [f"{number:0{width}}" for number in numbers.tolist()]
    lines = (written[i : i + _PER_LINE] for i in range(0, len(written), _PER_LINE))
    return "".join(" ".join(line) + "\n" for line in lines)


if __name__ == "__main__":
    main.start()
