"""Finish a search: try all moves of two and three letters until none improves the key.

Chains that swap two letters at a time can miss the best key by a cycle of three, if each swap on
the way would make the text much worse (Lucks 1988 and others climb like that).
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from core.decipher.score import Keys, WordScore

if TYPE_CHECKING:
    from core.decipher.pairsum import PairSum
    from core.decipher.spaceless import WordSum

    Sharp = WordScore | WordSum | PairSum

__all__ = ["polish"]

Ints = NDArray[np.int64]

_TOGETHER = 1 << 20  # fingerprints held at a time
_GAIN = 1e-9


def polish(score: Sharp, key: Ints, fixed: Ints) -> tuple[Ints, float]:
    """Climb from a key to one that no move of two or three letters improves.

    Parameters
    ----------
    score
        Log-probability of the text under keys.
    key
        Shape (A + 1,).
    fixed
        Cipher codes that keep their plain letter.

    Returns
    -------
    key, log_density
        Where it ended, and what it scores.

    Examples
    --------
    >>> from core.decipher import ENGLISH, english
    >>> from core.decipher.score import WordScore
    >>> score = WordScore(english(), ENGLISH.encode("the state of the union is strong"))
    >>> key = np.arange(27)
    >>> key[[20, 8, 5]] = 8, 5, 20  # t, h and e
    >>> int((polish(score, key, np.zeros(0, dtype=int))[0][1:] != np.arange(1, 27)).sum())
    0
    """
    place, source = _moves(score, fixed)
    best = float(score(score.keys(key[None]))[0])
    while True:
        found, value = _best(score, key, place, source)
        if value <= best + _GAIN:
            return key, best
        key, best = found, value


def _moves(score: Sharp, fixed: Ints) -> tuple[Ints, Ints]:
    """List moves: letters at `place` get those at `source`; of a swap the second stands twice."""
    codes = np.arange(1, len(score.slopes))
    free = codes[~np.isin(codes, fixed)].tolist()
    present = set(np.unique(score.cipher.codes).tolist())
    place, source = [], []
    for three in itertools.combinations(free, 3):
        if present.intersection(three):
            a, b, c = three
            place += [(a, b, c)] * 2
            source += [(b, c, a), (c, a, b)]
    for a, b in itertools.combinations(free, 2):
        if a in present or b in present:
            place.append((a, b, b))
            source.append((b, a, a))
    return np.array(place).reshape(-1, 3), np.array(source).reshape(-1, 3)


def _best(score: Sharp, key: Ints, place: Ints, source: Ints) -> tuple[Ints, float]:
    """Return the best key one move away, and what it scores."""
    if not len(place):
        return key, -np.inf
    base = score.keys(key[None]).prints
    quick = score if isinstance(score, WordScore) else score.letters
    values = np.empty(len(place))
    step = max(1, _TOGETHER // base.shape[1])
    for start in range(0, len(place), step):
        some = slice(start, start + step)
        values[some] = quick(_moved(score, key, base, place[some], source[some]))
    if not isinstance(score, WordScore):
        top = np.argsort(-values, kind="stable")[: score.top]
        place, source = place[top], source[top]
        values = score(_moved(score, key, base, place, source))
    at = int(values.argmax())
    moved = key.copy()
    moved[place[at]] = key[source[at]]
    return moved, float(values[at])


def _moved(score: Sharp, key: Ints, base: NDArray[np.uint64], place: Ints, source: Ints) -> Keys:
    keys = np.repeat(key[None], len(place), axis=0)
    rows = np.arange(len(place))
    prints = np.repeat(base, len(place), axis=0)
    for column in range(3):
        a, b = place[:, column], source[:, column]
        if column == 2:  # of a swap it is the second once more, which has been moved
            again = place[:, 2] == place[:, 1]
            rise = np.where(again, 0, key[b] - key[a])
        else:
            rise = key[b] - key[a]
        prints += rise.astype(np.uint64)[:, None] * score.slopes[a]
        keys[rows, a] = key[b]
    return Keys(keys, prints)
