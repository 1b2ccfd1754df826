"""Self-contained HTML pages: one style sheet inside, pictures as data, and a policy that allows no more.

A page has no script, but for one that is given by name of its content: the policy lets that one run and no other.
"""

from __future__ import annotations

import base64
import hashlib
import re
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Final

from jinja2 import Environment, PackageLoader, PrefixLoader, StrictUndefined
from markupsafe import Markup

from imageworks.errors import ThumbnailRefused
from imageworks.plain_text import clean_text

if TYPE_CHECKING:
    from collections.abc import Mapping

_STYLE: Final = re.compile(r"<style>(.*?)</style>", re.DOTALL)
_MAGIC: Final = (
    (b"\xff\xd8\xff", 0, "image/jpeg"),
    (b"\x89PNG\r\n\x1a\n", 0, "image/png"),
    (b"WEBP", 8, "image/webp"),
)


def data_uri(picture: bytes) -> str:
    """A JPEG, PNG or WebP file as a data URI.

    Raises:
        ThumbnailRefused: It is none of these: an SVG, for one, could carry more than a picture.
    """
    for magic, offset, media_type in _MAGIC:
        if picture[offset : offset + len(magic)] == magic:
            return f"data:{media_type};base64,{base64.b64encode(picture).decode('ascii')}"
    raise ThumbnailRefused(
        f"A thumbnail begins with {picture[:8]!r}: give the report JPEG, PNG or WebP, such as a preview."
    )


@cache
def _style() -> str:
    return (
        files("imageworks").joinpath("templates/page.css").read_text(encoding="utf-8").replace("\r\n", "\n")
    )


def content_policy(script: str = "") -> str:
    """The page's Content-Security-Policy: its own style and script by digest, pictures inside it, and nothing else.

    Args:
        script: The script inside the page; empty for none, which then may not run.
    """
    return _policy(_style(), script)


def policy_of(page: str) -> str:
    """The policy of a page without a script that an earlier version may have made: its own style, whatever it is."""
    found = _STYLE.search(page)
    return _policy(found[1] if found else "", "")


def _policy(style: str, script: str) -> str:
    scripts = f"script-src '{_source(script)}'; " if script else ""
    return (
        f"default-src 'none'; img-src data:; style-src '{_source(style)}'; {scripts}base-uri 'none'; "
        "form-action 'none'"
    )


def _source(text: str) -> str:
    """How a policy names what stands inside a page."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode("ascii")


def _plain(text: object) -> str:
    return clean_text(str(text))


def _short(digest: str) -> str:
    """A digest's first twelve digits."""
    return digest[:12]


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PrefixLoader(
            {
                "page": PackageLoader("imageworks", "templates"),
                "judge_vision": PackageLoader("imageworks.judge_vision", "templates"),
                "personal_tagger": PackageLoader("imageworks.personal_tagger", "templates"),
            }
        ),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["plain"] = _plain
    environment.filters["short"] = _short
    return environment


def render_page(template: str, values: Mapping[str, object], *, script: str = "") -> str:
    """One HTML page from a template of ours; every value in it is escaped.

    Args:
        template: `page/…`, `judge_vision/…` or `personal_tagger/…`, a file in that package's templates.
        values: What it prints.
        script: A file of ours that the template puts between its script tags, as `script`; empty for none.
    """
    # The style sheet is our own file, and its digest in the policy holds only for the text as it is; so is the script.
    inside = {"style": Markup(_style()), "script": Markup(script)}  # noqa: S704 - nobody else's text is in them
    return _environment().get_template(template).render(**inside, policy=content_policy(script), **values)
