"""Texts before they are read: those that are read as they are, against the walk over each line.

Belongs here: lines, quotes, blanks, bounds of a text. Not here: what its cells mean (test_cot_files.py and others).
"""

import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from r2k_pipeline.sources import size_limits
from r2k_pipeline.sources.containers import unwrap
from r2k_pipeline.sources.sample_cot_files import build_sample_cot
from r2k_pipeline.sources.size_limits import MAX_LINE_BYTES, MAX_ROWS, BoundsError, plain_text

CELLS = st.sampled_from([b"", b"a", b" 7", b"7 ", b" ", b'""', b'"q"', b'" q "', b'"a, b"', b'"x""y"', b' "q"', b'"q" ',
                         b'"q"\t', b'"', b"\x1a", b"."])  # fmt: skip
ENDS = st.sampled_from([b"\n", b"\r\n", b"\r", b"\n\n", b"\r\n\r\n", b""])
LINES = st.lists(st.tuples(st.lists(CELLS, max_size=4).map(b",".join), ENDS), max_size=8)


def cells_of(text: bytes) -> list[tuple[str | None, ...]] | str:
    """What Polars reads."""
    try:
        return pl.read_csv(text, has_header=False, infer_schema=False).rows() if text else "no row"
    except pl.exceptions.PolarsError as error:
        return str(error).splitlines()[0]


LINE = b'"GOLD - COMEX ",240102,2024-01-02,  12,    3,"A "'
BLOCK = (LINE + b"\r\n") * 12_000
"""More than the part of a text that is looked at in one go."""


@settings(max_examples=400, deadline=None)
@given(st.sampled_from([b"", b"\n", b"\r\n"]), LINES, st.sampled_from([b"", b"\x1a", b" ", b"\n\n"]))
@example(b"\n", [(b'"a" ,b', b""), (b"1,2", b"")], b"")
@example(b"\n", [(b"a,b", b""), (b"1,", b"")], b"")
def test_a_text_that_is_read_as_it_is_has_the_cells_of_its_lines(
    uniform: bytes, lines: list[tuple[bytes, bytes]], tail: bytes
) -> None:
    """With `uniform` line ends many are read as they are, with several few."""
    body = b"".join(line + (uniform or end) for line, end in lines) + tail
    try:
        walked = b"\n".join(size_limits._lines_of(body))
    except BoundsError as error:
        with pytest.raises(BoundsError, match=str(error)):
            plain_text(body)
        return
    assert cells_of(plain_text(body)) == cells_of(walked)


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
@pytest.mark.parametrize("is_ended", [True, False])
def test_a_text_of_ordinary_lines_is_read_as_it_is(end: bytes, is_ended: bool) -> None:
    header = b'"Name"," Total","Day" '.rstrip()
    body = end.join([header, *[LINE] * 12_000]) + (end if is_ended else b"")
    assert plain_text(body) is body


def test_the_official_files_are_read_as_they_are() -> None:
    for name, body in build_sample_cot().items():
        text = unwrap(name, body)[1]
        assert plain_text(text) is text


@pytest.mark.parametrize(
    ("line", "read"),
    [
        (b"", b""),
        (b",,;", b""),
        (b'"A" ,1,"B"', b'"A",1,"B"\n'),
        (b'1, "A"', b'1,"A"\n'),
        (b"1,2,", b"1,2,\n"),
        (b"1\r2", b"1\n2\n"),
        (b"1,2\x1a", b"1,2\x1a\n"),
    ],
)
@pytest.mark.parametrize("place", [0, len(BLOCK) // 2 // (len(LINE) + 2) * (len(LINE) + 2), len(BLOCK)])
def test_one_other_line_anywhere_is_read_right(line: bytes, read: bytes, place: int) -> None:
    body = BLOCK[:place] + line + b"\r\n" + BLOCK[place:]
    wanted = BLOCK[:place].replace(b"\r\n", b"\n") + read + BLOCK[place:].replace(b"\r\n", b"\n")
    assert plain_text(body).rstrip(b"\x1a\r\n") == wanted.rstrip(b"\x1a\r\n").replace(b"\r", b"")


@pytest.mark.parametrize(
    ("line", "rule"),
    [
        (b'1,"2', "a quote in line 12001 is not closed"),
        (b"1,\0", "a NUL byte in line 12001"),
        (b"1," + b"2" * MAX_LINE_BYTES, "line 12001 has 65,538 bytes, more than 65,536"),
        (b"1," + b"2" * 2**20, "line 12001 has 1,048,578 bytes, more than 65,536"),
        (b"1\n" * (2 * MAX_ROWS), "about 2,048,002 lines, more than 1,000,000"),
    ],
    ids=["quote", "NUL", "long", "longer than a block", "rows"],
)
def test_a_line_beyond_a_bound_is_named_wherever_it_is(line: bytes, rule: str) -> None:
    with pytest.raises(BoundsError, match=rule):
        plain_text(BLOCK + line + b"\r\n" + BLOCK)
