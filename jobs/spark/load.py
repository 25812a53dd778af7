r"""Turn labelled texts into word numbers on the executors of a Spark cluster, split by class.

    azkaban-jobflow spark submit --py-files core,jobs,azkaban_client \
        --conf spark.pyspark.driver.python=PYTHON -m jobs.spark.load --data hdfs:///reviews.parquet

The same as jobs.textclass.load, for texts that are larger than this machine's memory: of the same
CSV file it makes the same texts.npz. They are CSV, Parquet, or lines of texts whose class is the
name of their file's folder; at file:, hdfs:// or s3a://, compressed or not. Executors read them
where they are, and count the words; the driver gets the most frequent words, the classes, and
the numbers as long as these fit. If they do not, --shards takes a folder for them, of which each
task of jobs.spark.train reads its part; texts.npz then has a sample, for reports.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from azkaban_client.job import InputError, Outputs, Page, Run, job, param
from jobs.spark import _numbering, _shards, _sources
from jobs.spark._common import connected, spark_errors
from jobs.spark._shards import name_of
from jobs.textclass.load import Numbering, docstrings

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from jobs._texts import Corpus
    from jobs.spark._numbering import Plan, Row

__all__ = ["Params", "main"]


@dataclass(frozen=True, kw_only=True)
class Params(Numbering):
    """Which texts, how they become numbers, and where these go."""

    data: str = param(
        "", doc="Texts, comma-separated: paths, file:, hdfs://, s3a://; docstrings if empty."
    )
    format: str = param(
        "auto", doc="Of the texts; auto goes by their names.", choices=_sources.FORMATS
    )
    text_column: str = param("text", doc="Column of the texts, unless there are two columns.")
    class_column: str = param("label", doc="Column of the classes, unless there are two columns.")
    driver_mb: int = param(512, doc="Most memory of the numbers in the driver, in MB.", ge=1)
    shards: str = param(
        "", doc="A new folder for the numbers of all texts: an absolute path, hdfs:// or s3a://."
    )


@job
def main(params: Params, run: Run) -> Outputs:
    """Read, split, count, number."""
    params.check(run.prefix)
    rules = Numbering(**{one.name: getattr(params, one.name) for one in fields(Numbering)})
    with connected(run) as context:
        if params.shards:
            _sources.require_new(context, params.shards, f"{run.prefix}.shards")
        rows = _rows(context, params, run)
        prefix = run.prefix
        with _sources.unreadable(context, f"{prefix}.data", params.data):
            looks = rows.mapPartitions(lambda part: _numbering.look(part, rules, prefix)).collect()
        plan = _numbering.planned(looks, rules, run.rng, f"{prefix}.data")
        every = _every(plan, params, run)
        corpus = _numbered(context, rows, plan, params, run, every)
    path = run.dir / "texts.npz"
    corpus.save(path)
    return _told(run, plan, corpus, every) | {"data": path, "shards": params.shards}


def _rows(context: Any, params: Params, run: Run) -> Any:
    """Find the texts."""
    if params.data:
        columns = params.text_column, params.class_column
        return _sources.labelled(context, params.data, params.format, columns, f"{run.prefix}.data")

    def placed(number: int, pairs: Iterable[tuple[str, str]]) -> Iterator[Row]:
        return ((text, label, "the docstrings", number) for text, label in pairs)

    return context.parallelize(docstrings()).mapPartitionsWithIndex(placed)


def _every(plan: Plan, params: Params, run: Run) -> int:
    """Choose how many texts go to the driver: one of so many."""
    every = -(-plan.bytes // (params.driver_mb << 20))
    if every > 1 and not params.shards:
        raise InputError(
            f"{run.prefix}.driver_mb = {params.driver_mb}: the numbers of {sum(plan.sizes):,} "
            f"texts take {plan.bytes / (1 << 20):,.1f} MB: name a folder for them by "
            f"{run.prefix}.shards, lower max_words, or raise driver_mb if the driver has three "
            "times as much memory"
        )
    return every


def _numbered(context: Any, rows: Any, plan: Plan, params: Params, run: Run, every: int) -> Corpus:
    """Count words, number all texts, and bring those here that fit."""
    from pyspark import StorageLevel

    shared = context.broadcast(plan)
    with spark_errors():
        words = rows.mapPartitions(lambda part: _numbering.trained_on(part, shared.value))
        known = _numbering.most_frequent(words.mapPartitions(_numbering.tally), params.vocabulary)
        vocabulary = context.broadcast(known)
        parts = rows.mapPartitions(
            lambda part: _numbering.number(part, shared.value, vocabulary.value)
        )
        if not params.shards:
            found = parts.persist(StorageLevel.DISK_ONLY)
            found.count()  # all executors at once; what follows asks for one partition at a time
            return _numbering.gathered(found.toLocalIterator(), plan, known, every)
        key = f"{run.prefix}.shards"
        with _sources.whole(context, params.shards, key):
            _shards.write(context, parts, params.shards, name_of(known, plan.classes), key)
            found = _shards.sample(context, params.shards, every, key)
            return _numbering.gathered(found.toLocalIterator(), plan, known, every)


def _told(run: Run, plan: Plan, corpus: Corpus, every: int) -> dict[str, Any]:
    """Say and report what there is."""
    train, test = plan.sizes
    if plan.left_out:
        run.log(f"{plan.left_out:,} texts are shorter than min_words and left out")
    run.log(
        f"{train:,} texts to train, {test:,} held out, {len(plan.classes)} classes, "
        f"{len(corpus.words):,} words; {plan.cut:,} texts were cut at {plan.rules.max_words} words"
    )
    if every > 1:
        run.log(f"texts.npz has one text of {every}: {corpus.y_train.size:,} to train")
    page = Page("Texts", f"{train:,} to train, {test:,} held out.")
    page.facts(
        "Numbers",
        [
            ("classes", len(plan.classes)),
            ("words", len(corpus.words)),
            ("longest text, in words", plan.steps),
            ("texts that were cut", plan.cut),
            ("texts that were left out", plan.left_out),
            ("memory of all numbers, MB", round(plan.bytes / (1 << 20), 1)),
            ("texts.npz has one text of", every),
        ],
    )
    run.report(page)
    return {"train": train, "test": test}


if __name__ == "__main__":
    main.start()
