from __future__ import annotations

from dataclasses import replace

import pytest

from imageworks.personal_tagger.merging import OurTags, merge
from imageworks.personal_tagger.report import SheetPhoto, render_contact_sheet
from photos.metadata.fields import PhotoMetadata

OURS = OurTags("A lake", "A calm lake.", ("lake", "calm"))


@pytest.fixture
def photo(jpeg):
    return SheetPhoto(
        path="garda/DSC_0001.jpg",
        thumbnail=jpeg(),
        caption=OURS.caption,
        keywords=OURS.keywords,
        description=OURS.description,
        existing_keywords=("Anna", "Lake"),
        merge=merge(PhotoMetadata(description="Our trip."), OURS),
    )


def test_the_sheet_shows_tags_beside_the_photographers_own(photo, facts):
    page = render_contact_sheet(photos=[photo], facts=facts)
    assert "A calm lake." in page
    assert page.count('class="own" title="Yours"') == 2
    # "lake" is the photographer's already, so it is no suggestion.
    assert page.count('<li dir="auto">') == 1
    assert "Your own description stays." in page
    assert "none written yet" in page


def test_what_was_written_and_what_went_wrong_are_said(photo, facts):
    written = replace(photo, written=True)
    failed = SheetPhoto(path="b.jpg", problem="The file is read-only.")
    page = render_contact_sheet(photos=[written, failed], facts=facts)
    assert "1 written into its file; 1 with a problem." in " ".join(page.split())
    assert "The file is read-only." in page
    assert "These are suggestions" not in page


def test_keywords_that_cannot_be_written_are_said_to_stay(photo, facts):
    stuck = replace(photo, merge=merge(PhotoMetadata(keywords=("x" * 2001,)), OURS))
    page = render_contact_sheet(photos=[stuck], facts=facts)
    assert "keywords stay as they are: keywords holds an entry of 2001 characters" in page


def test_hostile_tags_stay_text(photo, facts):
    hostile = replace(photo, caption="<script>alert(1)</script>", keywords=("<b>x</b>",), path="<i>")
    page = render_contact_sheet(photos=[hostile], facts=facts)
    assert "<script" not in page
    assert "<b>x" not in page
    assert "<i>" not in page


def test_a_baseline_is_named_in_a_banner(photo, facts, baseline_facts):
    assert "no photo was looked at" in render_contact_sheet(photos=[photo], facts=baseline_facts)
    assert "no photo was looked at" not in render_contact_sheet(photos=[photo], facts=facts)


def test_photos_stand_by_folder_and_those_with_a_problem_are_listed_first(photo, facts):
    photos = [
        replace(photo, path="garda/a.jpg"),
        replace(photo, path="garda/day 2/b.jpg"),
        SheetPhoto(path="garda/c.jpg", problem="It is cut off."),
        replace(photo, path="top.jpg"),
    ]
    page = " ".join(render_contact_sheet(photos=photos, facts=facts).split())
    assert page.count('<h2 class="folder"') == 3
    assert page.index("In the folder itself") < page.index(">garda <span") < page.index(">garda/day 2 <span")
    assert '<a href="#photo-3" dir="auto">garda/c.jpg</a>' in page
    assert page.index('href="#photo-3"') < page.index('id="photo-1"') < page.index('id="photo-3"')


def test_a_shoot_of_one_folder_needs_no_heading_and_one_without_problems_no_list(photo, facts):
    page = render_contact_sheet(photos=[photo], facts=facts)
    assert 'class="folder"' not in page
    assert "<details" not in page
