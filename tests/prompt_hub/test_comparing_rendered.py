"""Two profiles rendered with the same values."""

from __future__ import annotations

from prompt_hub.comparing_rendered import Fixture, fixtures_of, rendered_pairs
from prompt_hub.testing.case_files import load_case_sets


def test_values_that_several_tests_give_are_rendered_once():
    fixtures = fixtures_of(one for one in load_case_sets(None) if one.profile_id == "library")
    assert {one.stage for one in fixtures} == {"caption", "keywords", "description"}
    said = [(one.stage, repr(one.values)) for one in fixtures]
    assert len(said) == len(set(said))


def test_both_are_rendered_with_the_same_values(profile_of):
    (pair,) = rendered_pairs(
        profile_of(),
        profile_of(system="You look closely."),
        [Fixture("caption", "mine", {"title": "Low </title> tide"})],
    )
    assert "<title>Low &lt;/title&gt; tide</title>" in pair.before
    assert pair.diff(("a", "b")).splitlines()[-8:][:3] == [
        "@@ -1,6 +1,6 @@",
        " ## system",
        " ",
    ]
    assert "+You look closely." in pair.diff(("a", "b")).splitlines()
    assert pair.problems == (None, None)


def test_what_one_of_them_cannot_render_says_why(profile_of):
    wants_more = profile_of(
        user="<title>{{ title }}{{ more }}</title>",
        variables={"title": {"schema": {"type": "string"}}, "more": {"schema": {"type": "string"}}},
    )
    (pair,) = rendered_pairs(profile_of(), wants_more, [Fixture("caption", "mine", {"title": "Low tide"})])
    assert pair.problems[0] is None
    assert "needs more" in pair.problems[1]
    assert "+(cannot be rendered: made/caption needs more" in pair.diff(("a", "b"))


def test_values_of_a_stage_that_neither_has_are_left_aside(profile_of):
    assert rendered_pairs(profile_of(), profile_of(), [Fixture("critique", "mine", {})]) == []
