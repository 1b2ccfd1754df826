from __future__ import annotations

import numpy as np
import pytest

from imageworks.judge_vision.competition import Competition, Rules
from imageworks.judge_vision.compliance import EntryFacts, check_all
from imageworks.judge_vision.seen import AlikePhotos, Seen
from photos.borders import Borders
from photos.likeness import Alike
from photos.monochrome import Monochrome
from photos.overlay_text import OverlayText
from photos.provenance import Provenance

PLAIN = {
    "borders": Borders("none", 1.0),
    "monochrome": Monochrome("grey", 0.99, 0, 0, 0),
    "provenance": Provenance("none", 1.0),
}
FRAMED = Borders("frame", 0.98, (20, 20, 20, 20), (255, 255, 255))
COLORED = Monochrome("color", 0.99, 0.7, 20, 100)
SIGNED = OverlayText("text", 0.97, (0.02, 0.9, 0.2, 0.95), "J. Miller", "tesseract")
GENERATED = Provenance("generated", 0.99, "trainedAlgorithmicMedia")


def entry(name):
    return EntryFacts(entry_id=f"round/{name}", file_name=name, photo_id=f"photo-{name}")


def checked(name="Mono/Dawn.jpg", rules=None, **seen):
    competition = Competition(id="club", categories=("Colour", "Mono"), rules=Rules(**(rules or {})))
    (compliance,) = check_all([entry(name)], competition, seen={f"round/{name}": Seen(**{**PLAIN, **seen})})
    return {finding.rule: (finding.verdict, finding.confidence) for finding in compliance.findings}


def test_a_photo_of_which_nothing_is_seen_has_no_finding():
    assert checked() == {}


@pytest.mark.parametrize(
    ("rule", "key", "seen"),
    [
        ("borders", "on_borders", {"borders": FRAMED}),
        ("mono", "on_color_in_mono", {"monochrome": COLORED}),
        ("text", "on_text", {"text": SIGNED}),
        ("ai_metadata", "on_ai_metadata", {"provenance": GENERATED}),
    ],
)
def test_a_finding_leads_to_what_the_rules_say_and_to_a_query_without_them(rule, key, seen):
    assert {name: verdict for name, (verdict, _) in checked(**seen).items()} == {rule: "query"}
    assert checked(rules={key: "fail"}, **seen)[rule][0] == "fail"
    assert checked(rules={key: "pass"}, **seen) == {}


@pytest.mark.parametrize(
    "seen",
    [
        {"borders": Borders("possible", 0.5, (20, 0, 0, 0), (0, 0, 0))},
        {"borders": Borders("frame", 0.7, (20, 20, 20, 20), (0, 0, 0))},
        {"monochrome": Monochrome("unsure", 0.5, 0.003, 5, 10)},
        {"provenance": Provenance("partly", 0.95, "compositeWithTrainedAlgorithmicMedia")},
        {"provenance": Provenance("generated", 0.8, "Midjourney")},
    ],
)
def test_what_is_not_sure_asks_a_person_under_any_rule(seen):
    found = checked(rules=dict.fromkeys(("on_borders", "on_color_in_mono", "on_ai_metadata"), "fail"), **seen)
    assert [verdict for verdict, _ in found.values()] == ["query"]


def test_color_matters_in_categories_for_monochrome_alone():
    assert checked("Colour/Dawn.jpg", monochrome=COLORED) == {}
    assert checked("Colour/Dawn.jpg", rules={"mono_categories": ("colour",)}, monochrome=COLORED)
    assert checked("Mono/Dawn.jpg", rules={"mono_categories": ("colour",)}, monochrome=COLORED) == {}


@pytest.mark.parametrize(
    ("kind", "wanted", "verdicts"),
    [
        ("same", "fail", ["query", "fail"]),
        ("same", "query", ["query", "query"]),
        ("frame", "fail", ["query", "query"]),
        ("same", "pass", ["pass", "pass"]),
    ],
)
def test_of_one_picture_under_two_files_the_later_one_gets_the_verdict(kind, wanted, verdicts):
    entries = [entry("B.jpg"), entry("A.jpg")]
    alike = Alike(0, 1, kind, 0.97, 0.9, 0.98, np.eye(2, 3))
    competition = Competition(id="club", rules=Rules(on_near_duplicates=wanted))
    later, earlier = check_all(entries, competition, alike=[AlikePhotos("photo-B.jpg", "photo-A.jpg", alike)])
    assert [earlier.verdict, later.verdict] == verdicts
    if wanted != "pass":
        assert "B.jpg" in earlier.findings[0].message
        assert "A.jpg" in later.findings[0].message


@pytest.mark.parametrize("framed", [True, False], ids=["its border does not", "its size does not"])
def test_of_one_picture_under_two_files_the_one_that_breaks_no_other_rule_stays_in(framed):
    rules = Rules(max_width=1600, on_borders="fail", on_near_duplicates="fail")
    first = entry("A.jpg").model_copy(update={"width": 1600 if framed else 6000, "height": 1000})
    plain, bordered = Seen(**PLAIN), Seen(**{**PLAIN, "borders": FRAMED})
    broken, mended = check_all(
        [first, entry("B.jpg")],
        Competition(id="club", rules=rules),
        seen={"round/A.jpg": bordered if framed else plain, "round/B.jpg": plain},
        alike=[AlikePhotos("photo-A.jpg", "photo-B.jpg", Alike(0, 1, "same", 0.97, 0.9, 0.98, np.eye(2, 3)))],
    )
    assert (broken.verdict, mended.verdict) == ("fail", "query")


def test_text_that_could_not_be_looked_for_asks_a_person_with_the_reason_and_never_more():
    unread = {"text_unknown": "tesseract took longer than 20 s and was stopped"}
    assert checked(rules={"on_text": "fail"}, **unread) == {"text": ("query", None)}
    assert checked(rules={"on_text": "pass"}, **unread) == {}
    assert checked(rules={"watermark_allowed": True}, **unread) == {}
    competition = Competition(id="club")
    (told,) = check_all([entry("Dawn.jpg")], competition, seen={"round/Dawn.jpg": Seen(**PLAIN, **unread)})
    assert told.findings[0].message == (
        "Text could not be looked for: tesseract took longer than 20 s and was stopped."
    )
