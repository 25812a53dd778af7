"""Alphabets and texts: from characters to letter codes and words, and back."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

__all__ = ["ENGLISH", "Alphabet", "CipherText", "HomophonicText", "looks_homophonic"]

Codes = NDArray[np.int64]

_NUMBERS = re.compile(r"[\d\s,;:./|–-]+")
_LONGEST_NUMBER = 3  # digits of one symbol; longer ones are groups
_LONG_WORDS = 12  # letters on average that the words of no text have


@dataclass(frozen=True)
class Alphabet:
    """The letters of a language, in lower case; code ``i + 1`` is the letter ``letters[i]``.

    Code 0 is kept for the boundary of a word. Every other character (digits, punctuation,
    letters of another alphabet) passes through a cipher unchanged.

    Raises
    ------
    ValueError
        If there are fewer than 2 letters, a letter twice, or a character that is no lower-case
        letter.

    Examples
    --------
    >>> Alphabet("abc").words("A cab's back, 3 ABBA")
    ['a', 'cab', 'bac', 'abba']
    >>> ENGLISH.words("The nation's 3 laws")
    ['the', 'nations', 'laws']
    """

    letters: str

    def __post_init__(self) -> None:
        bad = [c for c in self.letters if not c.isalpha() or c.lower() != c]
        if bad:
            raise ValueError(f"alphabet {self.letters!r}: {bad[0]!r} is not a lower-case letter")
        if len(self.letters) < 2:
            raise ValueError(f"alphabet {self.letters!r}: expected at least 2 letters")
        twice = [c for c in self.letters if self.letters.count(c) > 1]
        if twice:
            raise ValueError(f"alphabet {self.letters!r}: {twice[0]!r} occurs twice")

    def __len__(self) -> int:
        return len(self.letters)

    @cached_property
    def code(self) -> dict[str, int]:
        """Code of each letter, lower and upper case."""
        codes = {letter: i for i, letter in enumerate(self.letters, 1)}
        upper = {letter.upper(): i for letter, i in codes.items() if len(letter.upper()) == 1}
        return upper | codes

    @cached_property
    def _word(self) -> re.Pattern[str]:
        letter = "[" + re.escape("".join(self.code)) + "]"
        return re.compile(f"{letter}+(?:['’]{letter}+)*")

    def words(self, text: str) -> list[str]:
        """Split `text` into lower-case words: runs of letters, inner apostrophes dropped."""
        return [self.fold(match.group()) for match in self._word.finditer(text)]

    def fold(self, text: str) -> str:
        """Keep only the letters of `text`, in lower case."""
        return "".join(self.letters[self.code[c] - 1] for c in text if c in self.code)

    def encode(self, text: str) -> CipherText:
        """Find the letters and words of `text`."""
        at = [i for i, c in enumerate(text) if c in self.code]
        starts = np.zeros(len(text) + 1, dtype=bool)
        for match in self._word.finditer(text):
            starts[match.start()] = True
        codes = np.array([self.code[text[i]] for i in at], dtype=np.int64)
        return CipherText(self, text, np.array(at, np.int64), codes, np.flatnonzero(starts[at]))

    def read(self, text: str) -> CipherText:
        """Find the letters of a ciphertext, which may be written in other symbols.

        If fewer than half of the printed characters are letters, and none is of another alphabet,
        every character but white space stands for a letter.

        Raises
        ------
        ValueError
            More different symbols than the alphabet has letters.

        Examples
        --------
        >>> ENGLISH.read("53‡‡†305))6*;4826)4‡.)4‡);806*").n_letters
        30
        >>> ENGLISH.read("Uryyb, 2 jbeyqf!").n_letters
        11
        """
        printed = [c for c in text if not c.isspace()]
        letters = sum(c in self.code for c in printed)
        if not printed or 2 * letters >= len(printed) or sum(map(str.isalpha, printed)) > letters:
            return self.encode(text)
        symbols = "".join(dict.fromkeys(printed))
        if len(symbols) > len(self):
            raise ValueError(
                f"{len(symbols)} different symbols ({symbols[:40]}): a simple substitution has at "
                f"most {len(self)}, as many as the language has letters"
            )
        code = {symbol: i for i, symbol in enumerate(symbols, 1)}
        at = np.array([i for i, c in enumerate(text) if c in code], dtype=np.int64)
        codes = np.array([code[c] for c in printed], dtype=np.int64)
        starts = np.array([i == 0 or text[i - 1].isspace() for i in at.tolist()], dtype=bool)
        return CipherText(self, text, at, codes, np.flatnonzero(starts), symbols)

    def read_homophonic(self, text: str) -> HomophonicText:
        r"""Find the symbols of a homophonic ciphertext, in which letters have several each.

        Where there is nothing but numbers, each of them is a symbol, or every two digits if they
        stand in groups of more than three. Otherwise it is every character but white space, and a
        small letter is another symbol than the capital.

        Raises
        ------
        ValueError
            An odd number of digits in groups.

        Examples
        --------
        >>> ENGLISH.read_homophonic("12 07 31 12").symbols
        ('12', '07', '31')
        >>> ENGLISH.read_homophonic("12073 112").symbols
        ('12', '07', '31')
        >>> ENGLISH.read_homophonic("9%P/Z\n/UB%k").n_letters
        10
        """
        pattern = r"\d+" if _NUMBERS.fullmatch(text) else r"\S"
        found = list(re.finditer(pattern, text))
        numbers = pattern != r"\S"
        if numbers and any(len(one[0]) > _LONGEST_NUMBER for one in found):
            found = list(re.finditer(r"(\d)\D*(\d)", text))
            if sum(map(str.isdigit, text)) % 2:
                raise ValueError("an odd number of digits: two of them should make a symbol each")
        names = ["".join(filter(str.isdigit, one[0])) if numbers else one[0] for one in found]
        code = {name: i for i, name in enumerate(dict.fromkeys(names), 1)}
        ends = [*(one.start() for one in found[1:]), *[len(text)] * bool(found)]
        gaps = (text[one.end() : end] for one, end in zip(found, ends, strict=True))
        return HomophonicText(
            alphabet=self,
            text=text,
            positions=np.array([one.start() for one in found], dtype=np.int64),
            codes=np.array([code[name] for name in names], dtype=np.int64),
            starts=np.zeros(min(len(found), 1), dtype=np.int64),
            symbols=tuple(code),
            gaps=tuple("\n" * ("\n" in gap) if numbers else gap for gap in gaps),
        )


def looks_homophonic(text: str, alphabet: Alphabet) -> bool:
    """Tell whether a text seems to be homophonic: numbers, or too many symbols without words.

    Examples
    --------
    >>> looks_homophonic("12 07 31 12", ENGLISH), looks_homophonic("Vjg uvcvg.", ENGLISH)
    (True, False)
    """
    if _NUMBERS.fullmatch(text):
        return sum(map(str.isdigit, text)) > 1
    parts = text.split()
    printed = "".join(parts)
    lengths = set(map(len, parts[:-1]))
    if len(set(printed)) <= len(alphabet) or (
        len(lengths) != 1 and len(printed) <= _LONG_WORDS * len(parts)
    ):
        return False
    upper, lower = sum(map(str.isupper, printed)), sum(map(str.islower, printed))
    letters = sum(map(str.isalpha, printed))
    # Running text without spaces has few capitals and few other signs.
    return 5 * letters < 4 * len(printed) or 5 * min(upper, lower) > upper + lower


ENGLISH = Alphabet("abcdefghijklmnopqrstuvwxyz")


@dataclass(frozen=True, eq=False)
class CipherText:
    """The letters of a text, with what is needed to restore it.

    Attributes
    ----------
    text
        The characters as they came.
    positions
        Index in `text` of each letter, shape (n_letters,).
    codes
        Code of each letter, 1 to ``len(alphabet)``, shape (n_letters,).
    starts
        Index in `codes` of the first letter of each word, shape (n_words,).
    symbols
        The symbol of each code, if the text uses symbols.
    """

    alphabet: Alphabet
    text: str
    positions: Codes
    codes: Codes
    starts: Codes
    symbols: str | tuple[str, ...] = ""

    @property
    def code(self) -> dict[str, int]:
        """Code of each character that stands for a letter."""
        if not self.symbols:
            return self.alphabet.code
        return {symbol: i for i, symbol in enumerate(self.symbols, 1)}

    def part(self, n_letters: int) -> CipherText:
        """Return the beginning of the text with a number of letters."""
        if n_letters >= self.n_letters:
            return self
        return CipherText(
            self.alphabet,
            self.text[: self.positions[n_letters]],
            self.positions[:n_letters],
            self.codes[:n_letters],
            self.starts[self.starts < n_letters],
            self.symbols,
        )

    @property
    def places(self) -> Codes:
        """Index of each letter in what `write` returns, shape (n_letters,)."""
        return self.positions

    @property
    def n_letters(self) -> int:
        """Number of letters, repeated ones included."""
        return len(self.codes)

    @property
    def coincidence(self) -> float:
        """Index of coincidence: chance that two letters of the text are equal (English: 0.066)."""
        n = self.n_letters
        counts = np.bincount(self.codes)
        return float((counts * (counts - 1)).sum() / max(n * (n - 1), 1))

    def decode(self, key: Codes) -> str:
        """Substitute each letter by `key`, keeping case and every other character.

        Parameters
        ----------
        key
            ``key[c]`` is the code of the letter that stands for code ``c``; shape
            (len(alphabet) + 1,), ``key[0] == 0``.

        Examples
        --------
        >>> abc = Alphabet("abc")
        >>> abc.encode("Abc, cab!").decode(np.array([0, 2, 3, 1]))
        'Bca, abc!'
        """
        return self.write(key[self.codes])

    def write(self, codes: Codes) -> str:
        """Put other letters, by their codes (n_letters,), in the places of those of the text."""
        characters = list(self.text)
        for at, code in zip(self.positions.tolist(), codes.tolist(), strict=True):
            letter = self.alphabet.letters[code - 1]
            upper = characters[at] != characters[at].lower()
            characters[at] = letter.upper() if upper and len(letter.upper()) == 1 else letter
        return "".join(characters)


@dataclass(frozen=True, eq=False)
class HomophonicText(CipherText):
    """The symbols of a homophonic cipher; several may stand for one letter.

    Attributes
    ----------
    gaps
        What stands after each symbol, and stays.
    """

    gaps: tuple[str, ...] = ()

    @property
    def places(self) -> Codes:
        """Index of each letter in what `write` returns, shape (n_letters,)."""
        lengths = np.array([1 + len(gap) for gap in self.gaps], dtype=np.int64)
        return np.cumsum(lengths) - lengths

    def write(self, codes: Codes) -> str:
        """Put small letters, by their codes (n_letters,), in the places of the symbols."""
        letters = (self.alphabet.letters[code - 1] for code in codes.tolist())
        return "".join(letter + gap for letter, gap in zip(letters, self.gaps, strict=True))
