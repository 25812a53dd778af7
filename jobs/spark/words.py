r"""Count the words of texts on a Spark cluster.

    azkaban-jobflow spark submit --py-files core,jobs,azkaban_client -m jobs.spark.words \
        --text novels

Each executor counts its part with the code that reads texts for the language models
(`core.decipher`). Several texts are separated by commas; a folder stands for its .txt files.
Without a text, the docstrings of Python's standard library are counted.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from operator import add
from typing import TYPE_CHECKING

from azkaban_client.job import Outputs, Page, Run, job, param, write_text
from core.decipher import ENGLISH
from jobs._files import read_texts
from jobs.spark._common import connected, spark_errors
from jobs.textclass.load import docstrings

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Params", "count", "main"]


@dataclass(frozen=True, kw_only=True)
class Params:
    """What to count."""

    text: str = param(
        "", doc="Texts (UTF-8): files or folders, comma-separated; empty: docstrings."
    )
    partitions: int = param(2, doc="Parts that are counted side by side.", ge=1, le=10000)
    top: int = param(20, doc="Words that the report shows.", ge=1, le=1000)


def count(texts: Iterable[str]) -> Counter[str]:
    """Count the words of texts.

    Examples
    --------
    >>> count(["The cat,", "the dog"])["the"]
    2
    """
    found: Counter[str] = Counter()
    for text in texts:
        found.update(ENGLISH.words(text))
    return found


@job
def main(params: Params, run: Run) -> Outputs:
    """Count on the executors, add up, report."""
    texts = _texts(params.text) if params.text else [text for text, _ in docstrings()]
    with connected(run) as context, spark_errors():
        parts = context.parallelize(texts, params.partitions)
        words = parts.mapPartitions(lambda part: [count(part)]).reduce(add)
        run.log(f"{words.total():,} words")
    table = "".join(f"{word}\t{n}\n" for word, n in sorted(words.items(), key=_order))
    write_text(run.dir / "words.tsv", table)
    page = Page(
        "Words", f"{words.total():,} words, {len(words):,} distinct, in {len(texts)} texts."
    )
    page.table("Most frequent", ["word", "count"], sorted(words.items(), key=_order)[: params.top])
    run.report(page)
    return {"words": words.total(), "distinct": len(words), "table": run.dir / "words.tsv"}


def _order(item: tuple[str, int]) -> tuple[int, str]:
    """Sort the most frequent first."""
    return -item[1], item[0]


def _texts(names: str) -> list[str]:
    return [part for text in read_texts(names, "spark.words.text") for part in text.split("\n\n")]


if __name__ == "__main__":
    main.start()
