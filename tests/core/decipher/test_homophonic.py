"""Homophonic ciphers: the density of keys, the chains that draw them, and texts opened."""

from __future__ import annotations

import itertools
import json
import math
from pathlib import Path

import numpy as np
import pytest

from core.decipher import (
    ENGLISH,
    Alphabet,
    CipherError,
    LanguageModel,
    Settings,
    build,
    decipher_homophonic,
    english,
    looks_homophonic,
)
from core.decipher.homophonic import _State, _Target, log_density, share_out

ROOT = Path(__file__).parents[3]
PASSAGES = json.loads((ROOT / "core/decipher/data/passages.json").read_text("utf-8"))
ISHMAEL = ENGLISH.fold(PASSAGES["ishmael"]["text"])


def enciphered(text: str, n_symbols: int, seed: int = 0) -> tuple[str, np.ndarray]:
    """Return numbers for letters, and the letter of each number."""
    rng = np.random.default_rng(seed)
    letters = rng.permutation(np.repeat(np.arange(1, 27), share_out(english(), n_symbols)))
    numbers = [rng.choice(np.flatnonzero(letters == code)) for code in ENGLISH.encode(text).codes]
    return " ".join(f"{number:02}" for number in numbers), letters


def by_hand(model: LanguageModel, plain: list[int]) -> float:
    """Score letters, from 0, one term after the other."""
    total = sum(math.log(max(model.letter_share[letter + 1], 1e-6)) for letter in plain[:3])
    total += sum(model.log_letters[tuple(plain[i : i + 4])] for i in range(len(plain) - 3))
    return total - sum(n * math.log(n) for n in map(plain.count, set(plain)))


# --- the density ---------------------------------------------------------------------------------


def test_each_letter_in_each_place_is_scored_as_by_hand() -> None:
    """Symbols that begin the text, that follow themselves, that come once or not at all."""
    codes = np.array([1, 1, 2, 1, 3, 3, 3, 3, 4, 2, 1, 5, 2, 2, 3, 1, 7])
    model, rng = english(), np.random.default_rng(0)
    target = _Target(codes, model, 7, {})
    keys = rng.integers(26, size=(3, 7))
    state = _State(target, keys.copy())
    for symbol in range(7):
        scores, base = state._scores(symbol)
        for chain, letter in itertools.product(range(3), range(26)):
            key = keys[chain].copy()
            key[symbol] = letter
            own = by_hand(model, key[codes - 1].tolist())
            key[symbol] = 0
            gain = own - by_hand(model, key[codes - 1].tolist())
            assert scores[chain, letter] - scores[chain, 0] == pytest.approx(gain, abs=2e-4)
        state._put(symbol, keys[:, symbol], base)
    assert state.log_density() == pytest.approx(
        [by_hand(model, key[codes - 1].tolist()) for key in keys], abs=1e-3
    )


def test_a_plaintext_scores_as_its_cipher_does() -> None:
    numbers, letters = enciphered(ISHMAEL, 40)
    cipher = ENGLISH.read_homophonic(numbers)
    key = np.array([letters[int(symbol)] - 1 for symbol in cipher.symbols])
    target = _Target(cipher.codes, english(), len(key), {})
    plain = ENGLISH.encode(ISHMAEL)
    assert log_density(english(), plain) == pytest.approx(target.log_density(key[None])[0])
    assert log_density(english(), plain) == pytest.approx(
        by_hand(english(), (plain.codes - 1).tolist()), abs=0.01
    )


def test_sweeps_draw_keys_as_often_as_they_are_likely() -> None:
    model = build("abba cab abc bac aabb cc abba bab caab", Alphabet("abc"))
    codes = np.array([1, 2, 3, 1, 2, 1])
    target = _Target(codes, model, 3, {})
    keys = np.array(list(itertools.product(range(3), repeat=3)))
    density = np.exp([by_hand(model, key[codes - 1].tolist()) for key in keys])
    density /= density.sum()
    rng = np.random.default_rng(1)
    drawn = rng.choice(27, 40_000, p=density)
    state = _State(target, keys[drawn].copy())
    state.sweep(target.free, 1.0, rng)  # keeps the target that it starts from
    after = state.key @ [9, 3, 1]
    assert np.allclose(np.bincount(after, minlength=27) / 40_000, density, atol=0.01)
    assert (density > 0.02).sum() > 4
    assert (after != drawn).mean() > 0.1


def test_settled_keys_have_no_better_neighbour() -> None:
    numbers, _ = enciphered(ISHMAEL, 40)
    cipher = ENGLISH.read_homophonic(numbers)
    target = _Target(cipher.codes, english(), 40, {})
    key = target.settled(np.random.default_rng(0).integers(26, size=40))
    assert _State(target, key[None]).gains(target.free).max() < 1e-3


# --- texts ---------------------------------------------------------------------------------------


def test_a_text_is_opened_with_its_words_and_its_key() -> None:
    numbers, letters = enciphered(ISHMAEL, 45, seed=3)
    cipher = ENGLISH.read_homophonic(numbers)
    found = decipher_homophonic(cipher, english(), np.random.default_rng(0))
    plain = ENGLISH.encode(ISHMAEL).codes
    assert (found.key[cipher.codes] == plain).mean() > 0.98
    right = [letters[int(symbol)] for symbol in cipher.symbols]
    assert np.mean(found.key[1:] == right) > 0.9
    assert "ishmael some years ago never mind how long" in found.words
    assert found.warnings == ()
    assert found.agreed >= 3
    assert found.readings[0][1] == found.plaintext
    assert [value for value, _ in found.readings] == sorted(
        (value for value, _ in found.readings), reverse=True
    )
    assert found.posterior.shape == (len(cipher.symbols) + 1, 27)
    assert np.allclose(found.posterior.sum(axis=1), 1)
    assert found.confidence[1:].mean() > 0.8
    assert found.trace.shape[0] == 8
    assert found.trace.max() < log_density(english(), ENGLISH.encode(ISHMAEL)) + 30


def test_the_seed_decides_and_noise_is_doubted() -> None:
    noise = " ".join(map(str, np.random.default_rng(0).integers(40, size=150)))
    cipher = ENGLISH.read_homophonic(noise)
    settings = Settings(max_steps=60, n_draws=8)
    first, second, third = (
        decipher_homophonic(cipher, english(), np.random.default_rng(seed), settings=settings)
        for seed in (1, 1, 2)
    )
    assert first.plaintext == second.plaintext != third.plaintext
    assert any("chains found this reading" in warning for warning in first.warnings)


def test_known_letters_stay_what_they_are() -> None:
    numbers, _ = enciphered(ISHMAEL, 40)
    cipher = ENGLISH.read_homophonic(numbers)
    known = {cipher.symbols[0]: "q", cipher.symbols[5]: "Q", cipher.symbols[7]: "z"}
    settings = Settings(max_steps=30, n_draws=8)
    found = decipher_homophonic(
        cipher, english(), np.random.default_rng(0), settings=settings, known=known
    )
    assert [found.key[i] for i in (1, 6, 8)] == [17, 17, 26]
    assert found.posterior[1, 17] == found.posterior[8, 26] == 1


def test_what_only_the_rest_of_a_long_text_has_is_found_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("core.decipher.homophonic._ENOUGH_LETTERS", 190)
    numbers, letters = enciphered(ISHMAEL, 30)
    e = {f"{n:02}" for n in np.flatnonzero(letters == 5)}
    late = ["99" if n in e else n for n in numbers.split()[190:]]
    cipher = ENGLISH.read_homophonic(" ".join([*numbers.split()[:190], *late]))
    found = decipher_homophonic(cipher, english(), np.random.default_rng(0))
    assert found.key[cipher.code["99"]] == 5
    assert (found.key[cipher.codes] == ENGLISH.encode(ISHMAEL).codes).mean() > 0.97


@pytest.mark.parametrize(
    ("text", "known", "message"),
    [
        ("12 13 14 15 12", {}, "the text has 5 letters: at least 28"),
        (" ".join(map(str, range(40))), {}, "40 symbols in 40 letters: with fewer than 1.5"),
        ("", {}, "the text is empty"),
        ("12 13 " * 20, {"14": "e"}, "known symbol '14' is not in the text"),
        ("12 13 " * 20, {"12": "é"}, "known letter 'é' is not in the alphabet"),
    ],
)
def test_what_cannot_be_opened_is_refused(text: str, known: dict[str, str], message: str) -> None:
    cipher = ENGLISH.read_homophonic(text)
    with pytest.raises(CipherError, match=message):
        decipher_homophonic(cipher, english(), np.random.default_rng(0), known=known)


def test_letters_have_symbols_by_their_share() -> None:
    shares = [share_out(english(), n) for n in (26, 27, 54, 300)]
    assert [one.sum() for one in shares] == [26, 27, 54, 300]
    assert all(one.min() == 1 for one in shares[:3])
    assert shares[1].argmax() == 4  # e
    assert abs(shares[3] / 300 - english().letter_share[1:]).max() < 0.01
    with pytest.raises(ValueError, match="n_symbols = 25: must be an integer >= 26"):
        share_out(english(), 25)


# --- reading -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "symbols", "plain"),
    [
        ("7 12,7;105\n12", ("7", "12", "105"), "abac\nb"),
        ("0712 0712\n3", ("07", "12"), None),
        ("071207 12\n1207", ("07", "12"), "abab\nba"),
        ("12345 67812\n", ("12", "34", "56", "78"), "abcda\n"),
        ("aA%\n%Aa b", ("a", "A", "%", "b"), "abc\ncba d"),
        ("07 12 x", ("0", "7", "1", "2", "x"), "ab cd e"),
    ],
)
def test_symbols_are_numbers_or_characters(
    text: str, symbols: tuple[str, ...], plain: str | None
) -> None:
    if plain is None:
        with pytest.raises(ValueError, match="an odd number of digits"):
            ENGLISH.read_homophonic(text)
        return
    cipher = ENGLISH.read_homophonic(text)
    assert cipher.symbols == symbols
    written = cipher.decode(np.arange(len(symbols) + 1))
    assert written == plain
    assert [written[i] for i in cipher.places] == [
        written[i] for i in cipher.places if written[i].isalpha()
    ]
    assert len(cipher.places) == cipher.n_letters


ZODIAC = (ROOT / "docs/how-to/zodiac408.txt").read_text("utf-8")
GREEK = "ΤονΚαιρόΤουΜεγάλουΑλεξάνδρουΉτανΈναςΒασιλιάςΠουΖούσεΨηλάΣτοΒουνόΞεχασμένος"


@pytest.mark.parametrize(
    ("text", "yes"),
    [
        (ZODIAC, True),
        (ZODIAC.replace("\n", " "), True),
        (ZODIAC.replace("\n", ""), True),
        ("12 7 33 105", True),
        ("12345 67890", True),
        ("12-07-31", True),
        ("7", False),
        ("", False),
        (" \n", False),
        ("Call me Ishmael. " * 9, False),
        (PASSAGES["ishmael"]["text"], False),
        (PASSAGES["ishmael"]["text"].replace(" ", ""), False),
        (ISHMAEL.upper(), False),
        ("53‡‡†305))6*;4826)4‡.)4‡);806*;48†8¶60))85", False),
        (GREEK, False),
        (GREEK.lower(), False),
    ],
)
def test_what_looks_homophonic(text: str, *, yes: bool) -> None:
    assert looks_homophonic(text, ENGLISH) == yes
