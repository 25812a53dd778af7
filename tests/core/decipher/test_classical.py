"""Caesar, affine and Vigenère: enciphered here by the textbook, told apart and opened."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from core.decipher import ENGLISH, Alphabet, CipherError, build, classical, english
from core.decipher.classical import SURE, readings, recognise

if TYPE_CHECKING:
    from collections.abc import Callable

PASSAGES = json.loads(
    (Path(__file__).parents[3] / "core/decipher/data/passages.json").read_text("utf-8")
)
RUSSIAN = "мама мыла раму папа читал газету дети играли во дворе дом стоял у реки"
LETTERS = "abcdefghijklmnopqrstuvwxyz"


def encipher(text: str, letter: Callable[[int, int], int], letters: str = LETTERS) -> str:
    """Put ``letter(i, x)`` for the i-th letter, whose place is x; keep case and all else."""
    found, i = [], 0
    for c in text:
        x = letters.find(c.lower())
        if x < 0:
            found.append(c)
            continue
        new = letters[letter(i, x) % len(letters)]
        found.append(new.upper() if c != c.lower() else new)
        i += 1
    return "".join(found)


def vigenere(text: str, word: str) -> str:
    return encipher(text, lambda i, x: x + LETTERS.index(word[i % len(word)]))


def beginning(name: str, n_letters: int) -> str:
    return ENGLISH.encode(PASSAGES[name]["text"]).part(n_letters).text


def test_the_textbooks_examples() -> None:
    assert vigenere("attack at dawn", "lemon") == "lxfopv ef rnhr"
    assert encipher("Affine cipher", lambda _, x: 5 * x + 8) == "Ihhwvc swfrcp"
    affine = recognise(ENGLISH.encode("Ihhwvc swfrcp"), english())
    assert affine is None  # twelve letters say too little
    (best,) = [
        r for r in readings(ENGLISH.encode("Ihhwvc swfrcp"), english()) if r.cipher == "affine"
    ]
    assert best.evidence < SURE


@pytest.mark.parametrize("name", PASSAGES)
@pytest.mark.parametrize("n_letters", [60, 150])
def test_each_cipher_is_told_from_the_others(name: str, n_letters: int) -> None:
    text, rng = beginning(name, n_letters), np.random.default_rng(n_letters)
    permutation = rng.permutation(26).tolist()
    cases = {
        ("plain", "0"): text,
        ("caesar", "17"): encipher(text, lambda _, x: x + 17),
        ("affine", "11,4"): encipher(text, lambda _, x: 11 * x + 4),
        ("affine", "25,25"): encipher(text, lambda _, x: 25 - x),  # Atbash
        ("vigenere", "key"): vigenere(text, "key"),
        ("vigenere", "lemons"): vigenere(text, "lemons"),
    }
    for (kind, key), cipher in cases.items():
        found = recognise(ENGLISH.read(cipher), english(), max_period=8)
        assert found is not None, (kind, key)
        assert (found.cipher, found.key, found.plaintext) == (kind, key, text)
    for none in (
        encipher(text, lambda _, x: permutation[x]),
        encipher(text, lambda _, _x: int(rng.integers(26))),
    ):
        assert recognise(ENGLISH.read(none), english(), max_period=8) is None


def test_a_long_key_word_and_one_that_is_repeated() -> None:
    text = beginning("deficit", 330)
    word = "extraordinarily"
    found = recognise(ENGLISH.read(vigenere(text, word)), english())
    assert found is not None
    assert (found.key, found.plaintext) == (word, text)
    twice = recognise(ENGLISH.read(vigenere(text, "tomtom")), english())
    assert twice is not None
    assert twice.key == "tom"
    assert recognise(ENGLISH.read(vigenere(text, word)), english(), max_period=14) is None


def test_without_spaces_and_in_groups() -> None:
    text = beginning("future", 150)
    letters = ENGLISH.fold(text)
    groups = " ".join(letters[i : i + 5] for i in range(0, len(letters), 5))
    for plain in (letters, groups, letters.upper()):
        found = recognise(ENGLISH.read(vigenere(plain, "secret")), english())
        assert found is not None
        assert (found.key, found.plaintext) == ("secret", plain)


def test_another_alphabet() -> None:
    letters = "абвгдежзийклмнопрстуфхцчшщъыьэюя"
    words = RUSSIAN.split()
    rng = np.random.default_rng(0)
    model = build(" ".join(rng.choice(words, 4000)), Alphabet(letters))
    text = " ".join(rng.choice(words, 30))
    cipher = encipher(text, lambda _, x: 9 * x + 5, letters)
    found = recognise(model.alphabet.read(cipher), model, max_period=3)
    assert found is not None
    assert (found.cipher, found.key, found.plaintext) == ("affine", "9,5", text)


def test_evidence_is_weighed_against_the_number_of_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the price of a key's letters, a long key reads anything into any text."""
    noise = "".join(LETTERS[i] for i in np.random.default_rng(1).integers(26, size=80).tolist())
    assert recognise(ENGLISH.read(noise), english()) is None
    true = classical._Search.evidence
    monkeypatch.setattr(
        classical._Search, "evidence", lambda self, score, _keys: true(self, score, 0.0)
    )
    assert recognise(ENGLISH.read(noise), english()) is not None


def test_shares_of_letters_by_counting() -> None:
    """Letters drawn one after another, each with the share seen so far (and a half)."""
    sequence, counts, log = [0, 0, 2, 1, 0, 2], [0, 0, 0], 0.0
    for i, letter in enumerate(sequence):
        log += math.log((counts[letter] + 0.5) / (i + 1.5))
        counts[letter] += 1
    assert classical._of_shares(counts) == pytest.approx(log)


def test_what_cannot_be_read_is_refused() -> None:
    with pytest.raises(CipherError, match="empty"):
        recognise(ENGLISH.read(" "), english())
    with pytest.raises(CipherError, match="not in the language model's alphabet"):
        recognise(ENGLISH.read("Мама мыла раму"), english())
    for wrong in (0, 101, 1.5):
        with pytest.raises(ValueError, match=f"max_period = {wrong}"):
            recognise(ENGLISH.read("abc"), english(), max_period=wrong)  # type: ignore[arg-type]
    assert readings(ENGLISH.read("53‡‡†305))6*;4826)4‡.)4‡"), english()) == ()
    assert recognise(ENGLISH.read("a"), english()) is None
