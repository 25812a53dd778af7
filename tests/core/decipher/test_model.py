"""The language model: probabilities that sum to one, files that survive, text that comes back."""

from __future__ import annotations

import lzma
import struct
from collections import Counter
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.decipher import ENGLISH, Alphabet, LanguageModel, ModelFileError, build, english

TEXT = """It was the best of times, it was the worst of times, it was the age of wisdom, it was the
age of foolishness, it was the epoch of belief, it was the epoch of incredulity."""


def small() -> LanguageModel:
    return build(TEXT, ENGLISH, "Dickens, public domain")


def test_spelling_rows_sum_to_one() -> None:
    rows = np.exp(small().log_spelling).sum(3)
    rows = rows[:, :, 1:]  # after a word's end (last letter = boundary) only the start has meaning
    assert np.allclose(rows, 1, atol=1e-12)


def test_spellings_of_all_words_sum_to_one() -> None:
    model = build("ab aab b bb ba abab", Alphabet("ab"))
    total = [
        sum(np.exp(model.log_spell("".join(w))) for w in product("ab", repeat=n)) for n in range(14)
    ]
    start = np.exp(model.log_spelling[0, 0, 0, 1:]).sum()  # the empty word has the rest
    assert sum(total[1:]) == pytest.approx(start, abs=0.01)
    assert sum(total[1:]) < start


def test_spelling_by_hand() -> None:
    # Words ab, abb, bb, each once. Of a, b and the end after "ab": b once, the end once.
    model = build("ab ab abb bb", Alphabet("ab"))
    runs = Counter[str]()
    for word in ("...ab.", "...abb.", "...bb."):
        runs.update(word[i : i + 4] for i in range(len(word) - 3))

    def share(run: str) -> float:
        if not run:
            return 1 / 3
        n = len(run)
        counts = runs if n == 4 else Counter(r[-n:] for r in {r[-n - 1 :] for r in runs})
        once, twice = (sum(count == k for count in counts.values()) for k in (1, 2))
        off = once / (once + 2 * twice) if once and twice else 0.5
        row = {r: count for r, count in counts.items() if r[:-1] == run[:-1]}
        if not row:
            return share(run[1:])
        kept = max(counts[run] - off, 0) + off * len(row) * share(run[1:])
        return kept / sum(row.values())

    want = share("...a") * share("..ab") * share(".abb") * share("abbb") * share("bbb.")
    assert np.exp(model.log_spell("abbb")) == pytest.approx(want, rel=1e-12)


def test_word_and_bigram_probabilities_sum_to_one() -> None:
    model = build("ab aab b bb ba abab ab b ab b aab ab b", Alphabet("ab"))
    words = ["".join(w) for n in range(1, 13) for w in product("ab", repeat=n)]
    mass = sum(np.exp(model.log_spell(w)) for w in words)
    unknown = np.exp(model.unigram.unknown)
    total = sum(np.exp(model.log_word(w)) for w in words)
    assert total == pytest.approx(1 - unknown * (1 - mass), abs=1e-12)
    for before in ("ab", "b", "aab", "baba"):
        total = sum(np.exp(model.log_pair(before, w)) for w in words)
        assert 0.9 < total < 1 + 1e-12


def test_probabilities_by_hand() -> None:
    # 7 words, 3 types; after "a": b, b, c and the end of the text. 4 distinct bigrams, 1 into b.
    model = build("a b a b a c a", Alphabet("abc"))
    n, types = 7, 3
    spell = np.exp(model.log_spell("b"))
    p_b = (2 + types * spell) / (n + types)
    assert np.exp(model.log_word("b")) == pytest.approx(p_b)
    # c("a", "b") = 2 is kept; the follower c and the last "a" count once each and back off.
    p_c = (1 + types * spell) / (4 + types)
    assert np.exp(model.log_pair("a", "b")) == pytest.approx((2 + (1 + 2 * 2) * p_c) / (4 + 1 + 2))
    assert np.exp(model.log_pair("cb", "b")) == pytest.approx(p_c)


def test_file_gives_the_same_model() -> None:
    model = small()
    again = LanguageModel.from_bytes(model.to_bytes())
    assert again.words == model.words
    assert again.source == "Dickens, public domain"
    for name in ("counts", "contexts", "first", "second", "pair_counts", "quadgrams"):
        assert np.array_equal(getattr(again, name), getattr(model, name)), name
    assert again.to_bytes() == model.to_bytes()


def test_a_file_of_the_first_version_is_read() -> None:
    model = small()
    body = lzma.decompress(model.to_bytes()[10:])
    cells = np.count_nonzero(model.quadgrams)
    # It had letter trigrams before the quadgrams: a count of large numbers, then a byte each.
    large = int((np.diff(np.flatnonzero(model.quadgrams), prepend=-1) >= 255).sum())
    at = len(body) - 2 * (4 + cells) - 4 * large
    packed = lzma.compress(body[:at] + bytes(4 + 27**3) + body[at:])
    again = LanguageModel.from_bytes(struct.pack("<4sHI", b"WBLM", 1, len(packed)) + packed)
    assert again.to_bytes() == model.to_bytes()


@settings(deadline=None)
@given(st.lists(st.sampled_from(["a", "ab", "ba", "bab", "c", "cab"]), min_size=1, max_size=700))
def test_any_text_survives_the_file(words: list[str]) -> None:
    model = build(" ".join(words * 3), Alphabet("abc"))
    again = LanguageModel.from_bytes(model.to_bytes())
    assert again.log_text(words) == model.log_text(words)


def test_damaged_files_are_refused() -> None:
    data = small().to_bytes()
    with pytest.raises(ModelFileError, match="not a language model file"):
        LanguageModel.from_bytes(b"PK\x03\x04" + data)
    with pytest.raises(ModelFileError, match="not a language model file"):
        LanguageModel.from_bytes(b"")
    with pytest.raises(ModelFileError, match="truncated: 100 of"):
        LanguageModel.from_bytes(data[:110])
    with pytest.raises(ModelFileError, match="format version 9"):
        LanguageModel.from_bytes(data[:4] + struct.pack("<H", 9) + data[6:])
    broken = bytearray(data)
    broken[len(broken) // 2] ^= 0xFF
    with pytest.raises(ModelFileError, match="damaged"):
        LanguageModel.from_bytes(bytes(broken))
    packed = lzma.compress(b"\x05\0\0\0{}\nab")
    with pytest.raises(ModelFileError, match="damaged"):
        LanguageModel.from_bytes(data[:6] + struct.pack("<I", len(packed)) + packed)


def test_shipped_model_is_small_and_english() -> None:
    model = english()
    assert len(model.to_bytes()) < 1_000_000
    assert model.alphabet == ENGLISH
    assert "CC0" in model.source
    assert "public domain" in model.source
    assert model.counts.sum() > 2_000_000
    likely = model.log_text(["we", "shall", "meet", "in", "the", "house", "this", "evening"])
    shuffled = model.log_text(["evening", "this", "house", "the", "in", "meet", "shall", "we"])
    assert likely > shuffled
    assert 0.12 < model.letter_share[5] < 0.13  # e


def test_apostrophes_join_and_other_marks_part() -> None:
    assert ENGLISH.words("don't - can’t; well-known 'tis o'er") == [
        "dont", "cant", "well", "known", "tis", "oer",
    ]  # fmt: skip


@given(st.text(alphabet="abcXYZéß1 .,'’\n-"), st.permutations(range(1, 27)))
def test_a_key_and_its_inverse_give_the_text_back(text: str, order: list[int]) -> None:
    key = np.array([0, *order])
    there = ENGLISH.encode(text).decode(key)
    assert ENGLISH.encode(there).decode(np.argsort(key)) == text
    kept = [c for c in text if c.lower() not in ENGLISH.code]
    assert [c for c in there if c.lower() not in ENGLISH.code] == kept


@pytest.mark.parametrize("letters", ["", "a", "aba", "aB", "ab1", "ab "])
def test_bad_alphabets_are_named(letters: str) -> None:
    with pytest.raises(ValueError, match="alphabet"):
        Alphabet(letters)


def test_a_text_without_words_is_refused() -> None:
    with pytest.raises(ValueError, match="no word in the alphabet"):
        build("1234 ... привет", ENGLISH)
