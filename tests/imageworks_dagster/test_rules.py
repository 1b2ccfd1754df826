"""The competition's rules: read once a run, told in the manifest, and never mixed."""

import pytest

from imageworks.judge_vision.competition import Competition
from imageworks.judge_vision.competition_file import load_competition
from imageworks_dagster.judging import critiques
from registry.digests import digest

# Each judges a round, and again.
pytestmark = pytest.mark.slow


GOLD = "[competition.spring]\nawards = ['Gold']\nscore_bands = {Gold = [0, 20]}\n"
EVERY_MARK = "[{}]".format(", ".join(map(str, range(21))))
MERIT = f"[competition.spring]\nawards = ['Merit']\nscore_bands = {{Merit = {EVERY_MARK}}}\n"
LATER = ["judge/compliance", "judge/critiques", "judge/playoff", "judge/results"]


@pytest.fixture
def rules(tmp_path):
    file = tmp_path / "club.toml"
    file.write_text(MERIT, encoding="utf-8")
    return file


@pytest.fixture
def judged(platform, entries_folder, rules):
    batch = platform.register("judge", entries_folder, rules=rules)
    result = platform.run("judge", batch)
    assert result.success
    return platform, batch, result


def failure(result, asset):
    return result.failure_data_for_node(asset.replace("/", "__")).user_failure_data.description


def test_an_edit_in_the_middle_of_a_run_is_not_in_it(platform, entries_folder, rules, monkeypatch):
    batch = platform.register("judge", entries_folder, rules=rules)
    critique = critiques.critique_entries

    def edit_meanwhile(stage):
        outcome = critique(stage)
        rules.write_text(GOLD, encoding="utf-8")
        return outcome

    monkeypatch.setattr(critiques, "critique_entries", edit_meanwhile)

    assert platform.run("judge", batch).success

    assert {row["award"] for row in platform.rows("judge/results", batch)} == {"Merit"}


def test_the_manifest_has_the_rules_as_they_were_understood_and_their_digest(judged, rules):
    platform, _, result = judged

    pinned = platform.manifest(result).rules

    assert Competition.model_validate(pinned.content) == load_competition(rules)
    assert pinned.digest == digest(pinned.content)
    assert pinned.file == str(rules)


def test_a_batch_without_a_rules_file_is_judged_by_the_default_rules_and_the_manifest_says_so(
    platform, entries_folder
):
    batch = platform.register("judge", entries_folder)

    pinned = platform.manifest(platform.run("judge", batch, only=["judge/entries"])).rules

    assert (pinned.file, pinned.content["id"]) == (None, "open")


def test_other_rules_give_the_entries_another_data_version_and_the_same_rules_do_not(judged, rules):
    platform, batch, _ = judged

    def version():
        assert platform.run("judge", batch, only=["judge/entries"]).success
        return platform.store.tables.current("judge/entries", batch).data_version

    before = version()
    rules.write_text(f"# a remark\n{MERIT}", encoding="utf-8")
    assert version() == before
    rules.write_text(GOLD, encoding="utf-8")
    assert version() != before


@pytest.mark.parametrize("asset", LATER)
def test_a_stage_alone_under_other_rules_than_its_inputs_says_what_to_do(judged, rules, asset):
    platform, batch, _ = judged
    rules.write_text(GOLD, encoding="utf-8")

    result = platform.run("judge", batch, only=[asset])

    assert not result.success
    message = failure(result, asset)
    assert message.startswith(f"judge/entries of batch {batch!r} was made under other rules")
    assert str(rules) in message
    assert "Materialize judge/entries and all that comes after it" in message


def test_new_entries_do_not_hide_that_a_later_table_is_of_other_rules(judged, rules):
    platform, batch, _ = judged
    rules.write_text(GOLD, encoding="utf-8")
    platform.run("judge", batch, only=["judge/entries", "judge/compliance"])

    message = failure(platform.run("judge", batch, only=["judge/results"]), "judge/results")

    assert "was made under other rules" in message


def test_what_is_measured_about_a_photo_holds_under_any_rules(judged, rules):
    platform, batch, _ = judged
    rules.write_text(GOLD, encoding="utf-8")
    platform.run("judge", batch, only=["judge/entries", "judge/compliance"])

    assert platform.run("judge", batch, only=["judge/critiques"]).success


def test_tables_of_a_run_without_a_manifest_may_be_of_other_rules(judged):
    platform, batch, result = judged
    (platform.store.home.manifests / f"{result.run_id}.json").unlink()

    message = failure(platform.run("judge", batch, only=["judge/results"]), "judge/results")

    assert "by a run whose rules are not known" in message


def test_a_run_under_other_rules_asks_only_what_they_change(judged, rules):
    platform, batch, _ = judged
    rules.write_text(GOLD, encoding="utf-8")

    again = platform.run("judge", batch)

    assert again.success
    assert platform.asked(again) == {}


def test_rules_that_went_missing_fail_the_run_before_any_work(judged, rules):
    platform, batch, first = judged
    rules.unlink()

    result = platform.run("judge", batch)

    assert str(rules) in failure(result, "judge/entries")
    assert platform.store.tables.current("judge/entries", batch).run_id == first.run_id
