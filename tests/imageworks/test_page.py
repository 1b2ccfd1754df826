from __future__ import annotations

import base64
import hashlib
import re

import pytest
from jinja2 import UndefinedError

from imageworks.errors import ThumbnailRefused
from imageworks.page import content_policy, data_uri, render_page


def test_pictures_become_data_by_what_they_are(jpeg):
    assert data_uri(jpeg()).startswith("data:image/jpeg;base64,")
    assert data_uri(b"\x89PNG\r\n\x1a\n...").startswith("data:image/png;base64,")
    assert data_uri(b"RIFF\0\0\0\0WEBPVP8 ").startswith("data:image/webp;base64,")


@pytest.mark.parametrize("content", [b"", b"<svg onload='x'/>", b"GIF89a", b"\xff\xd8"])
def test_what_could_carry_more_than_a_picture_is_refused(content):
    with pytest.raises(ThumbnailRefused, match="JPEG, PNG or WebP"):
        data_uri(content)


def test_the_policy_allows_the_pages_own_style_by_digest_and_no_script(facts):
    page = render_page(
        "personal_tagger/contact_sheet.html",
        {"frames": [], "folders": [], "facts": facts, "written": 0, "tagged": 0, "problems": 0},
    )
    (style,) = re.findall(r"<style>(.*?)</style>", page, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"style-src &#39;sha256-{digest}&#39;" in page
    assert "default-src 'none'" in content_policy()
    assert "script-src" not in content_policy()
    assert "unsafe" not in content_policy()


def test_a_value_that_is_forgotten_is_an_error_and_no_gap(facts):
    with pytest.raises(UndefinedError):
        render_page("personal_tagger/contact_sheet.html", {"facts": facts})
