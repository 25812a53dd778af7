"""Parse and evaluate conditions of Flow 2.0, which decide whether a node runs.

A condition is a status macro (``one_success``), a comparison of outputs of other nodes
(``${load:rows} > 10``), or both, joined by ``&&``, ``||``, ``!`` and parentheses. The server
substitutes what it knows and passes the text to a JavaScript engine. Whatever that cannot evaluate
counts as false and cancels the node, so a condition that does not parse here would not run there.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    _Outputs = Mapping[tuple[str, str], str]
    _Value = bool | float | str
    _Rule = Callable[[_Outputs], _Value]

__all__ = ["MACROS", "Condition", "parse"]

MACROS = ("all_success", "all_failed", "all_done", "one_failed", "one_success")

_LEVELS = (("||",), ("&&",), ("==", "!="), ("<", ">"))  # the weakest first
_TOKEN = re.compile(
    r"""\s*(?:
      (?P<variable>\$\{[^:{}]+:[^:{}]+\})
    | (?P<string>'[^']*'|"[^"]*")
    | (?P<number>\d+(?![\w.]))
    | (?P<macro>[a-z]+(?:_[a-z]+)+\b)
    | (?P<sign>&&|\|\||==(?!=)|!=(?!=)|>=|<=|[><!()])
    )""",
    re.VERBOSE | re.IGNORECASE,
)
_DEEPEST = 50
_JOINS = ("&&", "||", "(", ")")
_SPLITS = re.compile(r"&&|\|\||==|!=|>|<")  # where the server cuts, within quotes as well


class _Token(NamedTuple):
    kind: str
    text: str


class _NotEvaluableError(Exception):
    """The server's engine would fail on it."""


@dataclass(frozen=True)
class Condition:
    """A parsed condition.

    Attributes
    ----------
    status
        Its macro; ``all_success`` if it has none.
    variables
        The outputs that it asks for: ``(job, key)``.
    """

    status: str
    variables: tuple[tuple[str, str], ...]
    _evaluate: _Rule

    def holds(self, outputs: _Outputs) -> bool:
        """Tell whether it holds, apart from its macro.

        Examples
        --------
        >>> rows = parse("${load:rows} > 9 && one_success")
        >>> rows.status, rows.holds({("load", "rows"): "10"}), rows.holds({})
        ('one_success', True, False)
        """
        try:
            return self._evaluate(outputs) is True
        except _NotEvaluableError:
            return False


def parse(text: str) -> Condition:
    """Read a condition.

    Raises
    ------
    ValueError
        It is not a condition; says what is wrong and where.

    Examples
    --------
    >>> parse("${a:x} == 'b' ||")
    Traceback (most recent call last):
    ...
    ValueError: it ends where a value is expected
    """
    tokens = _tokens(text)
    macros = [token.text.lower() for token in tokens if token.kind == "macro"]
    if len(macros) > 1:
        raise ValueError(f"only one of {', '.join(MACROS)} can stand in a condition")
    for number, token in enumerate(tokens):
        if token.text == "!":
            rest = [one for one in tokens[number + 1 :] if one.text != "("]
            if rest and (rest[0].text == "!" or rest[0].kind == "macro"):
                raise ValueError(f"'!' cannot stand before {rest[0].text!r}")
    if sum(token.text in "(!" for token in tokens) > _DEEPEST:
        raise ValueError(f"it has more than {_DEEPEST} parentheses and '!'")
    parser = _Parser(tokens)
    evaluate = parser.level(0)
    parser.end()
    if not macros and not any(t.kind == "sign" and t.text not in _JOINS for t in tokens):
        raise ValueError("it compares nothing, so it is never true")
    return Condition(
        status=macros[0] if macros else "all_success",
        variables=tuple(_variable(t.text) for t in tokens if t.kind == "variable"),
        _evaluate=evaluate,
    )


def _tokens(text: str) -> list[_Token]:
    tokens = []
    position = 0
    while text[position:].strip():
        found = _TOKEN.match(text, position)
        if found is None or found.lastgroup is None:
            rest = text[position:].strip()
            raise ValueError(
                f"{rest!r} cannot be read: values are ${{job:key}}, whole numbers and texts in "
                "quotes; signs are && || ! == != < > and parentheses"
            )
        kind, word = found.lastgroup, found[found.lastgroup]
        if kind == "macro" and word.lower() not in MACROS:
            raise ValueError(f"{word!r} is none of {', '.join(MACROS)}")
        if word in (">=", "<="):
            turned = "<" if word == ">=" else ">"
            raise ValueError(f"the server cannot read {word!r}: write !(a {turned} b)")
        if kind == "string":
            _check_string(word)
        tokens.append(_Token(kind, word))
        position = found.end()
    return tokens


def _check_string(word: str) -> None:
    """Refuse texts that the server splits in spite of their quotes."""
    if sign := _SPLITS.search(word):
        raise ValueError(f"{sign[0]!r} cannot stand within quotes ({word})")
    lowered = word.lower()
    if "${" in word or any(re.search(rf"\b{macro}\b", lowered) for macro in MACROS):
        raise ValueError(f"{word}: the server replaces names within quotes as well")


def _variable(text: str) -> tuple[str, str]:
    job, _, key = text[2:-1].partition(":")
    return job, key


class _Parser:
    """Recursive descent; each rule gives a function of the outputs."""

    def __init__(self, tokens: list[_Token]) -> None:
        self._tokens = tokens
        self._at = 0

    def _peek(self) -> _Token | None:
        return self._tokens[self._at] if self._at < len(self._tokens) else None

    def end(self) -> None:
        if (token := self._peek()) is not None:
            raise ValueError(f"{token.text!r} is left over: join two parts by && or ||")

    def level(self, depth: int) -> _Rule:
        if depth == len(_LEVELS):
            return self._operand()
        left = self.level(depth + 1)
        while (token := self._peek()) is not None and token.text in _LEVELS[depth]:
            self._at += 1
            left = _join(token.text, left, self.level(depth + 1))
        return left

    def _operand(self) -> _Rule:
        token = self._peek()
        if token is None:
            raise ValueError("it ends where a value is expected")
        self._at += 1
        if token.text == "!":
            inner = self._operand()
            return lambda outputs: not _truth(inner(outputs))
        if token.text == "(":
            inside = self.level(0)
            closing = self._peek()
            if closing is None or closing.text != ")":
                raise ValueError("a parenthesis is not closed")
            self._at += 1
            return inside
        if token.kind == "sign":
            raise ValueError(f"{token.text!r} stands where a value is expected")
        return _constant(token)


def _constant(token: _Token) -> _Rule:
    if token.kind == "variable":
        name = _variable(token.text)
        return lambda outputs: _known(outputs, name)
    value: _Value = True  # a macro, which has been decided on its own
    if token.kind == "number":
        value = float(token.text)
    elif token.kind == "string":
        value = token.text[1:-1]
    return lambda _outputs: value


def _known(outputs: _Outputs, name: tuple[str, str]) -> str:
    if name not in outputs or re.search(r"['\\\n\r]", outputs[name]):
        raise _NotEvaluableError  # it breaks the text that the engine gets
    return outputs[name]


def _join(
    sign: str,
    left: _Rule,
    right: _Rule,
) -> _Rule:
    def evaluate(outputs: _Outputs) -> _Value:
        # Both sides: a part that the engine cannot read fails the whole.
        a, b = left(outputs), right(outputs)
        if sign == "||":
            return a if _truth(a) else b
        if sign == "&&":
            return b if _truth(a) else a
        return _compare(sign, a, b)

    return evaluate


def _truth(value: _Value) -> bool:
    return bool(value) and value == value  # noqa: PLR0124 (NaN is false in JavaScript)


def _number(value: _Value) -> float:
    """Convert a value to a number as JavaScript does."""
    if not isinstance(value, str):
        return float(value)
    text = value.strip() or "0"
    if re.fullmatch(r"0[xX][0-9a-fA-F]+", text):
        return float(int(text, 16))
    if re.fullmatch(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?", text):
        return float(text)
    return float("nan")


def _compare(sign: str, a: _Value, b: _Value) -> bool:
    """Compare as JavaScript does: two texts as texts, anything else as numbers."""
    if isinstance(a, str) and isinstance(b, str):
        return _SIGNS[sign](a, b)
    x, y = _number(a), _number(b)
    return _SIGNS[sign](x, y)


_SIGNS: dict[str, Callable[[str | float, str | float], bool]] = {
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "<": lambda a, b: a < b,  # type: ignore[operator]
    ">": lambda a, b: a > b,  # type: ignore[operator]
}
