"""Character models: alphabet, reading, bits per character, sampling, n-grams."""

from __future__ import annotations

import math

import numpy as np
import pytest

from core.nn import Adam, CrossEntropy, Trainer
from core.nn.language import Alphabet, Reader, bits_per_symbol, ngram_bits, sample, train
from core.nn.models import charlm

TEXT = "the cat sat on the mat. the rat sat on the cat. a dog ate the hat. " * 60


class Uniform:
    """A model that thinks all symbols alike."""

    def __init__(self, symbols: int) -> None:
        self.symbols = symbols

    def forward(self, x: np.ndarray, _ctx: object = None) -> tuple[np.ndarray, None]:
        return np.zeros((*x.shape, self.symbols)), None


def test_alphabet_there_and_back() -> None:
    text = "Ünïcödé 😀 text"
    alphabet = Alphabet.of(text)
    assert alphabet.decode(alphabet.encode(text)) == text
    assert len(alphabet) == len(set(text))
    for stranger in "!\u0001\U0010ffff":
        with pytest.raises(ValueError, match=r"at 1 is not in the alphabet of"):
            alphabet.encode("t" + stranger)
    with pytest.raises(ValueError, match="alphabet of 0"):
        Alphabet("").encode("a")


def test_reader_goes_through_the_text_and_starts_again() -> None:
    reader = Reader(np.arange(23), batch=2, steps=3)
    windows = [reader.window() for _ in range(4)]
    assert [x[:, 0].tolist() for x, _ in windows] == [[0, 1, 2], [3, 4, 5], [6, 7, 8], [0, 1, 2]]
    assert all((y == x + 1).all() for x, y in windows)
    assert windows[0][0][0, 1] == 11
    reader.state = "old"
    reader.position = 9
    reader.window()
    assert reader.state is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch": 0, "steps": 3}, "batch = 0"),
        ({"batch": 2, "steps": 0}, "steps = 0"),
        ({"batch": 2, "steps": 5}, "10 characters in 2 streams leave 5 in each: windows of 5"),
    ],
)
def test_reader_refuses_texts_that_are_too_short(options: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Reader(np.arange(10), **options)


def test_equal_odds_cost_the_log_of_the_alphabet() -> None:
    ids = np.random.default_rng(0).integers(8, size=1000)
    assert math.isclose(bits_per_symbol(Uniform(8), ids), 3)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="1 symbols: at least 2"):
        bits_per_symbol(Uniform(8), ids[:1])  # type: ignore[arg-type]


@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
def test_windows_of_the_measurement_change_nothing(cell: str) -> None:
    rng = np.random.default_rng(0)
    net = charlm(vocabulary=5, hidden=6, cell=cell, layers=2, dtype="float64", rng=rng)
    ids = rng.integers(5, size=700)
    whole = bits_per_symbol(net, ids, window=10_000)
    assert math.isclose(whole, bits_per_symbol(net, ids, window=7), rel_tol=1e-12)


def test_ngrams_by_hand() -> None:
    train_ids, test_ids = np.array([0, 0, 1, 0]), np.array([0, 1, 1])
    # unigram: (count + types / 3) / (4 + 2): 0 -> (3 + 2/3)/6, 1 -> (1 + 2/3)/6
    p0, p1 = (3 + 2 / 3) / 6, (1 + 2 / 3) / 6
    assert math.isclose(
        ngram_bits(train_ids, test_ids, 1, 3), -(math.log2(p0) + 2 * math.log2(p1)) / 3
    )
    # after 0: {0: 1, 1: 1}; after 1: {0: 1}
    first, second = (1 + 2 * p1) / (2 + 2), (0 + 1 * p1) / (1 + 1)
    bits = -(math.log2(first) + math.log2(second)) / 2
    assert math.isclose(ngram_bits(train_ids, test_ids, 2, 3), bits)


@pytest.mark.parametrize("order", [1, 2, 3])
def test_ngram_probabilities_add_up_to_one(order: int) -> None:
    rng = np.random.default_rng(0)
    train_ids, context = rng.integers(4, size=60), rng.integers(4, size=order - 1)
    total = sum(2 ** -ngram_bits(train_ids, np.array([*context, w]), order, 4) for w in range(4))
    assert math.isclose(total, 1)


@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
def test_a_model_beats_the_trigrams(cell: str) -> None:
    alphabet = Alphabet.of(TEXT)
    ids = alphabet.encode(TEXT)
    cut = len(ids) * 9 // 10
    rng = np.random.default_rng(0)
    net = charlm(vocabulary=len(alphabet), hidden=32, cell=cell, rng=rng)
    trainer = Trainer(net, CrossEntropy(), Adam(learning_rate=0.01), rng=rng, clip=5.0)
    train(trainer, Reader(ids[:cut], batch=8, steps=20), updates=250)
    assert trainer.updates == 250
    bits = bits_per_symbol(net, ids[cut:])
    assert bits < ngram_bits(ids[:cut], ids[cut:], 3, len(alphabet))
    start = alphabet.encode("the c")
    drawn = [sample(net, start, 60, rng=np.random.default_rng(1)) for _ in range(2)]
    assert (drawn[0] == drawn[1]).all()
    cold = alphabet.decode(sample(net, start, 40, rng=rng, temperature=0.05))
    assert cold.startswith(("at sat on the ", "at. a dog ate the "))  # what follows in the text


def test_sampling_refuses_what_it_cannot_do() -> None:
    net, rng = Uniform(3), np.random.default_rng(0)
    with pytest.raises(ValueError, match="temperature = 0"):
        sample(net, np.array([1]), 5, rng=rng, temperature=0)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="at least one symbol"):
        sample(net, np.array([], dtype=int), 5, rng=rng)  # type: ignore[arg-type]
