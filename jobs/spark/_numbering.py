"""Turn texts into word numbers on executors, as jobs.textclass.load does in one process.

The texts are read three times, and stay where they are: once for what they are (classes, lengths),
once to count the words of the training part, once to number them. The driver gets classes, the
most frequent words, and numbers if they fit. The order of the texts is that of their files.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import count, groupby, islice, pairwise
from operator import add, itemgetter
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from azkaban_client.job import InputError
from jobs._texts import PADDING, UNKNOWN, Corpus, first_words, word_counts, words_of
from jobs.nn.load import pick_test

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from jobs.textclass.load import Numbering

    Key = tuple[str, int, int]  # file, where a part of it begins, number of the chunk in that part
    Row = tuple[str, str, str, int]  # text, class, file, where a part of it begins

__all__ = [
    "Numbered",
    "Plan",
    "by_count",
    "fill",
    "gathered",
    "look",
    "most_frequent",
    "number",
    "planned",
    "tally",
    "trained_on",
]

_CHUNK = 1000  # texts
_COUNTED = 200_000  # different words that a task counts before it hands them on


class Look(NamedTuple):
    """What the driver hears of a chunk.

    Attributes
    ----------
    key
        Which.
    classes, y
        Its classes, and the class of each text among them.
    read, cut, longest
        How many texts it had, how many are cut, and how many numbers the longest becomes.
    wrong
        What is wrong with a text; empty if nothing is.
    """

    key: Key
    classes: tuple[str, ...]
    y: npt.NDArray[np.uint32]
    read: int
    cut: int
    longest: int
    wrong: str


class Numbered(NamedTuple):
    """Texts as numbers: those of one part of the split.

    Attributes
    ----------
    is_test
        Whether they are held out.
    rows
        Their places in their part.
    y
        Their classes.
    lengths, ids
        How many numbers each has, and the numbers of all.
    """

    is_test: bool
    rows: npt.NDArray[np.int64]
    y: npt.NDArray[np.int64]
    lengths: npt.NDArray[np.int64]
    ids: npt.NDArray[np.int32]


@dataclass(frozen=True)
class Plan:
    """What becomes of each text.

    Attributes
    ----------
    rules
        How texts become numbers.
    classes
        Their names.
    sizes
        How many texts are for training, and how many are held out.
    steps
        How many numbers the longest text becomes.
    cut, left_out
        How many texts are cut; how many are too short.
    places
        For each chunk, which texts are held out (packed bits), and how many of either part come
        before it.
    """

    rules: Numbering
    classes: tuple[str, ...]
    sizes: tuple[int, int]
    steps: int
    cut: int
    left_out: int
    places: dict[Key, tuple[bytes, tuple[int, int]]]

    @property
    def bytes(self) -> int:
        """How much memory all texts take as numbers."""
        return 4 * self.steps * sum(self.sizes)

    def held_out(self, key: Key, size: int) -> npt.NDArray[np.bool_]:
        """Tell which texts of a chunk are held out."""
        packed = np.frombuffer(self.places[key][0], np.uint8)
        return np.unpackbits(packed, count=size).astype(bool)


def _chunks(rows: Iterable[Row]) -> Iterator[tuple[Key, list[Row]]]:
    """Take texts that follow each other in a file together, some at a time."""
    for (file, start), part in groupby(rows, itemgetter(2, 3)):
        rest = iter(part)
        for number in count():
            if not (some := list(islice(rest, _CHUNK))):
                break
            yield (file, start, number), some


def _kept(rows: Iterable[Row], rules: Numbering) -> Iterator[tuple[Key, list[Row]]]:
    """Leave out the texts that are too short."""
    for key, some in _chunks(rows):
        if rules.min_words == 1:  # those without words are refused
            yield key, some
            continue
        lengths = word_counts([row[0] for row in some])
        yield key, [some[i] for i in np.flatnonzero(lengths >= rules.min_words)]


def look(rows: Iterable[Row], rules: Numbering, prefix: str) -> Iterator[Look]:
    """Tell what the texts of a task are."""
    for key, some in _chunks(rows):
        lengths = word_counts([row[0] for row in some])
        file, start, number = key
        where = f"{file}, after byte {start}" if start else file
        wrongs = (rules.wrong(length, prefix) for length in lengths.tolist())
        texts = enumerate(wrongs, number * _CHUNK + 1)
        wrong = next((f"{where}: text {n} {w}" for n, w in texts if w), "")
        kept = lengths >= rules.min_words
        labels = [some[i][1] for i in np.flatnonzero(kept)]
        classes = tuple(sorted(set(labels)))
        place = {name: i for i, name in enumerate(classes)}
        yield Look(
            key,
            classes,
            np.array([place[label] for label in labels], np.min_scalar_type(len(classes))),
            len(some),
            int((lengths > rules.max_words).sum()),
            min(int(lengths[kept].max(initial=0)), rules.max_words),
            wrong,
        )


def planned(looks: Sequence[Look], rules: Numbering, rng: np.random.Generator, key: str) -> Plan:
    """Split the texts, as one process would.

    Parameters
    ----------
    looks
        What all tasks told.
    rules
        How texts become numbers.
    rng
        Random numbers of the split.
    key
        The property that names the texts, for messages.

    Raises
    ------
    InputError
        When they cannot be used.
    """
    looks = sorted(looks, key=itemgetter(0))
    twice = next((a.key[0] for a, b in pairwise(looks) if a.key == b.key), "")
    if twice:
        raise InputError(f"{key}: {twice} is named twice")
    if wrong := next((one.wrong for one in looks if one.wrong), ""):
        raise InputError(wrong)
    read, kept = sum(one.read for one in looks), sum(len(one.y) for one in looks)
    if not read:
        raise InputError(f"{key}: there is no text")
    if not kept:
        prefix = key.rpartition(".")[0]
        raise InputError(f"{prefix}.min_words = {rules.min_words}: no text is as long")
    classes = tuple(sorted({name for one in looks for name in one.classes}))
    if len(classes) < 2:
        raise InputError(f"{key}: one class only ({classes[0]!r}), expected more")
    number = {name: i for i, name in enumerate(classes)}
    kind = np.min_scalar_type(len(classes))  # there may be many millions of texts
    y = np.concatenate(
        [np.array([number[c] for c in one.classes], kind)[one.y] for one in looks if one.y.size]
    )
    is_test = pick_test(y, rules.held_out, rng, classes)
    places: dict[Key, tuple[bytes, tuple[int, int]]] = {}
    start, tests = 0, 0
    for one in looks:
        own = is_test[start : start + one.y.size]
        places[one.key] = np.packbits(own).tobytes(), (start - tests, tests)
        start, tests = start + own.size, tests + int(own.sum())
    return Plan(
        rules=rules,
        classes=classes,
        sizes=(start - tests, tests),
        steps=max(one.longest for one in looks),
        cut=sum(one.cut for one in looks),
        left_out=read - kept,
        places=places,
    )


def tally(texts: Iterable[Sequence[str]]) -> Iterator[tuple[str, int]]:
    """Count the words of a task's texts; common ones come once, or a few times."""
    counts: Counter[str] = Counter()
    for words in texts:
        counts.update(words)
        if len(counts) > _COUNTED:
            yield from counts.items()
            counts.clear()
    yield from counts.items()


def by_count(counted: tuple[str, int]) -> tuple[int, str]:
    """Sort the most frequent words first; equally frequent ones by the alphabet."""
    return -counted[1], counted[0]


def most_frequent(counts: Any, size: int) -> tuple[str, ...]:
    """Collect the most frequent words of an RDD of words and counts, as `vocabulary_of` does."""
    found = counts.reduceByKey(add).takeOrdered(size - 2, key=by_count)
    return (PADDING, UNKNOWN, *(word for word, _ in found))


def trained_on(rows: Iterable[Row], plan: Plan) -> Iterator[list[str]]:
    """List the texts of a task that are for training."""
    for key, some in _kept(rows, plan.rules):
        for row, held_out in zip(some, plan.held_out(key, len(some)), strict=True):
            if not held_out:
                yield words_of(row[0])


def number(rows: Iterable[Row], plan: Plan, known: Sequence[str]) -> Iterator[Numbered]:
    """Turn the texts of a task into numbers."""
    numbers = {word: i for i, word in enumerate(known)}
    classes = {name: i for i, name in enumerate(plan.classes)}
    unknown = numbers[UNKNOWN]
    for key, some in _kept(rows, plan.rules):
        held_out = plan.held_out(key, len(some))
        for is_test, before in zip((False, True), plan.places[key][1], strict=True):
            own = [some[i] for i in np.flatnonzero(held_out == is_test)]
            ids = [
                [numbers.get(word, unknown) for word in first_words(row[0], plan.rules.max_words)]
                for row in own
            ]
            if ids:
                yield Numbered(
                    is_test,
                    before + np.arange(len(own)),
                    np.array([classes[row[1]] for row in own], np.int64),
                    np.array([len(one) for one in ids], np.int64),
                    np.array([i for one in ids for i in one], np.int32),
                )


def gathered(parts: Iterable[Numbered], plan: Plan, known: tuple[str, ...], every: int) -> Corpus:
    """Put numbered texts into the arrays of a corpus.

    Parameters
    ----------
    parts
        The texts, in any order.
    plan, known
        What they are, and the vocabulary.
    every
        Only one text of so many is there.
    """
    sizes = [-(-size // every) for size in plan.sizes]
    x = [np.zeros((plan.steps, size), dtype=np.int32) for size in sizes]
    y = [np.zeros(size, dtype=np.int64) for size in sizes]
    for part in parts:
        fill(x[part.is_test], part.rows, part.lengths, part.ids)
        y[part.is_test][part.rows] = part.y
    return Corpus(x[0], y[0], x[1], y[1], known, plan.classes)


def fill(
    x: npt.NDArray[np.int32],
    columns: npt.NDArray[np.int64],
    lengths: npt.NDArray[np.int64],
    ids: npt.NDArray[np.int32],
) -> None:
    """Write texts of several lengths into columns.

    Examples
    --------
    >>> x = np.zeros((3, 2), dtype=np.int32)
    >>> fill(x, np.array([1, 0]), np.array([3, 1]), np.array([7, 8, 9, 4], np.int32))
    >>> x
    array([[4, 7],
           [0, 8],
           [0, 9]], dtype=int32)
    """
    ends = np.cumsum(lengths)
    # Some at a time: the places of all words would take ten times the memory of their numbers.
    for first in range(0, lengths.size, _CHUNK):
        some = slice(first, first + _CHUNK)
        starts = ends[some] - lengths[some]
        begin, end = starts[0], ends[some][-1]
        steps = np.arange(begin, end) - np.repeat(starts, lengths[some])
        x[steps, np.repeat(columns[some], lengths[some])] = ids[begin:end]
