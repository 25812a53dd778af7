"""Recognise Caesar's, an affine or Vigenère's cipher, and open it.

    python -m jobs.decipher.identify --input cipher.txt --output plain.txt
    echo 'Wkh vwdwh ri wkh Xqlrq lv vwurqj.' | python -m jobs.decipher.identify --input - --output -

The kind and its key are in the outputs and in the log. A text that is none of these is refused; the
message says whether it looks like a substitution, which jobs.decipher.solve deciphers. Letters are
counted on from a to z; everything else stays, and the key word does not move on over it.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from azkaban_client.job import InputError, Outputs, Run, job, param, write_text
from core.decipher import looks_homophonic
from core.decipher.classical import LONGEST, SURE, readings
from core.decipher.sureness import evenness
from jobs._files import read_text
from jobs.decipher._common import load_model

if TYPE_CHECKING:
    from core.decipher import CipherText, LanguageModel
    from core.decipher.classical import Reading

__all__ = ["Params", "main"]

_NAMES = {"plain": "no cipher", "caesar": "Caesar", "affine": "affine", "vigenere": "Vigenère"}


@dataclass(frozen=True, kw_only=True)
class Params:
    """What to open, and what it may be."""

    input: str = param(doc="The ciphertext (UTF-8), - for standard input.")
    output: str | None = param(
        None, doc="Where the plaintext goes, - for standard output (default: the job folder)."
    )
    cipher: str = param(
        "auto",
        doc="Which cipher it is; auto tells them apart, and refuses what is none of them.",
        choices=("auto", "caesar", "affine", "vigenere"),
    )
    max_period: int = param(
        20, doc="Letters of the longest key word to look for.", ge=1, le=LONGEST
    )
    model: Path | None = param(None, doc="A language model of jobs.decipher.model; empty: English.")


@job
def main(params: Params, run: Run) -> Outputs:
    """Read, recognise, write."""
    model = load_model(params.model, f"{run.prefix}.model")
    path = Path(params.output).expanduser() if params.output else run.dir / "plaintext.txt"
    if not path.parent.is_dir():
        raise InputError(
            f"{run.prefix}.output = {params.output!r}: there is no folder {path.parent}"
        )
    where = f"{run.prefix}.input = {params.input!r}"
    text = read_text(params.input, f"{run.prefix}.input")
    if params.cipher == "auto" and looks_homophonic(text, model.alphabet):
        raise InputError(f"{where}: {_homophonic(text, model)}")
    try:
        cipher = model.alphabet.read(text)
        every = readings(cipher, model, max_period=params.max_period)
    except ValueError as error:
        raise InputError(f"{where}: {error}") from None
    found = _chosen(every, params.cipher)
    if found is None or (params.cipher == "auto" and found.evidence < SURE):
        raise InputError(f"{where}: {_unknown(cipher, model, params.max_period)}")
    about = f"{_NAMES[found.cipher]}, key {found.key}"
    if found.evidence < SURE:
        print(
            f"decipher: WARNING: {about}: {found.evidence:.1f} nats of evidence, of {SURE:g} that "
            "make a reading likely: it may be wrong",
            file=sys.stderr,
        )
    if params.output == "-":
        print(f"decipher: {about}", file=sys.stderr)
        sys.stdout.write(found.plaintext)
        return {}
    run.log(about)
    write_text(path, found.plaintext)
    return {
        "plaintext": path,
        "cipher": found.cipher,
        "key": found.key,
        "evidence": round(found.evidence, 2),
        "sure": str(found.evidence >= SURE).lower(),
    }


def _chosen(every: tuple[Reading, ...], kind: str) -> Reading | None:
    """Return the reading with most evidence, of one kind or of all."""
    wanted = {"caesar", "plain"} if kind == "caesar" else {kind}
    return next((one for one in every if kind == "auto" or one.cipher in wanted), None)


def _homophonic(text: str, model: LanguageModel) -> str:
    """Say what a text is in which letters seem to have several symbols each."""
    try:
        cipher = model.alphabet.read_homophonic(text)
    except ValueError as error:
        return str(error)
    return (
        f"{len(cipher.symbols)} symbols in a text of {cipher.n_letters} look like a homophonic "
        "substitution: decipher it with python -m jobs.decipher.solve"
    )


def _unknown(cipher: CipherText, model: LanguageModel, max_period: int) -> str:
    """Say what a text may be that is none of these ciphers."""
    if cipher.symbols:
        return (
            "the text is written in symbols, which have no order to count in: decipher it with "
            "python -m jobs.decipher.solve"
        )
    what = f"neither Caesar's cipher, an affine one nor Vigenère's with up to {max_period} letters"
    if not evenness(cipher, model):
        return (
            f"{what}, but its letters have the shares of a substitution: decipher it with "
            "python -m jobs.decipher.solve"
        )
    return (
        f"{what}: try a longer max_period or more text; another language needs its own model, and "
        "other ciphers are not opened here"
    )


if __name__ == "__main__":
    main.start()
