"""What tasks do to number texts, without Spark: the file is that of one process."""

from __future__ import annotations

import io
from collections import Counter
from dataclasses import replace
from itertools import chain, pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from azkaban_client.job import InputError
from core.nn.callbacks import EarlyStopping
from core.nn.serial import save
from jobs import _texts
from jobs._training import fit
from jobs.spark import _numbering, _shards, _sources, evaluate, load
from jobs.textclass.load import Numbering
from jobs.textclass.train import Params, prepare
from tests.jobs.numbered import assert_same, in_one_process, write_table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jobs._texts import Corpus
    from jobs.spark._numbering import Numbered, Plan, Row

KEY = "spark.load.data"
WORDS = ["the", "a", "fox", "dog,", "quick!", "brown", "lazy", "über", "'jumps'\nover", "3", "4"]
RULES = Numbering(vocabulary=12, max_words=6, min_words=2)


def texts(n: int = 240) -> list[tuple[str, str]]:
    rng = np.random.default_rng(3)
    return [
        (" ".join(rng.choice(WORDS, rng.integers(1, 12))), str(rng.choice(["b ", "a", "c"])))
        for _ in range(n)
    ]


class Counts:
    """The part of an RDD that sums by key, and takes the first."""

    def __init__(self, pairs: Any) -> None:
        self.counts: Counter[str] = Counter()
        for word, n in pairs:
            self.counts[word] += n

    def reduceByKey(self, _: Any) -> Counts:  # noqa: N802 (Spark's name)
        return self

    def takeOrdered(self, n: int, key: Any) -> list[tuple[str, int]]:  # noqa: N802 (Spark's name)
        return sorted(self.counts.items(), key=key)[:n]


def tasks(rows: list[tuple[str, str]], *ends: int) -> list[list[Row]]:
    """Deal texts out to tasks, the last part first."""
    bounds = [0, *ends, len(rows)]
    parts = [
        [(text, label.strip(), "file:/x.csv", start) for text, label in rows[start:end]]
        for start, end in pairwise(bounds)
    ]
    return parts[::-1]


def numbered(
    parts: list[list[Row]], rules: Numbering = RULES
) -> tuple[Plan, tuple[str, ...], list[Numbered]]:
    """Do what `jobs.spark.load` does with its tasks."""
    looks = [one for part in parts for one in _numbering.look(part, rules, "spark.load")]
    plan = _numbering.planned(looks, rules, np.random.default_rng(7), KEY)
    counts = chain.from_iterable(
        _numbering.tally(_numbering.trained_on(part, plan)) for part in parts
    )
    known = _numbering.most_frequent(Counts(counts), rules.vocabulary)
    return plan, known, [one for part in parts for one in _numbering.number(part, plan, known)]


@pytest.fixture
def alone(tmp_path: Path) -> Corpus:
    """The texts as `jobs.textclass.load` numbers them."""
    path = write_table(tmp_path / "texts.csv", texts())
    rules = {name: str(value).lower() for name, value in vars(RULES).items()}
    return in_one_process(path, **rules)


@pytest.mark.parametrize("ends", [(), (100,), (1, 2, 40, 239)])
def test_the_numbers_are_those_of_one_process(
    alone: Corpus, ends: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_numbering, "_CHUNK", 30)
    monkeypatch.setattr(_numbering, "_COUNTED", 5)
    plan, known, parts = numbered(tasks(texts(), *ends))
    assert_same(_numbering.gathered(parts, plan, known, 1), alone)
    assert plan.sizes == (alone.y_train.size, alone.y_test.size)
    assert plan.bytes == alone.x_train.nbytes + alone.x_test.nbytes


def test_words_are_counted_and_cut_as_they_are_split() -> None:
    rng = np.random.default_rng(8)
    signs = np.array([*map(chr, range(1, 128)), *"aab  .é\u00a0ΣΑς\u0307İ_字"])
    texts = ["".join(rng.choice(signs, n)) for n in rng.integers(0, 60, 300)]
    plain = ["".join(rng.choice(signs[:127], n)) for n in rng.integers(0, 60, 300)]
    for some in (texts, plain, plain[:1], [""], []):
        assert _texts.word_counts(some).tolist() == [len(_texts.words_of(one)) for one in some]
    for text in (*texts, *plain, "long" * 30 + " a b", "ab " * 40):
        for most in (1, 3, 50):
            assert _texts.first_words(text, most) == _texts.words_of(text)[:most]


def test_a_sample_is_evenly_picked(alone: Corpus) -> None:
    plan, known, parts = numbered(tasks(texts(), 50))
    rows = [row for part in parts for row in _shards._rows(part, "x")]
    picked = [(row[0], row[1] // 3, *row[2:4]) for row in rows if row[1] % 3 == 0]
    found = _numbering.gathered(_shards._numbered(picked), plan, known, 3)
    assert (found.x_train == alone.x_train[:, ::3]).all()
    assert (found.x_test == alone.x_test[:, ::3]).all()
    assert (found.y_train == alone.y_train[::3]).all()


def test_numbers_that_are_too_large_for_the_driver_go_to_shards_or_nowhere() -> None:
    plan = replace(numbered(tasks(texts()))[0], sizes=(10_000_000, 1_000_000))
    run: Any = SimpleNamespace(prefix="spark.load")
    with pytest.raises(InputError) as refused:
        load._every(plan, load.Params(driver_mb=100), run)
    assert str(refused.value).startswith(
        "spark.load.driver_mb = 100: the numbers of 11,000,000 texts take 251.8 MB: name a folder "
        "for them by spark.load.shards, "
    )
    assert load._every(plan, load.Params(driver_mb=100, shards="hdfs:///x"), run) == 3
    assert load._every(plan, load.Params(driver_mb=252), run) == 1


def shards(parts: list[Numbered], alone: Corpus, size: int) -> Iterator[Corpus]:
    """Write and read shards as Spark does; yield what each of several processes holds."""
    rows = [row for part in parts for row in _shards._rows(part, "x")]
    bare = _shards.Shards.bare(SimpleShards(alone))
    for rank in range(size):
        own = [(row, label, bytes(ids)) for part, row, label, ids, _ in rows if part == "train"]
        yield _shards.hold([one for one in own if one[0] % size == rank], bare)


class SimpleShards(_shards.Shards):
    """Shards whose classes are known already."""

    def __init__(self, corpus: Corpus) -> None:
        self._corpus, self._y = corpus, corpus.y_train


def test_each_process_holds_its_texts_alone(alone: Corpus) -> None:
    _, _, parts = numbered(tasks(texts(), 50))
    for rank, one in enumerate(shards(parts, alone, 3)):
        shard: Any = one.x_train
        assert shard.shape == alone.x_train.shape
        assert (shard.held == np.arange(rank, alone.y_train.size, 3)).all()
        assert (shard.values[:, shard.place[shard.held]] == alone.x_train[:, rank::3]).all()
        assert one.x_test.size == 0
        assert (one.y_train == alone.y_train).all()


def test_windows_are_read_one_after_the_other(alone: Corpus) -> None:
    size, total = 50, alone.y_train.size
    own = np.r_[0:60:2, 150:total]  # of the third window it has none
    texts = [
        (int(i), int(alone.y_train[i]), alone.x_train[: alone.x_train[:, i].astype(bool).sum(), i])
        for i in own
    ]
    bare = replace(alone, x_train=alone.x_train[:, :0], y_train=alone.y_train[:size])

    def first() -> Any:
        return _shards.hold(((i, c, x.astype("<i4").tobytes()) for i, c, x in texts), bare, total)

    def check(shard: Any, start: int) -> None:
        held = own[(own >= start) & (own < start + size)]
        assert (shard.held == held - start).all()
        assert (shard.values[:, shard.place[shard.held]] == alone.x_train[:, held]).all()
        assert shard.shape[1] == min(size, total - start)

    whole = first().x_train
    check(whole, 0)
    for number in range(1, -(-total // size)):
        shard, y = whole.later(number)
        check(shard, number * size)
        assert (y[shard.held] == alone.y_train[number * size + shard.held]).all()
    last = -(-total // size) - 1
    check(first().x_train.later(last)[0], last * size)  # as after a restart
    assert _shards.hold((), bare).x_train.later is None
    texts.insert(1, texts[0])
    assert first().x_train.held.tolist() == list(range(2, size, 2)), "twice is as bad as missing"


def test_a_model_is_measured_on_all_texts(alone: Corpus) -> None:
    params = Params(data=Path("x"), cell="gru", embedding=4, hidden=3, epochs=1, dropout=0.0)
    setting = prepare(params, alone, np.random.default_rng(1))
    stream = io.BytesIO()
    meta = {"classes": alone.classes}
    save(stream, setting.trainer.network, builder="textclass", settings=setting.network, meta=meta)
    x, y = alone.x_train, alone.y_train
    rows = [(int(c), t[t > 0].astype("<i4").tobytes()) for t, c in zip(x.T, y, strict=True)]
    parts = (rows[:1], rows[1:], [])
    found = [one for part in parts for one in evaluate.measured(part, stream.getvalue())]
    counts, loss = (sum(values) for values in zip(*found, strict=True))
    expected = setting.trainer.evaluate(x, y, x > 0)
    assert counts.sum(axis=1).tolist() == np.bincount(y).tolist()
    assert np.trace(counts) / y.size == pytest.approx(expected["accuracy"])
    assert loss / y.size == pytest.approx(expected["loss"], rel=1e-5)


@pytest.mark.parametrize(
    ("rows", "rules", "said"),
    [
        ([("a", "x"), ("!", "y"), (" ", "z")], {}, "file:/x.csv: text 3 has no words"),
        ([("a b c", "x")], {"cut": False, "max_words": 2}, "text 1 has 3 words, more than"),
        ([("a b c", "x")], {"cut": False, "max_words": 2}, "set spark.load.cut=true"),
        ([], {}, "spark.load.data: there is no text"),
        ([("a", "x")], {"min_words": 2}, "spark.load.min_words = 2: no text is as long"),
        ([("a", "x"), ("b", "x ")], {}, "spark.load.data: one class only ('x')"),
        ([("a", "x"), ("b", "x"), ("c", "y")], {}, "class 'x' has 2 examples: held_out = 0.2"),
    ],
)
def test_texts_that_cannot_be_used(
    rows: list[tuple[str, str]], rules: dict[str, Any], said: str
) -> None:
    with pytest.raises(InputError) as refused:
        numbered(tasks(rows), Numbering(**rules))
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_text_in_the_middle_of_a_large_file_is_named_by_where_it_is() -> None:
    rows = [*texts(20), ("", "a")]
    with pytest.raises(InputError, match=r"file:/x.csv, after byte 7: text 14 has no words"):
        numbered(tasks(rows, 7))


def test_a_file_that_is_named_twice_is_refused() -> None:
    with pytest.raises(InputError, match=r"spark.load.data: file:/x.csv is named twice"):
        numbered(tasks(texts()) * 2)


def test_where_texts_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("a b.csv", "c,d.csv", "[x] {1}.csv", "run:1.csv"):
        (tmp_path / name).write_text("")
    assert _sources.places("a b.csv", KEY) == [f"file:{tmp_path}/a b.csv"]
    assert _sources.places("c,d.csv", KEY) == [f"file:{tmp_path}/c,d.csv"]
    assert _sources.places("run:1.csv", KEY) == [f"file:{tmp_path}/run:1.csv"]
    assert _sources.places("[x] {1}.csv", KEY) == [f"file:{tmp_path}/\\[x\\] \\{{1\\}}.csv"]
    assert _sources.places(" *.csv ", KEY) == [f"file:{tmp_path}/*.csv"]
    for url in (f"file:{tmp_path}/a b.csv", f"file://{tmp_path}/a b.csv"):
        assert _sources.places(url, KEY) == [f"file:{tmp_path}/a b.csv"]
    assert _sources.places("hdfs://h:1/a,s3a://b/c", KEY) == ["hdfs://h:1/a", "s3a://b/c"]
    long = "hdfs://h/" + "x" * 5000
    assert _sources.places(long, KEY) == [long]
    for none in ("none.csv", "/none.csv", "file:/none.csv", "a b.csv,none.csv"):
        with pytest.raises(InputError, match=rf"{KEY} = \S*none.csv: no such file or folder here"):
            _sources.places(none, KEY)
    with pytest.raises(InputError, match=r"spark.load.data = ,: names no file"):
        _sources.places(",", KEY)
    home = "hdfs://h:1/user/me"
    assert _sources.places("a b.csv, /x/*.csv", KEY, home) == [
        f"{home}/a b.csv",
        "hdfs://h:1/x/*.csv",
    ]
    assert _sources.places("s3a://b/c", KEY, home) == ["s3a://b/c"]
    assert _sources.places(f"file:{tmp_path}/a b.csv", KEY, home) == [f"file:{tmp_path}/a b.csv"]
    assert _sources.located("/shards", KEY, home) == "hdfs://h:1/shards"
    assert _sources.located("s3a://b/c", KEY, home) == "s3a://b/c"
    with pytest.raises(InputError, match=r"spark.load.shards = new: expected an absolute path"):
        _sources.located("new", "spark.load.shards")


@pytest.mark.parametrize(
    ("names", "found"),
    [
        (["x.csv"], "csv"),
        (["hdfs:///x.parquet"], "parquet"),
        (["s3a://b/x.txt.gz", "y.TXT"], "text"),
        (["file:/x/*.csv.zst"], "csv"),
        (
            ["x"],
            "x: its name does not tell its format: set spark.load.format to csv, parquet, text",
        ),
        (["x.csv", "x.txt"], r"several formats \(csv, text\)"),
        (["x.json"], "x.json: its name does not tell"),
    ],
)
def test_formats_by_name(names: list[str], found: str) -> None:
    if found in _sources.FORMATS:
        assert _sources.format_of(names, "auto", KEY) == found
        return
    with pytest.raises(InputError, match=found):
        _sources.format_of(names, "auto", KEY)
    assert _sources.format_of(names, "text", KEY) == "text"


def test_columns_that_are_not_there() -> None:
    with pytest.raises(InputError, match=r"its columns are a, b, c, without text and label"):
        _sources._columns(["a", "b", "c"], ("text", "label"), KEY)
    with pytest.raises(InputError, match="the file is empty"):
        _sources._columns([], ("text", "label"), KEY)


def test_training_on_shards_of_one_process_is_that_on_all(alone: Corpus) -> None:
    from core.nn.shards import ShardTrainer

    params = Params(
        data=Path("x"), cell="none", embedding=4, hidden=3, dropout=0.0, epochs=2, patience=2,
        dtype="float64",
    )  # fmt: skip
    _, _, parts = numbered(tasks(texts(), 50))
    (own,) = shards(parts, alone, 1)

    def trained(corpus: Corpus, *make: Any) -> np.ndarray:
        setting = prepare(params, corpus, np.random.default_rng(1), *make)
        fit(setting, params, [EarlyStopping(patience=2)])
        return setting.trainer.parameters.values

    def make(*args: Any, **options: Any) -> ShardTrainer:
        return ShardTrainer(*args, rank=0, size=1, all_reduce=lambda _: None, **options)

    assert np.abs(trained(own, make) - trained(alone)).max() < 1e-12
