"""Keep numbered texts where the cluster's storage is, and give each task those that it holds."""

from __future__ import annotations

from array import array
from dataclasses import replace
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from azkaban_client.job import InputError
from core.nn.shards import Shard
from jobs.spark._common import spark_errors
from jobs.spark._numbering import fill
from jobs.spark._sources import located, unreadable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from jobs._texts import Corpus
    from jobs.spark._numbering import Numbered

    Text = tuple[int, bytes]  # place in the training part, numbers

__all__ = ["Shards", "hold", "write"]

_PLACED = np.dtype([("place", np.uint32), ("class", np.uint32)])
_SCHEMA = "part string, place long, class int, numbers binary, corpus string"


def write(context: Any, parts: Any, where: str, corpus: Corpus, key: str) -> None:
    """Write numbered texts as Parquet files, each text a row.

    Parameters
    ----------
    context
        Spark's.
    parts
        An RDD of `Numbered`.
    where, key
        The new folder, and the property that names it.
    corpus
        Has the vocabulary and the classes.

    Raises
    ------
    InputError
        When the folder is there already, or cannot be written to.
    """
    from pyspark.sql import SparkSession

    name = _name_of(corpus)
    rows = parts.flatMap(lambda part: _rows(part, name))
    frame = SparkSession(context).createDataFrame(rows, _SCHEMA, verifySchema=False)
    with spark_errors():
        frame.write.partitionBy("part").parquet(located(where, key))


def _rows(part: Numbered, name: str) -> Iterator[tuple[str, int, int, bytearray, str]]:
    ids, ends = part.ids.astype("<i4"), np.cumsum(part.lengths)
    for row, label, length, end in zip(part.rows, part.y, part.lengths, ends, strict=True):
        data = bytearray(ids[end - length : end].tobytes())
        yield "test" if part.is_test else "train", int(row), int(label), data, name


def _name_of(corpus: Corpus) -> str:
    """Name a vocabulary and its classes: numbers mean nothing without them."""
    text = "\0".join([*corpus.words, "", *corpus.classes])
    return sha256(text.encode()).hexdigest()[:16]


class Shards:
    """Texts that `write` wrote.

    Parameters
    ----------
    context
        Spark's.
    where, key
        Their folder, and the property that names it.
    corpus
        Has the vocabulary and the classes; its texts may be some of these.

    Raises
    ------
    InputError
        When they cannot be read, or belong to other classes or another vocabulary.
    """

    def __init__(self, context: Any, where: str, corpus: Corpus, key: str) -> None:
        from pyspark.sql import SparkSession

        with unreadable(context, key, where):
            frame = SparkSession(context).read.parquet(located(where, key))
            missing = {"part", "place", "class", "numbers", "corpus"} - set(frame.columns)
            if missing:
                raise InputError(f"{key} = {where}: no texts that spark.load wrote")
            first = frame.first()
        if not first or first["corpus"] != _name_of(corpus):
            raise InputError(
                f"{key} = {where}: these texts have other classes, or another vocabulary, than "
                f"those of {key.rpartition('.')[0]}.data"
            )
        self._frame = frame.where("part = 'train'")
        self.corpus = corpus
        self.y = self._classes(f"{key} = {where}")

    def _classes(self, what: str) -> npt.NDArray[np.int64]:
        """Collect the classes of all texts: eight bytes each."""

        def packed(rows: Iterable[tuple[int, int]]) -> Iterator[bytes]:
            yield np.fromiter(map(tuple, rows), _PLACED).tobytes()

        with spark_errors():
            found = self._frame.select("place", "class").rdd.mapPartitions(packed).collect()
        pairs = np.frombuffer(b"".join(found), _PLACED)
        y = np.full(pairs.size, -1, np.int64)
        if pairs.size and pairs["place"].max() < pairs.size:
            y[pairs["place"]] = pairs["class"]
        if not pairs.size or (y < 0).any():
            raise InputError(f"{what}: texts are missing, or there twice; let spark.load write it")
        return y

    def of(self, tasks: int) -> Any:
        """Return an RDD with a partition for each task: the texts that it holds."""
        rows = self._frame.select("place", "numbers").rdd
        pairs = rows.map(lambda row: (row[0] % tasks, (row[0], bytes(row[1]))))
        return pairs.partitionBy(tasks, int).values()

    def bare(self) -> Corpus:
        """Return what all processes know: the corpus without its texts."""
        corpus = self.corpus
        return replace(
            corpus, x_train=corpus.x_train[:, :0], x_test=corpus.x_test[:, :0], y_train=self.y
        )


def hold(texts: Iterable[Text], bare: Corpus) -> Corpus:
    """Return the corpus of a process that holds some of the texts.

    Parameters
    ----------
    texts
        What it holds.
    bare
        What all processes know.
    """
    places, lengths, data = array("q"), array("q"), bytearray()
    for row, numbers in texts:
        places.append(row)
        lengths.append(len(numbers) // 4)
        data += numbers
    x = np.zeros((bare.x_train.shape[0], len(places)), dtype=np.int32)
    fill(x, np.arange(len(places)), np.array(lengths, np.int64), np.frombuffer(data, "<i4"))
    place = np.full(bare.y_train.size, -1, np.int32)
    place[np.array(places, np.int64)] = np.arange(len(places))
    shard: Any = Shard(x, place)
    return replace(bare, x_train=shard)
