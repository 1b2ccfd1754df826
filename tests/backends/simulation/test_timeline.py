from __future__ import annotations

from xml.etree import ElementTree as ET

from backends.leases.policy import plan
from backends.simulation.playing import play
from backends.simulation.timeline import timeline_svg
from backends.simulation.workload import Workload, parse_devices, read_workload

SVG = "{http://www.w3.org/2000/svg}"


def drawn(name):
    workload = read_workload(name)
    played = play(workload, parse_devices(workload.devices), plan)
    return played, ET.fromstring(timeline_svg(played, title="A & <b>"))


def test_the_picture_names_the_devices_the_models_and_what_it_shows():
    played, root = drawn("mixed-slices")
    texts = [text.text for text in root.iter(f"{SVG}text")]
    assert "A & <b>" in texts
    assert {"gpu-0", "slice-1", "slice-2"} <= set(texts)
    assert {span.model for span in played.spans} <= set(texts)


def test_every_stay_of_a_model_is_drawn_with_its_loading_and_unloading():
    played, root = drawn("five-clubs")
    titles = [title.text for title in root.iter(f"{SVG}title")]
    # Each load is followed by being ready and by unloading; a stay that never ends has an empty unloading.
    assert len(titles) == 3 * sum(span.kind == "load" for span in played.spans)


def test_nothing_is_drawn_outside_the_picture():
    _, root = drawn("tagging-and-chat")
    for rect in root.iter(f"{SVG}rect"):
        if rect.get("width") != "100%":
            assert 0 <= float(rect.get("x")) <= float(rect.get("x")) + float(rect.get("width")) <= 1200


def test_the_waits_of_those_who_chat_are_red():
    played, root = drawn("tagging-and-chat")
    waits = [span for span in played.spans if span.priority == "interactive" and span.start_s > span.asked_s]
    assert sum(rect.get("fill") == "#c00" for rect in root.iter(f"{SVG}rect")) == len(waits) > 0


def test_a_workload_of_nothing_is_an_empty_picture():
    nothing = play(
        Workload.model_validate({"models": {"a": {"memory_mib": 1}}}), parse_devices(["24G"]), plan
    )
    assert ET.fromstring(timeline_svg(nothing, title="nothing")).tag == f"{SVG}svg"
