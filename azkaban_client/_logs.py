"""Logs, byte for byte.

A piece of log comes as text with `offset` and `length`, which count the bytes of its UTF-8 form,
cut at whole characters. Servers from 2.6.3 on escape the text for HTML after counting, and some
take its bytes for Latin-1. `length` tells: the reading whose size agrees is the right one.
"""

from __future__ import annotations

import re
from html.entities import name2codepoint
from typing import TYPE_CHECKING, Any

from azkaban_client.models import LogChunk

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["chunk", "unescape"]

_ENTITY = re.compile(r"&(?:#(\d+)|(\w+));")


def unescape(text: str) -> str:
    r"""Undo the escaping of Java's commons-lang, exactly.

    Unlike `html.unescape` it maps numbers to characters without HTML's exceptions, and joins
    the surrogate pairs that commons-lang writes as two numbers.

    Examples
    --------
    >>> unescape("&lt;b&gt; &#133; &#55357;&#56832; &amp;lt;") == "<b> \x85 \U0001f600 &lt;"
    True
    """

    def character(match: re.Match[str]) -> str:
        number, name = match.groups()
        if number is not None:
            return chr(int(number)) if int(number) < 0x110000 else match[0]
        return chr(name2codepoint[name]) if name in name2codepoint else match[0]

    plain = _ENTITY.sub(character, text)
    return plain.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _size(text: str) -> int:
    return len(text.encode("utf-8", "surrogatepass"))


def _candidates(data: str) -> Iterator[str]:
    """Yield what the server may have meant, beginning with the text as it is.

    A server whose JVM has Latin-1 as its charset sends each byte of the log as a character.
    """
    plain = unescape(data)
    yield data
    yield plain
    for text in (data, plain):
        try:
            yield text.encode("iso-8859-1").decode("utf-8")
        except UnicodeError:
            continue


def chunk(data: Mapping[str, Any], offset: int) -> LogChunk:
    """Read the answer of ``fetchExecJobLogs`` or ``fetchExecFlowLogs``."""
    sent, length = str(data.get("data") or ""), int(data.get("length") or 0)
    # Escaped text holds none of these; without a size that agrees, that is what is left to go by.
    likely = sent if re.search('[<>"]', sent) else unescape(sent)
    text = next((text for text in _candidates(sent) if _size(text) == length), likely)
    return LogChunk(offset=int(data.get("offset", offset)), length=length, text=text)
