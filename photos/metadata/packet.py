"""An XMP packet as values: reading properties, changing a few, and listing all of them to compare.

XMP stands in RDF/XML, of which ISO 16684-1 allows several spellings of one thing (a property as an element
or as an attribute, a structure as `rdf:Description` or `rdf:parseType="Resource"`). Reading and `flatten`
treat them as one.
"""

from __future__ import annotations

import io
import re
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from photos.metadata.errors import MetadataUnreadable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
XML = "http://www.w3.org/XML/1998/namespace"
META = "adobe:ns:meta/"

DC = "http://purl.org/dc/elements/1.1/"
LR = "http://ns.adobe.com/lightroom/1.0/"
PHOTOSHOP = "http://ns.adobe.com/photoshop/1.0/"
XMP = "http://ns.adobe.com/xap/1.0/"
EXIF = "http://ns.adobe.com/exif/1.0/"

_KNOWN = {"rdf": RDF, "x": META, "dc": DC, "lr": LR, "photoshop": PHOTOSHOP, "xmp": XMP, "exif": EXIF}

TITLE = f"{{{DC}}}title"
DESCRIPTION = f"{{{DC}}}description"
SUBJECT = f"{{{DC}}}subject"
CREATOR = f"{{{DC}}}creator"
RIGHTS = f"{{{DC}}}rights"
HIERARCHICAL = f"{{{LR}}}hierarchicalSubject"
HEADLINE = f"{{{PHOTOSHOP}}}Headline"
SIDECAR_FOR = f"{{{PHOTOSHOP}}}SidecarForExtension"
DATE_CREATED = f"{{{PHOTOSHOP}}}DateCreated"
RATING = f"{{{XMP}}}Rating"
CREATE_DATE = f"{{{XMP}}}CreateDate"
DATE_ORIGINAL = f"{{{EXIF}}}DateTimeOriginal"

_ABOUT = f"{{{RDF}}}about"
_ALT = f"{{{RDF}}}Alt"
_BAG = f"{{{RDF}}}Bag"
_DESCRIPTION = f"{{{RDF}}}Description"
_LANG = f"{{{XML}}}lang"
_LI = f"{{{RDF}}}li"
_PARSE_TYPE = f"{{{RDF}}}parseType"
_RDF = f"{{{RDF}}}RDF"
_RESOURCE = f"{{{RDF}}}resource"
_ARRAYS = {_ALT, _BAG, f"{{{RDF}}}Seq"}
_SYNTAX = {_ABOUT, _PARSE_TYPE, _RESOURCE, f"{{{RDF}}}ID", f"{{{RDF}}}nodeID", _LANG, "about"}

X_DEFAULT = "x-default"
LARGEST_PACKET = 8 * 1024 * 1024
"""Bytes. Edit histories make packets of a few MB; a packet beyond this is refused: read, it takes some 35 times
its size in memory.
"""

_GENERATED_PREFIX = re.compile(r"ns\d+")


def refuse_large(size: int) -> None:
    """Tell a packet that is not read.

    Raises:
        MetadataUnreadable: it has more than `LARGEST_PACKET` bytes.
    """
    if size > LARGEST_PACKET:
        raise MetadataUnreadable(f"the XMP packet has {size:,} bytes; at most {LARGEST_PACKET:,} are read")


@dataclass
class Packet:
    """One XMP packet; the `set_` methods change it in place."""

    root: ET.Element
    rdf: ET.Element

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Read a packet; nothing at all, or only white space, gives an empty one.

        Raises:
            MetadataUnreadable: not XML, not RDF, larger than `LARGEST_PACKET`, or with a document type,
                which XMP has no use for and attacks have.
        """
        data = data.strip(b"\x00 \r\n\t")
        if not data:
            return cls.empty()
        refuse_large(len(data))
        if (
            b"<!DOCTYPE" in data
            or b"<!ENTITY" in data
            or b"<\x00!\x00D" in data
            or b"\x00<\x00!\x00D" in data
        ):
            raise MetadataUnreadable("the XMP packet declares a document type, which XMP does not allow")
        try:
            parsed = ET.iterparse(io.BytesIO(data), events=["start-ns"])  # noqa: S314 - as above
            for _, (prefix, uri) in parsed:
                _remember(prefix, uri)
            root: ET.Element = parsed.root  # type: ignore[attr-defined]
        except (ET.ParseError, UnicodeError, ValueError) as problem:
            raise MetadataUnreadable(f"the XMP packet is not well-formed XML: {problem}") from problem
        rdf = root if root.tag == _RDF else root.find(f".//{_RDF}")
        if rdf is None:
            raise MetadataUnreadable("the XMP packet holds no rdf:RDF")
        return cls(root, rdf)

    @classmethod
    def empty(cls) -> Self:
        """A packet that says nothing."""
        root = ET.Element(f"{{{META}}}xmpmeta")
        rdf = ET.SubElement(root, _RDF)
        ET.SubElement(rdf, _DESCRIPTION, {_ABOUT: ""})
        return cls(root, rdf)

    def text(self, name: str) -> str | None:
        """A simple property's value, or the default language's or first item's of an array."""
        return self.languages(name).get(X_DEFAULT) or next(iter(self.items(name)), None)

    def languages(self, name: str) -> dict[str, str]:
        """A language alternative, by language; plain text in its place counts as the default."""
        found: dict[str, str] = {}
        for kind, language, text in self._values(name):
            if kind in {_ALT, ""} and text:
                found.setdefault(language or X_DEFAULT, text)
        return found

    def items(self, name: str) -> tuple[str, ...]:
        """An array's items in order, each once; empty ones left out."""
        return tuple(dict.fromkeys(text for _, _, text in self._values(name) if text))

    def set_text(self, name: str, text: str) -> bool:
        """Set a simple property, or take it out when empty. Returns whether anything changed."""
        if (self.text(name) or "") == text:
            return False
        self._replace(name, self._element(name, text) if text else None)
        return True

    def set_default_language(self, name: str, text: str) -> bool:
        """Set a language alternative's `x-default`, keeping the other languages.

        Returns:
            Whether anything changed.
        """
        languages = self.languages(name)
        if languages.get(X_DEFAULT, "") == text:
            return False
        others = {language: each for language, each in languages.items() if language != X_DEFAULT}
        # x-default stands first: readers that know no languages take the first item.
        wanted = {X_DEFAULT: text, **others} if text else others
        element = self._element(name, "")
        alternative = ET.SubElement(element, _ALT)
        for language, each in wanted.items():
            ET.SubElement(alternative, _LI, {_LANG: language}).text = each
        self._replace(name, element if wanted else None)
        return True

    def set_bag(self, name: str, values: Sequence[str]) -> bool:
        """Set an unordered array, or take it out when empty. Returns whether anything changed."""
        kinds = {kind for kind, _, _ in self._values(name)}
        if self.items(name) == tuple(values) and kinds <= {_BAG}:
            return False
        element = self._element(name, "")
        bag = ET.SubElement(element, _BAG)
        for each in values:
            ET.SubElement(bag, _LI).text = each
        self._replace(name, element if values else None)
        return True

    def serialize(self) -> str:
        """The packet as XML text, without the `<?xpacket?>` wrapper, which the writer of the file adds."""
        for prefix, uri in _KNOWN.items():
            _remember(prefix, uri)
        return ET.tostring(self.root, encoding="unicode")

    def flatten(self, *, leaving_out: Sequence[str] = ()) -> dict[str, str]:
        """Every property as path and value, whichever way it is spelt; for comparing two packets."""
        flat: dict[str, str] = {}
        for description in self._descriptions():
            for name, value in description.attrib.items():
                if name not in _SYNTAX and name not in leaving_out:
                    flat[name] = value.strip()
            for element in description:
                if element.tag not in leaving_out:
                    flat.update(_flatten(element, element.tag))
        return flat

    def lists(self, *, leaving_out: Sequence[str] = ()) -> dict[str, str]:
        """Which kind of list each property is, of those that hold anything."""
        return {
            f"{element.tag}?list": child.tag
            for description in self._descriptions()
            for element in description
            for child in element
            if child.tag in _ARRAYS and len(child) and element.tag not in leaving_out
        }

    def beside(self) -> dict[str, str]:
        """What `flatten` does not see: elements that no RDF description holds, and what the packet is about."""
        seen = {self.root, self.rdf, *(each for one in self._descriptions() for each in one.iter())}
        found = {
            f"beside:{each.tag}": _own_text(each) or "there" for each in self.root.iter() if each not in seen
        }
        about = {each.get(_ABOUT, "") for each in self._descriptions()} - {""}
        return found | {f"about:{each}": each for each in about}

    def _descriptions(self) -> Iterator[ET.Element]:
        return self.rdf.iter(_DESCRIPTION) if not len(self.rdf) else iter(self.rdf.findall(_DESCRIPTION))

    def _values(self, name: str) -> Iterator[tuple[str, str | None, str]]:
        """(array tag or "", language, text) of every item of a property."""
        for description in self._descriptions():
            if name in description.attrib:
                yield "", None, description.attrib[name].strip()
            for element in description.findall(name):
                arrays = [child for child in element if child.tag in _ARRAYS]
                if not arrays:
                    yield "", element.get(_LANG), _own_text(element)
                for array in arrays:
                    for item in array.findall(_LI):
                        yield array.tag, item.get(_LANG), _own_text(item)

    @staticmethod
    def _element(name: str, text: str) -> ET.Element:
        element = ET.Element(name)
        element.text = text or None
        return element

    def _replace(self, name: str, new: ET.Element | None) -> None:
        descriptions = list(self._descriptions())
        for description in descriptions:
            description.attrib.pop(name, None)
            for element in description.findall(name):
                description.remove(element)
        if new is not None:
            home = descriptions[0] if descriptions else ET.SubElement(self.rdf, _DESCRIPTION, {_ABOUT: ""})
            home.append(new)


def _own_text(element: ET.Element) -> str:
    # An item with qualifiers keeps its text in rdf:value.
    inner = element.find(f".//{{{RDF}}}value")
    return ((element.text if inner is None else inner.text) or "").strip()


def _remember(prefix: str, uri: str) -> None:
    """Keep a packet's own prefixes when it is written again."""
    if prefix and not _GENERATED_PREFIX.fullmatch(prefix) and prefix != "xml":
        ET.register_namespace(prefix, uri)


def _flatten(element: ET.Element, path: str) -> dict[str, str]:
    flat: dict[str, str] = {}
    if (language := element.get(_LANG)) is not None and element.tag != _LI:
        flat[f"{path}?lang"] = language
    if (resource := element.get(_RESOURCE)) is not None:
        flat[path] = resource
    for name, value in element.attrib.items():
        if name not in _SYNTAX:
            flat[f"{path}/{name}"] = value.strip()
    for child in element:
        if child.tag in _ARRAYS:
            for number, item in enumerate(child.findall(_LI), start=1):
                # The toolkit moves x-default to the front, so an alternative is compared by language.
                key = f"@{item.get(_LANG)}" if item.get(_LANG) is not None else str(number)
                flat.update(_flatten(item, f"{path}[{key}]"))
        elif child.tag == _DESCRIPTION:
            flat.update(_flatten(child, path))
        else:
            flat.update(_flatten(child, f"{path}/{child.tag}"))
    text = (element.text or "").strip()
    if text:
        flat[path] = text
    return flat


def missing(before: Mapping[str, str], after: Mapping[str, str]) -> tuple[str, ...]:
    """Paths whose value is not in `after` as it was in `before`, readable."""
    return tuple(_readable(path) for path, value in before.items() if value and after.get(path) != value)


def _readable(path: str) -> str:
    known = {uri: prefix for prefix, uri in _KNOWN.items()}
    return re.sub(r"\{([^}]*)\}", lambda match: known.get(match[1], match[1]) + ":", path)
