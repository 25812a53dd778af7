"""The chains of the search: the right posterior, and the same chains in each of the three ways."""

from __future__ import annotations

import subprocess
import sys
from itertools import permutations
from typing import Any

import numpy as np
import pytest

from core.decipher import ENGLISH, Alphabet, Settings, build, decipher, english, walk
from core.decipher.moves import Block, Swaps
from core.decipher.score import Keys, WordScore
from core.decipher.spaceless import LetterScore, WordSum
from core.decipher.walk import KeyWalk
from core.mcmc import ParallelTempering, sample
from core.mcmc.tempering import exchange

TEXT = "It was the best of times, it was the worst of times, it was the age of wisdom"
LADDERS = [(1.0,), (1.0, 1.5, 2.5, 5.0)]


def random_keys(n: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.array([[0, *(rng.permutation(26) + 1)] for _ in range(n)])


def runs(kernel: KeyWalk, keys: np.ndarray, lengths: tuple[int, ...]) -> tuple[Keys, list[Block]]:
    rng, state, blocks = np.random.default_rng(1), kernel.init(keys), []
    for n in lengths:
        state, block = kernel.run(rng, state, n)
        blocks.append(block)
    return state.position, blocks


def assert_same(one: tuple[Keys, list[Block]], other: tuple[Keys, list[Block]]) -> None:
    assert np.array_equal(one[0].key, other[0].key)
    assert np.array_equal(one[0].prints, other[0].prints)
    for a, b in zip(one[1], other[1], strict=True):
        assert np.array_equal(a.key, b.key)
        assert np.array_equal(a.accepted, b.accepted)
        assert np.allclose(a.log_density, b.log_density, rtol=1e-12)
    assert sum(block.accepted.sum() for block in one[1]) > 20


@pytest.mark.parametrize("kind", [LetterScore, WordScore, WordSum])
@pytest.mark.parametrize("ladder", LADDERS)
def test_compiled_chains_are_the_same(kind: type, ladder: tuple[float, ...]) -> None:
    score = kind(english(), ENGLISH.encode(TEXT))
    swaps, keys = Swaps.of(score, np.array([3])), random_keys(3 * len(ladder))
    plain, compiled = (
        runs(KeyWalk(score, swaps, ladder, 3, compiled=way), keys, (50, 31, 90))
        for way in (False, True)
    )
    assert_same(plain, compiled)
    assert np.array_equal(compiled[0].prints, score.keys(compiled[0].key).prints)


def test_a_lone_chain_that_looks_ahead_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    score = LetterScore(english(), ENGLISH.encode(TEXT))
    kernel, keys = KeyWalk(score, Swaps.of(score)), random_keys(2)
    ahead = runs(kernel, keys, (100, 57))
    monkeypatch.setattr(walk, "_FEW", 0)
    assert_same(runs(kernel, keys, (100, 57)), ahead)


@pytest.mark.parametrize("ladder", LADDERS)
def test_density_fingerprints_and_keys_stay_true(ladder: tuple[float, ...]) -> None:
    score = WordScore(english(), ENGLISH.encode(TEXT))
    kernel = KeyWalk(score, Swaps.of(score), ladder)
    keys = random_keys(5 * len(ladder))
    first = kernel.init(keys)
    state, block = kernel.run(np.random.default_rng(0), first, 80)
    assert np.array_equal(first.position.key, keys)  # what was given is as it was
    assert np.array_equal(state.position.prints, score.keys(state.position.key).prints)
    assert np.allclose(state.log_density, score(score.keys(state.position.key)), rtol=1e-12)
    assert (np.sort(state.position.key, axis=1) == np.arange(27)).all()
    for key, density in zip(block.key, block.log_density, strict=True):
        assert np.allclose(score(score.keys(key)), density, rtol=1e-12)


def small_target(
    kind: type[WordScore | WordSum] = WordScore,
) -> tuple[WordScore | WordSum, np.ndarray, np.ndarray]:
    abc = Alphabet("abcd")
    model = build("abba cab dad bad cab abba dab acca bad cab", abc)
    score = kind(model, abc.encode("bccb acb"))  # d does not occur
    keys = np.array([[0, *order] for order in permutations(range(1, 5))])
    density = score(score.keys(keys))
    weight = np.exp(density - density.max())
    return score, keys, weight / weight.sum()


def assert_drawn_from(posterior: np.ndarray, keys: np.ndarray, draws: np.ndarray) -> None:
    """Each key is drawn as often as it should, within 4 standard errors over the chains.

    That of a key which hardly ever comes is at least the one of independent draws.
    """
    places = [0, 1000, 100, 10, 1]
    seen = np.stack([(draws @ places == key).mean(1) for key in keys @ places], axis=1)
    least = np.sqrt(posterior * (1 - posterior) / draws[..., 0].size)
    error = np.maximum(seen.std(0, ddof=1) / np.sqrt(len(draws)), least)
    assert (np.abs(seen.mean(0) - posterior) < 4 * error + 1e-4).all()


@pytest.mark.parametrize("kind", [WordScore, WordSum])
@pytest.mark.parametrize("ladder", [(1.0,), (1.0, 2.0, 5.0)])
@pytest.mark.parametrize("compiled", [False, True])
def test_chains_draw_keys_from_the_posterior(
    kind: type[WordScore | WordSum], ladder: tuple[float, ...], *, compiled: bool
) -> None:
    score, keys, posterior = small_target(kind)
    kernel = KeyWalk(score, Swaps.of(score), ladder, compiled=compiled)
    columns = 64 if kind is WordScore or compiled else 16  # sums by numpy take long
    start = kernel.init(np.tile(keys[0], (columns * len(ladder), 1)))
    state, _ = kernel.run(np.random.default_rng(3), start, 100)
    _, block = kernel.run(np.random.default_rng(4), state, 1000)
    assert_drawn_from(posterior, keys, block.key.transpose(1, 0, 2))


def test_wrong_exchanges_would_be_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    def inverted(beta: np.ndarray, density: np.ndarray, *rest: Any) -> np.ndarray:
        return exchange(beta, -density, *rest)

    monkeypatch.setattr(walk, "exchange", inverted)
    score, keys, posterior = small_target()
    kernel = KeyWalk(score, Swaps.of(score), (1.0, 2.0, 5.0))
    state = kernel.init(np.tile(keys[0], (3 * 64, 1)))
    state, _ = kernel.run(np.random.default_rng(3), state, 100)
    _, block = kernel.run(np.random.default_rng(4), state, 1000)
    with pytest.raises(AssertionError):
        assert_drawn_from(posterior, keys, block.key.transpose(1, 0, 2))


def test_a_screen_that_nothing_makes_up_for_would_be_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    draw = walk.Randoms

    def lenient(*parts: Any) -> walk.Randoms:
        return draw(*parts)._replace(second=np.full(parts[2].shape, -np.inf))

    monkeypatch.setattr(walk, "Randoms", lenient)
    score, keys, posterior = small_target(WordSum)
    kernel = KeyWalk(score, Swaps.of(score))
    state = kernel.init(np.tile(keys[0], (16, 1)))
    state, _ = kernel.run(np.random.default_rng(3), state, 100)
    _, block = kernel.run(np.random.default_rng(4), state, 1000)
    with pytest.raises(AssertionError):
        assert_drawn_from(posterior, keys, block.key.transpose(1, 0, 2))


def test_the_general_kernel_draws_from_the_same_posterior() -> None:
    score, keys, posterior = small_target()
    swaps = Swaps.of(score)

    def propose(rng: np.random.Generator, position: Keys) -> Keys:
        key, rows = position.key.copy(), np.arange(len(position.key))
        pair = rng.integers(len(swaps.first), size=len(key))
        a, b = swaps.first[pair], swaps.second[pair]
        key[rows, a], key[rows, b] = position.key[rows, b], position.key[rows, a]
        return score.keys(key)

    kernel = ParallelTempering(score, propose, np.array([1.0, 2.0, 5.0]))
    start = kernel.init(score.keys(np.tile(keys[0], (3 * 64, 1))))
    rng = np.random.default_rng(3)
    result = sample(kernel, start, rng, burn_in=100, n_draws=1000, record=lambda k: k.key)
    assert_drawn_from(posterior, keys, result.draws[:64])


def test_compiled_search_finds_what_the_plain_one_finds() -> None:
    key = np.concatenate([[0], np.random.default_rng(0).permutation(26) + 1])
    cipher = ENGLISH.encode(ENGLISH.encode(TEXT).decode(key))
    found = [
        decipher(cipher, english(), np.random.default_rng(5), settings=Settings(compiled=compiled))
        for compiled in (False, True)
    ]
    assert found[0].plaintext == found[1].plaintext == TEXT
    assert np.array_equal(found[0].posterior, found[1].posterior)


def test_without_numba_compiled_is_refused_in_words() -> None:
    program = (
        "import sys; sys.modules['numba'] = None\n"
        "import numpy as np\n"
        "from core.decipher import *\n"
        "decipher(ENGLISH.encode('the state of the union is strong today'), english(),"
        " np.random.default_rng(0), settings=Settings(compiled=True))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert "ValueError: compiled = True needs the package numba" in done.stderr
