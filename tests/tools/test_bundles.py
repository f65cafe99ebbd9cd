"""What a front-end is given of a file."""

from __future__ import annotations

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.pictures import png
from vibesbox_kernel.tools.bundles import MAX_PICTURE_BYTES, NotShowableError, make_bundle
from vibesbox_kernel.tools.kinds import UnknownKindError, kind_by_word, kind_of
from vibesbox_kernel.tools.protocol import (
    MAX_DISPLAY_BYTES,
    Header,
    ProtocolError,
    decode_header,
    decode_part,
    is_mime_type,
)
from vibesbox_kernel.tools.tables import MAX_COLUMNS, MAX_ROWS, read_table


@pytest.mark.parametrize(
    ("name", "data", "kind"),
    [
        ("plot", png(), "image/png"),
        ("plot.txt", png(), "image/png"),
        ("photo.jpeg", b"\xff\xd8\xff\xe0", "image/jpeg"),
        ("a.gif", b"GIF89a", "image/gif"),
        ("a", b"RIFF\0\0\0\0WEBPVP8 ", "image/webp"),
        ("paper", b"%PDF-1.7", "application/pdf"),
        ("picture", b"<svg xmlns=''/>", "image/svg+xml"),
        ("page.HTML", b"<p>", "text/html"),
        ("read.me.md", b"# x", "text/markdown"),
        ("t.csv", b"a,b", "text/csv"),
        ("notes", "größe".encode(), "text/plain"),
        ("BMW", b"BMW is a make of cars", "text/plain"),
    ],
)
def test_a_file_is_known_by_what_it_begins_with_or_by_its_name(name, data, kind):
    assert kind_of(name, data) == kind


@pytest.mark.parametrize(("name", "data"), [("a.out", b"\x7fELF\0\0"), ("fake.png", b"no picture"), ("-", b"\xff\xfe")])
def test_what_is_no_known_kind_is_said(name, data):
    with pytest.raises(UnknownKindError, match="it is"):
        kind_of(name, data)


def test_a_type_is_named_shortly_or_in_full():
    assert kind_by_word("PNG") == kind_by_word("image/png") == "image/png"
    assert kind_by_word("application/vnd.vegalite.v5+json") == "application/vnd.vegalite.v5+json"
    with pytest.raises(UnknownKindError, match=r"tiff.*it shows bmp"):
        kind_by_word("tiff")


def test_every_bundle_has_a_text_for_front_ends_that_show_nothing_else():
    """Jupyter: a front-end takes the richest type that it knows; a terminal knows text."""
    samples = {
        "image/png": png(),
        "text/html": b"<p>",
        "text/csv": b"a\n1",
        "application/json": b"[1]",
        "text/latex": b"$x$",
    }
    for kind, data in samples.items():
        assert "text/plain" in dict(make_bundle(kind, data, name="x")), kind


def test_a_picture_travels_as_base64():
    bundle = dict(make_bundle("image/png", png(), name="x.png"))
    assert base64.b64decode(bundle["image/png"]) == png()
    assert b"x.png" in bundle["text/plain"]


def test_json_is_shown_as_a_tree_and_a_mere_number_as_text():
    assert json.loads(dict(make_bundle("application/json", b'{"a": [1]}', name="x"))["application/json"]) == {"a": [1]}
    assert make_bundle("application/json", b"42", name="x") == [("text/plain", b"42")]


@pytest.mark.parametrize(
    ("kind", "data", "why"),
    [
        ("image/png", b"GIF89a", "it is no image/png"),
        ("image/png", png(noise=bytes(MAX_PICTURE_BYTES)), "at most 10,000,000"),
        ("text/html", b"<p>\xff", "byte 3 is 0xff"),
        ("application/json", b"{", "it is not JSON"),
        ("application/json", b"[" * 100_000, "it is not JSON"),
        ("text/csv", b"\n", "it is empty"),
        ("text/markdown", b"", "it is empty"),
    ],
)
def test_what_can_not_be_shown_is_refused_with_the_reason(kind, data, why):
    with pytest.raises(NotShowableError, match=why):
        make_bundle(kind, data, name="x")


def test_a_long_table_shows_its_beginning_and_says_how_much_follows():
    lines = [",".join(f"c{column}" for column in range(50))]
    lines += [",".join(str(row * column) for column in range(50)) for row in range(1000)]
    table = read_table("\n".join(lines))
    assert (len(table.rows), len(table.header)) == (MAX_ROWS, MAX_COLUMNS)
    assert table.note == "… 900 more rows and 20 more columns"
    assert table.note in table.to_html()
    assert table.note in table.to_text()


def test_cells_of_a_table_are_text_and_never_markup():
    table = read_table("name,n\n<script>alert(1)</script>,2\nb,\n")
    assert "<script>" not in table.to_html()
    assert '<td style="text-align: right">2</td>' in table.to_html()


@pytest.mark.parametrize("delimiter", [";", "\t", "|", ","])
def test_the_delimiter_is_found_out(delimiter):
    table = read_table("\n".join(delimiter.join(row) for row in (["a", "b"], ["1", "x y"], ["2", "z"])))
    assert table.header == ("a", "b")
    assert table.rows == (("1", "x y"), ("2", "z"))


@given(st.lists(st.lists(st.text(max_size=9), min_size=1, max_size=4), min_size=1, max_size=5))
def test_any_text_is_a_table_or_is_refused(rows):
    try:
        table = read_table("\n".join(",".join(row) for row in rows))
    except ValueError:
        return
    assert {len(row) for row in table.rows} <= {len(table.header)}
    assert table.to_html().startswith("<table>")
    assert isinstance(table.to_text(), str)


def test_a_header_is_read_as_it_was_written():
    header = Header("session", "id", (("image/png", 5), ("text/plain", 0)))
    assert decode_header(header.encode()) == header
    assert decode_part("application/geo+json", b"[1]") == [1]


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"[]",
        b"{}",
        b'{"session": "s", "id": null, "parts": []}',
        b'{"session": "s", "id": null, "parts": [["image/png", -1]]}',
        b'{"session": "s", "id": null, "parts": [["image/png", true]]}',
        b'{"session": "s", "id": null, "parts": [["no type", 1]]}',
        b'{"session": "s", "id": "\\u0000", "parts": [["image/png", 1]]}',
        b'{"session": 7, "id": null, "parts": [["image/png", 1]]}',
        b'{"session": "s", "id": null, "parts": [["image/png", %d]]}' % (MAX_DISPLAY_BYTES + 1),
        b"[" * 10_000,
    ],
)
def test_a_header_that_is_not_as_it_must_be_is_refused(line):
    with pytest.raises(ProtocolError):
        decode_header(line)


@given(st.text(max_size=20))
def test_a_mime_type_has_no_blank_and_no_bracket(text):
    assert not is_mime_type(text) or not set(text) & set(" <>\"'\n")
