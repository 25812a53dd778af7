"""Logs come back byte for byte, escaped or not."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from azkaban_client._logs import chunk, unescape

NAMED = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "é": "&eacute;", "\xa0": "&nbsp;"}


def escape_like_commons_lang(text: str) -> str:
    """Names for some, numbers for every other UTF-16 unit above 0x7F."""
    units = text.encode("utf-16-be", "surrogatepass")
    pairs = [units[i] << 8 | units[i + 1] for i in range(0, len(units), 2)]
    return "".join(NAMED.get(chr(u), chr(u) if u < 0x80 else f"&#{u};") for u in pairs)


@given(st.text())
def test_unescape_is_the_inverse(text) -> None:
    assert unescape(escape_like_commons_lang(text)) == text


@given(st.text(alphabet=st.sampled_from('&<>"a;#1é\x85😀l t')))
def test_the_length_tells_whether_a_piece_is_escaped(text) -> None:
    size = len(text.encode())
    for data in (text, escape_like_commons_lang(text)):
        piece = chunk({"offset": 10, "length": size, "data": data}, 10)
        assert (piece.text, piece.end) == (text, 10 + size)


def test_a_log_of_a_real_4_0(recorded) -> None:
    recorded[0].play("job log 3 s later")
    piece = recorded[1].read_log(32, "a", length=10000)
    assert piece.end == 2891
    assert 'because "<parameter1>[<local2>]" is null' in piece.text
    assert "&" not in piece.text.replace("<b>&", "")


def test_a_server_that_takes_its_log_for_latin_1() -> None:
    text = "grün <中>"
    sent = escape_like_commons_lang(text.encode().decode("iso-8859-1"))
    assert chunk({"offset": 0, "length": len(text.encode()), "data": sent}, 0).text == text


def test_a_line_that_holds_entities_is_kept_on_an_old_server() -> None:
    text = "echo &lt;b&gt; &amp;amp;"
    assert chunk({"offset": 0, "length": len(text), "data": text}, 0).text == text
