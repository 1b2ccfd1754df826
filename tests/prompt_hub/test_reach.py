"""Which profiles and stages a change reaches."""

from __future__ import annotations

from prompt_hub.hub import PromptHub
from prompt_hub.reach import extended_by, reached

SHIPPED = PromptHub.load(None)


def with_file(user_folder, text):
    return PromptHub.load(None, files=[user_folder.write("change.yaml", text)])


def summary(found):
    return {one.profile_id: [stage.stage for stage in one.stages] for one in found}


def test_no_change_reaches_nothing():
    assert reached(SHIPPED.profiles, PromptHub.load(None).profiles) == []


def test_a_change_reaches_the_profiles_that_extend_what_it_changes(user_folder):
    after = with_file(user_folder, "id: library\nstages: {keywords: {parameters: {temperature: 0.9}}}\n")
    found = reached(SHIPPED.profiles, after.profiles)
    assert summary(found) == {"library": ["keywords"], "storyteller": ["keywords"]}
    assert [one.extends for one in found] == [("house",), ("library", "house")]
    library = found[0]
    assert (library.before, library.after) == (
        SHIPPED.get("library").hash,
        after.get("library").hash,
    )
    assert (library.stages[0].before, library.stages[0].after) == (
        SHIPPED.get("library").stage_hash("keywords"),
        after.get("library").stage_hash("keywords"),
    )


def test_a_partial_of_the_house_reaches_every_stage_that_says_it(user_folder):
    after = with_file(user_folder, "id: house\npartials: {json_rule: One JSON object.}\n")
    assert summary(reached(SHIPPED.profiles, after.profiles)) == {
        "club-judge": ["critique", "pairwise"],
        "library": ["caption", "keywords", "description"],
        "self-checking-judge": ["check", "revise"],
        "storyteller": ["caption", "keywords", "description"],
    }


def test_words_for_people_reach_a_profile_and_none_of_its_stages(user_folder):
    after = with_file(user_folder, "id: storyteller\ndescription: Warm.\n")
    assert summary(reached(SHIPPED.profiles, after.profiles)) == {"storyteller": []}


def test_a_new_profile_has_no_hash_before_and_a_gone_one_none_after(user_folder):
    after = with_file(user_folder, "id: birds\nextends: library\n")
    (new,) = reached(SHIPPED.profiles, after.profiles)
    assert (new.profile_id, new.before, new.extends) == ("birds", "", ("library", "house"))
    assert {stage.before for stage in new.stages} == {""}
    (gone,) = reached(after.profiles, SHIPPED.profiles)
    assert (gone.after, gone.extends, {stage.after for stage in gone.stages}) == (
        "",
        ("library", "house"),
        {""},
    )


def test_who_extends_a_profile_is_known_through_others_too():
    assert extended_by("house", SHIPPED.profiles) == [
        "club-judge",
        "library",
        "self-checking-judge",
        "storyteller",
    ]
    assert extended_by("storyteller", SHIPPED.profiles) == []
