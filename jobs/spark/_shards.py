"""Keep numbered texts where the cluster's storage is, and give each task those that it holds."""

from __future__ import annotations

import math
from array import array
from dataclasses import replace
from hashlib import sha256
from itertools import groupby, islice
from operator import itemgetter
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from azkaban_client.job import InputError
from core.nn.shards import Shard
from jobs.spark._common import spark_errors
from jobs.spark._numbering import Numbered, fill
from jobs.spark._sources import home_of, located, unreadable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from jobs._texts import Corpus

    Text = tuple[int, int, bytes]  # place in the order of training, class, numbers

__all__ = ["Shards", "hold", "name_of", "read", "sample", "write"]

_PLACED = np.dtype([("place", np.uint32), ("class", np.uint32)])
_SCHEMA = "part string, place long, class int, numbers binary, corpus string"
_CHUNK = 1000  # texts
_GOLDEN = (math.sqrt(5) - 1) / 2


def write(context: Any, parts: Any, where: str, name: str, key: str) -> None:
    """Write numbered texts as Parquet files, each text a row.

    Parameters
    ----------
    context
        Spark's.
    parts
        An RDD of `Numbered`.
    where, key
        The new folder, and the property that names it.
    name
        Of the vocabulary and the classes, as `name_of` makes it.
    """
    from pyspark.sql import SparkSession

    rows = parts.flatMap(lambda part: _rows(part, name))
    frame = SparkSession(context).createDataFrame(rows, _SCHEMA, verifySchema=False)
    with spark_errors():
        frame.write.partitionBy("part").parquet(located(where, key, home_of(context)))


def _rows(part: Numbered, name: str) -> Iterator[tuple[str, int, int, bytearray, str]]:
    ids, ends = part.ids.astype("<i4"), np.cumsum(part.lengths)
    for row, label, length, end in zip(part.rows, part.y, part.lengths, ends, strict=True):
        data = bytearray(ids[end - length : end].tobytes())
        yield "test" if part.is_test else "train", int(row), int(label), data, name


def name_of(words: Sequence[str], classes: Sequence[str]) -> str:
    """Name a vocabulary and its classes: numbers mean nothing without them."""
    text = "\0".join([*words, "", *classes])
    return sha256(text.encode()).hexdigest()[:16]


def read(context: Any, where: str, name: str, key: str) -> Any:
    """Read what `write` wrote as a DataFrame.

    Parameters
    ----------
    context, where, name, key
        As for `write`.

    Raises
    ------
    InputError
        When it cannot be read, or has other classes or another vocabulary.
    """
    from pyspark.sql import SparkSession

    with unreadable(context, key, where):
        frame = SparkSession(context).read.parquet(located(where, key, home_of(context)))
        missing = {"part", "place", "class", "numbers", "corpus"} - set(frame.columns)
        if missing:
            raise InputError(f"{key} = {where}: no texts that spark.load wrote")
        first = frame.first()
    if not first or first["corpus"] != name:
        raise InputError(
            f"{key} = {where}: these texts have other classes, or another vocabulary, than those "
            f"of {key.rpartition('.')[0]}.data"
        )
    return frame


def sample(context: Any, where: str, every: int, key: str) -> Any:
    """Read one text of so many as an RDD of `Numbered`, their places numbered anew."""
    from pyspark.sql import SparkSession

    frame = SparkSession(context).read.parquet(located(where, key, home_of(context)))
    some = frame.where(f"place % {every} = 0")
    rows = some.selectExpr("part", f"place div {every}", "class", "numbers").rdd
    return rows.mapPartitions(_numbered)


def _numbered(rows: Iterable[tuple[str, int, int, bytes]]) -> Iterator[Numbered]:
    """Put texts together by parts, some at a time: the reverse of `_rows`."""
    for part, group in groupby(rows, itemgetter(0)):
        while some := list(islice(group, _CHUNK)):
            _, places, labels, numbers = zip(*some, strict=True)
            yield Numbered(
                part == "test",
                np.array(places, np.int64),
                np.array(labels, np.int64),
                np.array([len(one) // 4 for one in numbers], np.int64),
                np.frombuffer(b"".join(numbers), "<i4").astype(np.int32),
            )


class Shards:
    """The training part of what `write` wrote, in windows that are trained on in turn.

    With more texts than a window holds, their order is mixed first, by a step that visits each text
    once: so a window has texts of all files, and nobody has to keep an order of all texts.

    Parameters
    ----------
    context
        Spark's.
    where, key
        Their folder, and the property that names it.
    corpus
        Has the vocabulary and the classes; its texts may be some of these.
    window
        Most texts of a window.

    Raises
    ------
    InputError
        When they cannot be read, or belong to other classes or another vocabulary.

    Attributes
    ----------
    windows, size
        How many windows there are, and how many texts each has; the last may have fewer.
    texts
        How many texts there are.
    """

    def __init__(self, context: Any, where: str, corpus: Corpus, key: str, window: int) -> None:
        frame = read(context, where, name_of(corpus.words, corpus.classes), key)
        frame = frame.where("part = 'train'")
        what = f"{key} = {where}"
        with spark_errors():
            first, last, count = frame.selectExpr("min(place)", "max(place)", "count(*)").first()
        if not count or (first, last) != (0, count - 1):
            raise InputError(_INCOMPLETE.format(what))
        self.texts = int(count)
        self.windows = -(-self.texts // window)
        self.size = -(-self.texts // self.windows)
        order = f"place * {_step(count) if self.windows > 1 else 1}L % {count} AS place"
        self._frame = frame.selectExpr(order, "class", "numbers")
        self._corpus = corpus
        self._y = self._classes(what)

    def _classes(self, what: str) -> npt.NDArray[np.int64]:
        """Collect the classes of the first window."""

        def packed(rows: Iterable[tuple[int, int]]) -> Iterator[bytes]:
            yield np.fromiter(map(tuple, rows), _PLACED).tobytes()

        some = self._frame.where(f"place < {self.size}").select("place", "class")
        with spark_errors():
            pairs = np.frombuffer(b"".join(some.rdd.mapPartitions(packed).collect()), _PLACED)
        y = np.full(self.size, -1, np.int64)
        y[pairs["place"]] = pairs["class"]
        if pairs.size != self.size or (y < 0).any():
            raise InputError(_INCOMPLETE.format(what))
        return y

    def of(self, tasks: int, epochs: int) -> Any:
        """Return an RDD with a partition for each task: what it holds of so many windows."""
        rows = self._frame.where(f"place < {self.taken(epochs)}")
        with spark_errors():  # Spark moves the texts to their tasks here
            dealt = rows.repartition(tasks, "place").sortWithinPartitions("place").rdd
        return dealt.map(tuple)

    def taken(self, epochs: int) -> int:
        """Tell how many texts so many epochs take."""
        return min(self.texts, epochs * self.size)

    def bare(self) -> Corpus:
        """Return what all processes know: the corpus without its texts."""
        corpus = self._corpus
        return replace(
            corpus, x_train=corpus.x_train[:, :0], x_test=corpus.x_test[:, :0], y_train=self._y
        )


_INCOMPLETE = "{}: texts are missing, or there twice; let spark.load write it"


def _step(count: int) -> int:
    """Choose a step that comes to each of so many places once, and early to all regions.

    Examples
    --------
    >>> _step(10), sorted(n * _step(10) % 10 for n in range(10)) == list(range(10))
    (7, True)
    """
    step = max(1, round(count * _GOLDEN))
    while math.gcd(step, count) > 1:
        step += 1
    return step


def hold(texts: Iterable[Text], bare: Corpus, total: int = 0) -> Corpus:
    """Return the corpus of a process that holds some of the texts: the first window of them.

    Parameters
    ----------
    texts
        What it holds, in the order of training; read as far as needed.
    bare
        What all processes know.
    total
        How many texts all of them have; by default no more than a window.
    """
    stream = _Stream(texts, bare.x_train.shape[0], bare.y_train.size, total)
    held: Any = stream.window(0)[0]
    return replace(bare, x_train=held)


class _Stream:
    """Reads windows of texts one after the other, so that only one is in memory."""

    def __init__(self, texts: Iterable[Text], steps: int, size: int, total: int) -> None:
        self._windows = groupby(texts, lambda text: text[0] // size)
        self._steps, self._size, self._total = steps, size, max(total, size)
        self._ahead: tuple[float, Iterable[Text]] = (-1, ())

    def window(self, number: int) -> tuple[Shard, npt.NDArray[np.int64]]:
        """Read a window that was not read yet: what this process holds, and its classes."""
        while self._ahead[0] < number:
            self._ahead = next(self._windows, (math.inf, ()))
        start = number * self._size
        size = min(self._size, self._total - start)
        places, classes, lengths, data = array("q"), array("q"), array("q"), bytearray()
        for row, label, numbers in self._ahead[1] if self._ahead[0] == number else ():
            places.append(row - start)
            classes.append(label)
            lengths.append(len(numbers) // 4)
            data += numbers
        own = np.array(places, np.int64)
        x = np.zeros((self._steps, own.size), dtype=np.int32)
        fill(x, np.arange(own.size), np.array(lengths, np.int64), np.frombuffer(data, "<i4"))
        place, y = np.full(size, -1, np.int32), np.zeros(size, np.int64)
        place[own], y[own] = np.arange(own.size), classes
        place[np.bincount(own, minlength=size) > 1] = -1  # as if it were missing: all refuse it
        return Shard(x, place, self.window if self._total > self._size else None), y
