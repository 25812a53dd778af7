"""Hold what the chains of a search propose, draw and record, in blocks of swaps of two letters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from core.decipher.score import WordScore
    from core.decipher.spaceless import LetterScore, WordSum

    Score = WordScore | LetterScore | WordSum

__all__ = ["Block", "Ladder", "Randoms", "Swaps"]

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Swaps:
    """The swaps that can change a text: two letters of the alphabet, one of them in the text.

    Attributes
    ----------
    first, second
        The two cipher letters of each swap, shape (n_swaps,).
    change
        What a swap changes in each fingerprint, per unit that the first letter's code rises; shape
        (n_swaps, n_prints).
    """

    first: Ints
    second: Ints
    change: NDArray[np.uint64]

    @classmethod
    def of(cls, score: Score, fixed: Ints | None = None) -> Swaps:
        """List the swaps of a text's letters.

        Parameters
        ----------
        score
            Knows the text, and how fingerprints follow its letters.
        fixed
            Cipher codes that keep their plain letter.
        """
        codes = np.arange(len(score.slopes))
        present = np.isin(codes, score.cipher.codes)
        free = ~np.isin(codes, [0] if fixed is None else [0, *fixed])
        first, second = np.triu_indices(len(codes), 1)
        use = free[first] & free[second] & (present[first] | present[second])
        first, second = first[use], second[use]
        return cls(first, second, score.slopes[first] - score.slopes[second])


class Block(NamedTuple):
    """Many steps of the cold chains.

    Attributes
    ----------
    key
        After each step, shape (n_steps, n_columns, A + 1).
    log_density
        There, shape (n_steps, n_columns).
    accepted
        Swaps taken by each cold chain, shape (n_columns,).
    """

    key: Ints
    log_density: Floats
    accepted: Ints


class Ladder(NamedTuple):
    """Temperatures and exchanges.

    Attributes
    ----------
    beta
        Inverse temperatures, falling from 1; shape (n_temperatures,).
    every
        Steps between exchanges of neighbouring temperatures.
    """

    beta: Floats
    every: int


class Randoms(NamedTuple):
    """The random numbers of a block: swaps, and logs of what the ratios must beat.

    Attributes
    ----------
    swap
        Which swap each chain proposes, shape (n_steps, n_chains).
    threshold
        Log of a uniform number, shape (n_steps, n_chains).
    second
        The same for scores behind a screen, or of shape (0, 0).
    exchange
        The same for exchanges, shape (n_steps // exchange_every + 1, n_temperatures - 1,
        n_columns).
    """

    swap: Ints
    threshold: Floats
    second: Floats
    exchange: Floats
