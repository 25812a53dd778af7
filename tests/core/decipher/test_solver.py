"""Deciphering: exact scores, exact posteriors on small alphabets, held-out passages, bad input."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from core.decipher import (
    ENGLISH,
    Alphabet,
    CipherError,
    CipherText,
    Settings,
    build,
    decipher,
    english,
    log_probability,
)
from core.decipher.pairsum import PairSum, words_of
from core.decipher.polish import polish
from core.decipher.score import WordScore
from core.decipher.spaceless import LetterScore, WordSum
from core.decipher.sureness import evenness

DATA = Path(__file__).parents[3] / "core/decipher/data/passages.json"
PASSAGES = {name: entry["text"] for name, entry in json.loads(DATA.read_text("utf-8")).items()}


def encipher(text: str, seed: int) -> CipherText:
    key = np.concatenate([[0], np.random.default_rng(seed).permutation(26) + 1])
    return ENGLISH.encode(ENGLISH.encode(text).decode(key))


def random_keys(n: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.array([[0, *(rng.permutation(26) + 1)] for _ in range(n)])


def test_the_fast_score_is_the_models_probability() -> None:
    model, cipher = english(), ENGLISH.encode(PASSAGES["factories"])
    keys = np.concatenate([np.arange(27)[None], random_keys(20)])
    score = WordScore(model, cipher)
    slow = [model.log_text(ENGLISH.words(cipher.decode(key))) for key in keys]
    assert np.allclose(score(score.keys(keys)), slow, rtol=1e-12)
    assert np.allclose(score(score.keys(keys)), slow, rtol=1e-12)  # now from memory


@pytest.mark.parametrize("name", PASSAGES)
@pytest.mark.parametrize("seed", [0, 1])
def test_held_out_passages_are_deciphered(name: str, seed: int) -> None:
    cipher = encipher(PASSAGES[name], seed)
    solution = decipher(cipher, english(), np.random.default_rng(seed))
    truth = ENGLISH.encode(PASSAGES[name])
    solved = ENGLISH.encode(solution.plaintext)
    assert (solved.codes == truth.codes).mean() >= 0.99
    assert solution.agreed >= 3
    assert solution.log_probability == pytest.approx(
        english().log_text(ENGLISH.words(solution.plaintext))
    )


def test_the_plain_method_deciphers_a_long_passage() -> None:
    settings = Settings(method="metropolis", n_chains=24, max_steps=6000, agree=2)
    text = PASSAGES["future"]
    solution = decipher(encipher(text, 5), english(), np.random.default_rng(0), settings=settings)
    wrong = sum(a != b for a, b in zip(solution.plaintext, text, strict=True))
    assert wrong <= 4


def test_same_seed_same_answer() -> None:
    cipher = encipher(PASSAGES["ishmael"], 3)
    first, second = (decipher(cipher, english(), np.random.default_rng(4)) for _ in range(2))
    assert np.array_equal(first.trace, second.trace)
    assert np.array_equal(first.posterior, second.posterior)
    assert first.plaintext == second.plaintext


def test_case_punctuation_accents_and_digits_are_kept() -> None:
    text = PASSAGES["ishmael"].replace("Some years ago", "Some 12 years ago, à la mode,")
    solution = decipher(encipher(text, 6), english(), np.random.default_rng(1))
    assert solution.plaintext == text


def test_posterior_is_a_distribution_and_knows_what_is_certain() -> None:
    cipher = encipher(PASSAGES["children"], 7)
    solution = decipher(cipher, english(), np.random.default_rng(2))
    assert np.allclose(solution.posterior.sum(1), 1)
    assert np.allclose(solution.posterior.sum(0), 1)
    common = [c for c, n in Counter(cipher.codes.tolist()).items() if n > 10]
    assert solution.confidence[common].min() > 0.95


def test_next_best_readings_are_distinct_and_in_order() -> None:
    cipher = encipher("Jack quit the extra zoo job and we all saw him go back home", 3)
    settings = Settings(agree=2, n_draws=1000)
    solution = decipher(cipher, english(), np.random.default_rng(2), settings=settings)
    values, texts = zip(*solution.readings, strict=True)
    assert texts[0] == solution.plaintext
    assert 2 <= len(set(texts)) == len(texts) <= 5
    assert list(values) == sorted(values, reverse=True)
    for value, text in solution.readings:
        assert value == pytest.approx(english().log_text(ENGLISH.words(text)))


def test_known_letters_stay_fixed() -> None:
    text = "We hold these truths to be self evident"
    cipher = encipher(text, 8)
    fixed = dict(zip(cipher.text.lower(), text.lower(), strict=True))
    known = {c: fixed[c] for c in cipher.text.lower() if fixed[c] in "ethw"}
    solution = decipher(cipher, english(), np.random.default_rng(0), known=known)
    for c, p in known.items():
        assert solution.key[ENGLISH.code[c]] == ENGLISH.code[p]
    assert solution.plaintext == text


def test_another_alphabet_needs_only_another_text() -> None:
    greek = {ord(c): ord("α") + i for i, c in enumerate("abcdefghijklmnopq")}
    greek |= {ord(c): ord("σ") + i for i, c in enumerate("rstuvwx")}
    train = PASSAGES["children"] + PASSAGES["deficit"] + PASSAGES["factories"]
    train, test = (t.lower().translate(greek) for t in (train, PASSAGES["children"]))
    letters = "".join(chr(c) for c in sorted(greek.values()))
    model = build(train, Alphabet(letters))
    rng = np.random.default_rng(9)
    key = np.concatenate([[0], rng.permutation(len(letters)) + 1])
    cipher = model.alphabet.encode(model.alphabet.encode(test).decode(key))
    assert decipher(cipher, model, rng).plaintext == test


def test_texts_that_cannot_be_deciphered_are_refused() -> None:
    rng, model = np.random.default_rng(0), english()
    cases = {
        "": "the text is empty",
        " 12, 3. ": "the text is empty",
        "Xq zyx wvu": "has 8 letters: at least 28 are needed",
        "Съешь же ещё этих мягких булок": "not in the language model's alphabet",
    }
    for text, message in cases.items():
        with pytest.raises(CipherError, match=message):
            decipher(ENGLISH.encode(text), model, rng)
    for known, message in (
        ({"x": "é"}, "'é' is not in the alphabet"),
        ({"x": "e", "y": "e"}, "a letter occurs twice"),
        (dict(zip(ENGLISH.letters, ENGLISH.letters, strict=True)), "every letter is known"),
    ):
        with pytest.raises(CipherError, match=message):
            decipher(ENGLISH.encode(PASSAGES["ishmael"]), model, rng, known=known)


def test_english_is_not_taken_for_another_cipher() -> None:
    rng, model = np.random.default_rng(1), english()
    text = " ".join(PASSAGES.values())
    words = text.split()
    # chance alone varies little
    assert evenness(ENGLISH.encode("".join(rng.choice(words, 30_000))), model) == ""
    for n in (8, 20, 60, len(words)):
        for _ in range(20):
            start = int(rng.integers(len(words) - n + 1))
            part = encipher(" ".join(words[start : start + n]), 1)
            assert part.n_letters < 28 or evenness(part, model) == ""


@pytest.mark.parametrize(
    "change",
    [
        {"method": "magic"},
        {"n_chains": 0},
        {"max_steps": 0},
        {"temperatures": (2.0, 1.0)},
        {"exchange_every": 0},
    ],
)
def test_bad_settings_are_named(change: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=next(iter(change))):
        decipher(
            encipher(PASSAGES["ishmael"], 0),
            english(),
            np.random.default_rng(0),
            settings=Settings(**change),  # type: ignore[arg-type]
        )


def test_the_sum_over_all_partings_is_exact() -> None:
    model, text = english(), "thestateofthexqunion"
    cipher = ENGLISH.encode(text)
    keys = np.concatenate([np.arange(27)[None], random_keys(3)])
    score = WordSum(model, cipher)
    found = score(score.keys(keys))
    for key, value in zip(keys, found, strict=True):
        plain = cipher.decode(key)
        total = [1.0]  # probability of the first j letters
        for j in range(1, len(plain) + 1):
            words = [(i, plain[i:j]) for i in range(max(0, j - 16), j)]
            total.append(sum(total[i] * np.exp(model.log_word(w)) for i, w in words))
        assert value == pytest.approx(np.log(total[-1]), rel=1e-12)
    long = ENGLISH.encode(PASSAGES["deficit"] * 6)  # far below what a float holds
    far = WordSum(model, long)
    assert np.isfinite(far(far.keys(keys))).all()


def parted(plain: str, join: np.ufunc = np.logaddexp) -> float:
    """Sum the probability of a text over all divisions into words, by hand."""
    model = english()
    ends: list[dict[str, float]] = [{} for _ in range(len(plain) + 1)]
    ends[0][""] = 0.0
    for i, words in enumerate(ends):
        for before, log in words.items():
            for j in range(i + 1, min(i + 16, len(plain)) + 1):
                word = plain[i:j]
                total = log + model.log_pair(before, word)
                ends[j][word] = join(ends[j].get(word, -np.inf), total)
    return float(join.reduce(list(ends[-1].values())))


@pytest.mark.parametrize("text", ["thestateofthexqunion", "andinthoseyearswhenwewereatwarwith"])
def test_the_sum_of_pairs_is_exact(text: str) -> None:
    cipher = ENGLISH.encode(text)
    keys = np.concatenate([np.arange(27)[None], random_keys(2)])
    score = PairSum(english(), cipher)
    found = score(score.keys(keys))
    assert found == pytest.approx([parted(cipher.decode(key)) for key in keys], rel=1e-12)
    assert score(score.keys(keys[:0])).shape == (0,)


@pytest.mark.parametrize("text", ["thestateofthexqunion", "meishmaelsome", "q", "of"])
def test_the_division_into_words_is_the_most_probable(
    text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.decipher.pairsum._BLOCK", 5)
    cipher = ENGLISH.encode(text)
    for key in [np.arange(27), *random_keys(2)]:
        plain = cipher.decode(key)
        words = words_of(cipher, english(), key, spaces=False).split()
        assert "".join(words) == plain
        pairs = zip(["", *words], words, strict=False)
        log = sum(english().log_pair(before, word) for before, word in pairs)
        assert log == pytest.approx(parted(plain, np.maximum), rel=1e-12)


def test_an_unknown_name_leaves_the_words_beside_it_alone() -> None:
    cipher = ENGLISH.encode("callmeishmaelsomeyearsagonevermindhowlong")
    words = words_of(cipher, english(), np.arange(27), spaces=False)
    assert words.endswith("ishmael some years ago never mind how long")


def test_many_keys_of_a_long_text_are_summed_in_parts() -> None:
    cipher, keys = ENGLISH.encode(PASSAGES["deficit"] * 6), random_keys(40)  # below any float
    score = PairSum(english(), cipher)
    found = score(score.keys(keys))
    alone = [float(score(score.keys(key[None]))[0]) for key in keys[[0, 39]]]
    assert found[[0, 39]] == pytest.approx(alone, rel=1e-12)
    assert np.isfinite(found).all()


@pytest.mark.parametrize("text", ["a", "of", "the", "with"])
def test_the_shortest_texts_have_a_sum(text: str) -> None:
    for n in range(1, 27):
        key = np.roll(np.arange(1, 27), n)
        plain = ENGLISH.encode(ENGLISH.encode(text).decode(np.array([0, *key])))
        total = [1.0]
        for j in range(1, len(text) + 1):
            parts = [(i, plain.text[i:j]) for i in range(j)]
            total.append(sum(total[i] * np.exp(english().log_word(w)) for i, w in parts))
        score = WordSum(english(), plain)
        found = float(score(score.keys(np.arange(27)[None]))[0])
        assert found == pytest.approx(np.log(total[-1]), rel=1e-12)
        assert log_probability(english(), plain, spaces=False) == pytest.approx(parted(plain.text))


def test_the_letter_score_is_exact() -> None:
    model, cipher = english(), ENGLISH.encode("abba, abb a cadab ra")
    keys = random_keys(3)
    score = LetterScore(model, cipher)
    for key, value in zip(keys, score(score.keys(keys)), strict=True):
        c = key[cipher.codes] - 1
        want = sum(model.log_letters[tuple(c[i - 3 : i + 1])] for i in range(3, len(c)))
        assert value == pytest.approx(want, rel=1e-12)
    assert np.allclose(np.exp(model.log_letters).sum(3), 1)


@pytest.mark.parametrize(
    "text",
    [
        # The words one by one make "by own service" likelier than the truth.
        "good for our country during the period of my own service in this capitol and",
        # Two searches in five of the usual length find nothing.
        "interacts with the others all must be faced together squarely and courageously",
    ],
)
def test_sixty_letters_without_spaces_are_deciphered(text: str) -> None:
    plain = text.replace(" ", "")
    settings = Settings(spaces=False)
    found = decipher(encipher(plain, 1), english(), np.random.default_rng(1), settings=settings)
    assert found.plaintext == plain
    assert found.warnings == ()
    assert found.log_probability == pytest.approx(parted(plain))
    assert found.readings[0] == (pytest.approx(found.log_probability), plain)
    assert found.posterior[1:].sum(axis=1) == pytest.approx(1)
    present = np.unique(ENGLISH.encode(plain).codes)
    assert (found.posterior[:, present].sum(0) > 0.5).all()


def test_a_search_that_finds_nothing_begins_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.decipher.solver._CLIMBS", 1)
    noise = "".join(np.random.default_rng(3).choice(list("abcdefghijklmnopqrstuvwxyz"), 30))
    settings = Settings(spaces=False, max_steps=40, n_draws=5)
    found = decipher(ENGLISH.encode(noise), english(), np.random.default_rng(0), settings=settings)
    # Three rounds, each of a first search of 200 steps, a second of 10, and the draws.
    assert found.trace.shape[1] == 3 * (200 + 10 + 5)
    assert "chains found this reading" in " ".join(found.warnings)


def test_climbing_by_pairs_takes_back_a_cycle() -> None:
    text = ENGLISH.encode("goodforourcountryduringtheperiodofmyownserviceinthiscapitol")
    score, key = PairSum(english(), text), np.arange(27)
    key[[13, 2, 23]] = 2, 23, 13  # m, b and w
    best, value = polish(score, key, np.zeros(0, dtype=int))
    assert text.decode(best) == text.text
    assert value == pytest.approx(float(score(score.keys(np.arange(27)[None]))[0]))


@pytest.mark.parametrize(("name", "seed"), [("deficit", 0), ("ishmael", 1)])
def test_passages_without_spaces_are_deciphered_and_parted(name: str, seed: int) -> None:
    text = ENGLISH.fold(PASSAGES[name])
    grouped = " ".join(text[i : i + 5] for i in range(0, len(text), 5))
    settings = Settings(spaces=False, agree=2)
    solution = decipher(
        encipher(grouped, seed), english(), np.random.default_rng(seed), settings=settings
    )
    assert solution.plaintext == grouped
    known = ENGLISH.words(PASSAGES[name])
    found = solution.words.split()
    assert "".join(found) == text
    ends = [set(np.cumsum([len(w) for w in words]).tolist()) for words in (known, found)]
    assert len(ends[0] & ends[1]) / len(ends[0]) > 0.93
    truth = log_probability(english(), ENGLISH.encode(grouped), spaces=False)
    assert solution.log_probability == pytest.approx(truth)
