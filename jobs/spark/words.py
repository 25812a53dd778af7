r"""Count the words of texts on a Spark cluster.

    azkaban-jobflow spark submit --py-files core,jobs,azkaban_client -m jobs.spark.words \
        --text novels

Each executor counts its part with the code that reads texts for the language models
(`core.decipher`). Several texts are separated by commas: files, folders and patterns, at file:,
hdfs:// or s3a://. The executors read them there, so they may be larger than any memory.
Without a text, the docstrings of Python's standard library are counted.
"""

from __future__ import annotations

from dataclasses import dataclass
from operator import add

from azkaban_client.job import Outputs, Page, Run, job, param, write_text
from core.decipher import ENGLISH
from jobs.spark import _sources
from jobs.spark._common import connected, spark_errors
from jobs.spark._numbering import by_count, tally
from jobs.textclass.load import docstrings

__all__ = ["Params", "main"]

_LISTED = 1_000_000  # words of the table: others are counted, and do not come here


@dataclass(frozen=True, kw_only=True)
class Params:
    """What to count."""

    text: str = param(
        "", doc="Texts (UTF-8), comma-separated: paths, file:, hdfs://, s3a://; empty: docstrings."
    )
    partitions: int = param(2, doc="Parts that are added up side by side.", ge=1, le=10000)
    top: int = param(20, doc="Words that the report shows.", ge=1, le=1000)


@job
def main(params: Params, run: Run) -> Outputs:
    """Count on the executors, report here."""
    with connected(run) as context, spark_errors():
        if params.text:
            texts = _sources.lines(context, params.text, f"{run.prefix}.text")
        else:
            texts = context.parallelize([text for text, _ in docstrings()], params.partitions)
        words = texts.mapPartitions(lambda part: tally(map(ENGLISH.words, part)))
        words = words.reduceByKey(add, params.partitions).persist()
        total, distinct = words.values().sum(), words.count()
        listed = words.takeOrdered(_LISTED, key=by_count)
        run.log(f"{total:,} words")
    write_text(run.dir / "words.tsv", "".join(f"{word}\t{n}\n" for word, n in listed))
    page = Page("Words", f"{total:,} words, {distinct:,} distinct.")
    page.table("Most frequent", ["word", "count"], listed[: params.top])
    run.report(page)
    return {"words": total, "distinct": distinct, "table": run.dir / "words.tsv"}


if __name__ == "__main__":
    main.start()
