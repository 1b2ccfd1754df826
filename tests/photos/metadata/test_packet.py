from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from photos.metadata import packet
from photos.metadata.errors import MetadataUnreadable
from photos.metadata.packet import Packet

HEAD = (
    '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" '
    'xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:xmp="http://ns.adobe.com/xap/1.0/" '
    'xmlns:photoshop="http://ns.adobe.com/photoshop/1.0/" xmlns:club="http://example.org/club/">'
)
TAIL = "</rdf:RDF></x:xmpmeta>"

words = (
    st.text(st.characters(exclude_categories=["Cc", "Cs"], exclude_characters="\ufffe\uffff"), min_size=1)
    .map(str.strip)
    .filter(bool)
)


def parsed(inside: str, attributes: str = "") -> Packet:
    return Packet.parse(
        f'{HEAD}<rdf:Description rdf:about="" {attributes}>{inside}</rdf:Description>{TAIL}'.encode()
    )


def test_nothing_gives_an_empty_packet():
    assert Packet.parse(b"").flatten() == {}
    assert Packet.parse(b"\x00\n ").text(packet.TITLE) is None


def test_a_property_is_read_whichever_way_it_is_spelt():
    assert parsed("", 'photoshop:Headline="News"').text(packet.HEADLINE) == "News"
    assert parsed("<photoshop:Headline>News</photoshop:Headline>").text(packet.HEADLINE) == "News"
    assert parsed("<dc:title>Plain</dc:title>").languages(packet.TITLE) == {"x-default": "Plain"}


def test_properties_of_several_descriptions_count_together():
    text = (
        f'{HEAD}<rdf:Description rdf:about="" xmp:Rating="4"/>'
        f'<rdf:Description rdf:about=""><dc:subject><rdf:Bag><rdf:li>a</rdf:li></rdf:Bag></dc:subject>'
        f"</rdf:Description>{TAIL}"
    )
    said = Packet.parse(text.encode())
    assert said.text(packet.RATING) == "4"
    assert said.items(packet.SUBJECT) == ("a",)


def test_setting_the_default_language_keeps_the_others_and_puts_it_first():
    said = parsed(
        '<dc:title><rdf:Alt><rdf:li xml:lang="de-DE">Boot</rdf:li>'
        '<rdf:li xml:lang="x-default">Boat</rdf:li></rdf:Alt></dc:title>'
    )
    assert said.set_default_language(packet.TITLE, "Ship")
    assert list(said.languages(packet.TITLE).items()) == [("x-default", "Ship"), ("de-DE", "Boot")]


def test_an_empty_text_takes_the_default_language_out_and_leaves_the_others():
    said = parsed(
        '<dc:title><rdf:Alt><rdf:li xml:lang="x-default">Boat</rdf:li>'
        '<rdf:li xml:lang="de-DE">Boot</rdf:li></rdf:Alt></dc:title>'
    )
    said.set_default_language(packet.TITLE, "")
    assert said.languages(packet.TITLE) == {"de-DE": "Boot"}


def test_a_list_that_another_program_wrote_as_a_sequence_becomes_a_bag():
    said = parsed("<dc:subject><rdf:Seq><rdf:li>a</rdf:li></rdf:Seq></dc:subject>")
    assert said.set_bag(packet.SUBJECT, ("a",))
    assert "Bag" in said.serialize()
    assert "Seq" not in said.serialize()


def test_setting_what_is_there_changes_nothing():
    said = parsed(
        "<dc:subject><rdf:Bag><rdf:li>a</rdf:li></rdf:Bag></dc:subject>"
        '<dc:title><rdf:Alt><rdf:li xml:lang="x-default">T</rdf:li></rdf:Alt></dc:title>'
    )
    assert not said.set_bag(packet.SUBJECT, ("a",))
    assert not said.set_default_language(packet.TITLE, "T")
    assert not said.set_text(packet.HEADLINE, "")


def test_two_spellings_of_one_structure_flatten_to_the_same():
    first = parsed('<club:jury rdf:parseType="Resource"><club:size>3</club:size></club:jury>')
    second = parsed('<club:jury><rdf:Description club:size="3"/></club:jury>')
    third = parsed("<club:jury><rdf:Description><club:size>3</club:size></rdf:Description></club:jury>")
    assert first.flatten() == second.flatten() == third.flatten() != {}


def test_a_changed_value_is_missing_by_name():
    before, after = parsed("", 'club:entry="17"').flatten(), parsed("", 'club:entry="18"').flatten()
    assert packet.missing(before, after) == ("http://example.org/club/:entry",)
    assert packet.missing(before, before) == ()


@pytest.mark.parametrize(
    "data",
    [
        b"<x",
        b"not xml",
        b"<html/>",
        b'<!DOCTYPE x [<!ENTITY a "b">]><x>&a;</x>',
        '<?xml version="1.0" encoding="utf-16"?><!DOCTYPE x []><x/>'.encode("utf-16"),
        b"\xff\xfe\xff",
    ],
)
def test_what_is_no_packet_is_refused(data):
    with pytest.raises(MetadataUnreadable):
        Packet.parse(data)


def test_a_packet_of_absurd_size_is_refused_unparsed(monkeypatch):
    monkeypatch.setattr(packet, "LARGEST_PACKET", 100)
    with pytest.raises(MetadataUnreadable, match="100"):
        Packet.parse(b"<" + b"x" * 200)


@given(st.lists(words, unique=True, max_size=6), words, words)
def test_what_is_set_is_read_again(keywords, title, german):
    said = parsed(
        "<club:entry>17</club:entry>",
    )
    said.set_bag(packet.SUBJECT, keywords)
    said.set_default_language(packet.TITLE, title)
    again = Packet.parse(said.serialize().encode())
    assert again.items(packet.SUBJECT) == tuple(keywords)
    assert again.languages(packet.TITLE) == {"x-default": title}
    assert again.flatten(leaving_out=(packet.SUBJECT, packet.TITLE)) == {
        "{http://example.org/club/}entry": "17"
    }
