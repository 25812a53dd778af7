"""How sure a reading is, what the search may miss, and texts that are written in other signs."""

from __future__ import annotations

import json
from importlib.resources import files

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.decipher import ENGLISH, CipherText, Settings, Solution, decipher, english
from core.decipher.polish import _moved, _moves, polish
from core.decipher.score import WordScore
from core.decipher.solver import log_probability
from core.decipher.spaceless import WordSum
from core.decipher.sureness import evenness, usual_score

MODEL = english()
_STORED = files("core.decipher").joinpath("data/passages.json").read_text(encoding="utf-8")
PASSAGES = {name: found["text"] for name, found in json.loads(_STORED).items()}

GERMAN = (
    "Die Wuerde des Menschen ist unantastbar. Sie zu achten und zu schuetzen ist Verpflichtung "
    "aller staatlichen Gewalt. Das Deutsche Volk bekennt sich darum zu unverletzlichen und "
    "unveraeusserlichen Menschenrechten als Grundlage jeder menschlichen Gemeinschaft, des "
    "Friedens und der Gerechtigkeit in der Welt."
)
SAYING = (
    "It's not what you don't know that gets you into trouble; it's what you know for sure that "
    "just ain't so."
)
GOLD_BUG = (
    "53‡‡†305))6*;4826)4‡.)4‡);806*;48†8¶60))85;1‡(;:‡*8†83(88)5*†;46(;88*96*?;8)*‡(;485);5*†2:*‡(;"
    "4956*2(5*-4)8¶8*;4069285);)6†8)4‡‡;1(‡9;48081;8:8‡1;48†85;4)485†528806*81(‡9;48;(88;4(‡?34;48)"
    "4‡;161;:188;‡?;"
)
TREASURE = (
    "agoodglassinthebishopshostelinthedevilsseatfortyonedegreesandthirteenminutesnortheastandbynorth"
    "mainbranchseventhlimbeastsideshootfromthelefteyeofthedeathsheadabeelinefromthetreethroughtheshot"
    "fiftyfeetout"
)
QUICK = Settings(compiled=True)


def encipher(text: str, seed: int) -> CipherText:
    key = np.concatenate([[0], np.random.default_rng(seed).permutation(26) + 1])
    return ENGLISH.encode(ENGLISH.encode(text).decode(key))


def solved(text: str, seed: int = 0, **options: object) -> Solution:
    chosen = Settings(compiled=True, **options)  # type: ignore[arg-type]
    return decipher(encipher(text, seed), MODEL, np.random.default_rng(seed), settings=chosen)


# --- the score -------------------------------------------------------------------------------


@pytest.mark.parametrize("spaces", [True, False])
@pytest.mark.parametrize("name", PASSAGES)
def test_true_texts_are_not_doubted(name: str, spaces: bool) -> None:
    words = PASSAGES[name].split()
    for n in (10, 30, 100):
        for start in range(0, len(words) - n, 50):
            plain = ENGLISH.encode(" ".join(words[start : start + n]))
            score = log_probability(MODEL, plain, spaces=spaces) / plain.n_letters
            usual = usual_score(MODEL, plain.n_letters, spaces=spaces)
            assert score > usual.least
            assert score < usual.mean + 4 * usual.sd


@pytest.mark.parametrize("spaces", [True, False])
@pytest.mark.parametrize("kind", ["backwards", "German", "random"])
def test_nonsense_is_doubted(kind: str, spaces: bool) -> None:
    text = {
        "backwards": PASSAGES["ishmael"][:420][::-1],
        "German": GERMAN,
        "random": "".join(np.random.default_rng(3).choice(list("etaoinshrdlu   "), 400)),
    }[kind]
    solution = solved(text, spaces=spaces, max_steps=2000)
    assert solution.score < solution.usual.least
    assert any("nats a letter" in warning for warning in solution.warnings)


def test_a_sound_reading_has_no_warnings() -> None:
    solution = solved(PASSAGES["ishmael"][:600])
    assert solution.plaintext == PASSAGES["ishmael"][:600]
    assert solution.warnings == ()
    assert solution.score == solution.log_probability / solution.cipher.n_letters


def test_a_pangram_gets_an_answer_and_a_warning() -> None:
    solution = solved("Sphinx of black quartz, judge my vow.")
    assert len(solution.plaintext) == 37
    assert "index of coincidence 0.0074" in solution.warnings[0]
    assert "the letters are too even" in solution.warnings[0]


def test_letters_that_are_too_few_get_a_warning() -> None:
    assert "too few letters differ" in evenness(ENGLISH.encode("abab " * 200), MODEL)
    flat = "".join(np.random.default_rng(0).choice(list(ENGLISH.letters), 600))
    assert "too even" in evenness(ENGLISH.encode(flat), MODEL)


def test_chains_that_do_not_agree_are_said() -> None:
    solution = solved(SAYING, max_steps=200)
    assert solution.agreed < 3
    assert f"only {solution.agreed} of 8 chains found this reading" in solution.warnings[-1]


# --- the search ------------------------------------------------------------------------------


def test_a_reading_that_swaps_of_two_letters_miss_is_found() -> None:
    truth = log_probability(MODEL, ENGLISH.encode(SAYING))
    found = [solved(SAYING, seed).log_probability for seed in range(10)]
    assert sum(value >= truth - 1e-6 for value in found) >= 9


@given(st.integers(0, 2**32 - 1), st.booleans(), st.sets(st.integers(1, 26), max_size=20))
@settings(max_examples=20, deadline=None)
def test_moves_score_as_the_keys_that_they_make(seed: int, spaces: bool, fixed: set[int]) -> None:
    cipher = ENGLISH.encode("It was the best of times, it was the worst of times")
    score = WordScore(MODEL, cipher) if spaces else WordSum(MODEL, cipher)
    key = np.concatenate([[0], np.random.default_rng(seed).permutation(26) + 1])
    place, source = _moves(score, np.array(sorted(fixed), dtype=np.int64))
    moved = _moved(score, key, score.keys(key[None]).prints, place, source)
    assert (np.sort(moved.key[:, 1:], axis=1) == np.arange(1, 27)).all()
    assert (moved.key != key).any(axis=1).all()
    assert (moved.key[:, sorted(fixed)] == key[sorted(fixed)]).all()
    assert (score.keys(moved.key).prints == moved.prints).all()


def test_climbing_ends_where_no_move_gains() -> None:
    cipher = encipher(PASSAGES["ishmael"][:200], 1)
    score = WordScore(MODEL, cipher)
    start = np.concatenate([[0], np.random.default_rng(2).permutation(26) + 1])
    key, value = polish(score, start, np.array([1, 2]))
    assert value == pytest.approx(float(score(score.keys(key[None]))[0]))
    place, source = _moves(score, np.array([1, 2]))
    around = _moved(score, key, score.keys(key[None]).prints, place, source)
    assert score(around).max() <= value + 1e-6
    assert key[[1, 2]].tolist() == start[[1, 2]].tolist()


def test_a_long_text_is_read_by_its_beginning_and_checked_as_a_whole() -> None:
    share = MODEL.counts / MODEL.counts.sum()
    ids = np.random.default_rng(4).choice(len(MODEL.words), 3500, p=share)
    text = "".join(MODEL.words[i] for i in ids.tolist())
    rare = set("jqxz")
    text = "".join(c for c in text[:6000] if c not in rare) + text[6000:]  # rare letters come late
    solution = solved(text, spaces=False)
    wrong = sum(a != b for a, b in zip(solution.plaintext, text, strict=True))
    assert wrong <= len(text) / 1000
    assert solution.log_probability == pytest.approx(
        log_probability(MODEL, ENGLISH.encode(solution.plaintext), spaces=False)
    )


# --- other signs -----------------------------------------------------------------------------


def test_the_gold_bug_is_read_as_printed() -> None:
    cipher = ENGLISH.read(GOLD_BUG)
    assert cipher.n_letters == len(GOLD_BUG) == len(TREASURE)
    chosen = Settings(spaces=False, compiled=True)
    solution = decipher(cipher, MODEL, np.random.default_rng(0), settings=chosen)
    right = sum(a == b for a, b in zip(solution.plaintext, TREASURE, strict=True))
    assert right >= 0.97 * len(TREASURE)
    assert "good glass in the" in solution.words


def test_symbols_with_spaces_are_words() -> None:
    signs = "0123456789!?#$%&*()[]{}<>~"
    plain = PASSAGES["ishmael"][:300]
    words = ENGLISH.words(plain)
    text = "\n".join(" ".join(words).split(". "))
    written = text.translate({ord(c): s for c, s in zip(ENGLISH.letters, signs, strict=True)})
    cipher = ENGLISH.read(written)
    known = {signs[ENGLISH.letters.index(c)]: c for c in "e"}
    solution = decipher(cipher, MODEL, np.random.default_rng(0), settings=QUICK, known=known)
    assert solution.words == " ".join(words)
    assert solution.plaintext == text


def test_too_many_symbols_are_said() -> None:
    with pytest.raises(ValueError, match=r"30 different symbols .* has at most 26"):
        ENGLISH.read("".join(map(chr, range(0x2460, 0x247E))))


@pytest.mark.parametrize("text", ["", " \n", "Hello, world!", "Съешь же ещё", "12 monkeys, 3 cats"])
def test_texts_with_letters_are_read_by_them(text: str) -> None:
    assert ENGLISH.read(text).codes.tolist() == ENGLISH.encode(text).codes.tolist()
    assert ENGLISH.read(text).symbols == ""
