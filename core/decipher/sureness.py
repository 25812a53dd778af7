"""Judge a reading: what texts of the language score, and what a cipher looks like."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from core.decipher.model import LanguageModel
    from core.decipher.text import CipherText

__all__ = ["Usual", "evenness", "usual_score"]

_WORDS = 20_000  # drawn to learn what is usual

# Nats a letter by which texts with names, rare words or another style fall below the model's own;
# measured: true readings of English have -1.4 to -2.6, nonsense -3.1 and less.
_STRANGE = 1.2


class Usual(NamedTuple):
    """Log-probability per letter that texts of some length usually have.

    Attributes
    ----------
    mean, sd
        Mean and standard deviation for texts of the model's own words.
    least
        A reading below this is unlikely to be right.
    """

    mean: float
    sd: float
    least: float


def usual_score(model: LanguageModel, n_letters: int, *, spaces: bool) -> Usual:
    """Estimate the usual score per letter of a text in the language.

    Words are drawn from the model one by one, with the same draws every time.

    Parameters
    ----------
    model
        The language.
    n_letters
        Length of the text: the shorter, the more its score varies.
    spaces
        As in `core.decipher.solver.Settings`.

    Examples
    --------
    >>> from core.decipher.model import english
    >>> usual = usual_score(english(), 300, spaces=True)
    >>> -2 < usual.mean < -1, usual.least < usual.mean - 1
    (True, True)
    """
    mean, each = _letters(model, spaces=spaces)
    sd = each / max(n_letters, 1) ** 0.5
    return Usual(mean, sd, mean - _STRANGE - 2 * sd)


@lru_cache(maxsize=16)
def _letters(model: LanguageModel, *, spaces: bool) -> tuple[float, float]:
    """Return the mean score of a letter, and the deviation that adds up over letters."""
    rng = np.random.default_rng(0)
    share = model.counts / model.counts.sum()
    ids = rng.choice(len(model.words), _WORDS, p=share)
    lengths = (model.codes > 0).sum(axis=1)[ids].astype(float)
    scores = model.unigram.known[ids]
    if spaces:
        scores, lengths = model.log_pairs(ids[:-1], ids[1:]), lengths[1:]
    mean = float(scores.sum() / lengths.sum())
    return mean, float(np.std(scores - mean * lengths) / np.sqrt(lengths.mean()))


def evenness(cipher: CipherText, model: LanguageModel) -> str:
    """Say why a text does not look like a simple substitution cipher; empty if it does.

    A substitution keeps the letters' shares, so the index of coincidence is that of the language.
    This is no proof: pangrams are more even than any other text.

    Examples
    --------
    >>> from core.decipher import ENGLISH
    >>> from core.decipher.model import english
    >>> evenness(ENGLISH.encode("Sphinx of black quartz, judge my vow"), english())[:35]
    'index of coincidence 0.0074, expect'
    """
    n, letters = cipher.n_letters, model.alphabet.letters
    share = model.letter_share
    expected, even = float((share**2).sum()), 1 / len(letters)
    spread = 2 * float(np.sqrt(((share**3).sum() - expected**2) / max(n, 1)))
    # Chance varies little in a long text, but subject and period do.
    lowest = expected - max(4 * spread, 0.4 * (expected - even))
    highest = 2 * expected + 4 * spread
    if lowest <= cipher.coincidence <= highest:
        return ""
    what = "the letters are too even" if cipher.coincidence < lowest else "too few letters differ"
    return (
        f"index of coincidence {cipher.coincidence:.4f}, expected {expected:.3f} +- {spread:.3f} "
        f"for {n} letters of this language: {what}"
    )
