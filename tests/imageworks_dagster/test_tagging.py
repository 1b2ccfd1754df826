"""Personal-Tagger through Dagster, on the embedded baseline."""

import hashlib
from datetime import UTC, datetime

import pytest
from sqlalchemy import update

from photos.identity import photo_id
from photos.metadata.fields import MetadataFields
from photos.metadata.reading import read_metadata
from photos.metadata.writing import MetadataWriter
from store.overrides import Override, override
from store.tables import metadata_writes


@pytest.fixture
def tagged(platform, shoot_folder):
    batch = platform.register("tagger", shoot_folder)
    return platform, batch, platform.run("tagger", batch)


def run_metadata(platform, batch, action):
    return platform.run(
        "tagger", batch, config={"tagger/metadata": {"action": action}}, only=["tagger/metadata"]
    )


def digests(folder):
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}


@pytest.mark.slow
def test_a_folder_becomes_a_tagged_library_and_no_file_changes(tagged, shoot_folder):
    platform, batch, result = tagged

    assert result.success
    rows = platform.rows("tagger/metadata", batch)
    assert len(rows) == 5
    assert {row["state"] for row in rows} == {"proposed"}
    assert all(read_metadata(path).keywords == () for path in shoot_folder.iterdir())


@pytest.mark.slow
def test_the_profiles_own_maxitems_says_how_many_keywords_there_are(platform, shoot_folder):
    prompts = platform.settings.home / "prompts"
    prompts.mkdir(parents=True)
    ours = "id: library\nstages: {keywords: {output: {properties: {keywords: {maxItems: 2}}}}}\n"
    (prompts / "ours.yaml").write_text(ours, encoding="utf-8")
    batch = platform.register("tagger", shoot_folder)

    platform.run("tagger", batch, only=["tagger/photos", "tagger/captions", "tagger/keywords"])

    rows = platform.rows("tagger/keywords", batch)
    assert {row["error_class"] for row in rows} == {None}
    assert {len(row["keywords"]) for row in rows} == {2}


@pytest.mark.slow
def test_no_photo_is_opened_by_the_metadata_library_in_dagsters_own_process(
    platform, shoot_folder, monkeypatch
):
    monkeypatch.setattr("photos.metadata.embedded.pyexiv2.Image", None)
    batch = platform.register("tagger", shoot_folder)
    assert platform.run("tagger", batch).success
    assert {row["error_class"] for row in platform.rows("tagger/photos", batch)} == {None}
    assert {row["state"] for row in platform.rows("tagger/metadata", batch)} == {"proposed"}


def test_tags_are_written_on_request_and_the_pictures_are_unchanged(tagged, shoot_folder):
    platform, batch, _ = tagged
    pictures = {path.name: photo_id(path) for path in shoot_folder.iterdir()}

    result = run_metadata(platform, batch, "apply")

    assert result.success
    assert {path.name: photo_id(path) for path in shoot_folder.iterdir()} == pictures
    keywords = platform.rows("tagger/keywords", batch)
    for row in keywords:
        said = read_metadata(shoot_folder / row["entry_id"].split("/", 1)[1])
        assert set(row["keywords"]) <= set(said.keywords)
        assert said.title
        assert said.description


@pytest.mark.slow
def test_a_persons_word_is_written_in_the_models_place_if_it_is_of_this_picture(tagged, shoot_folder):
    platform, batch, _ = tagged
    row, other = platform.rows("tagger/photos", batch)[:2]
    said = {"column": "keywords", "reason": "I was there.", "who": "ada", "made_at": datetime.now(UTC)}
    for entry, of, value in (
        (row, row["photo_id"], ["heron"]),
        (other, "0" * 64, ["of another picture"]),
    ):
        made = Override(entry_id=entry["entry_id"], photo_id=of, value=value, **said)
        override(platform.store.database, pipeline="tagger", batch=batch, made=made)

    run_metadata(platform, batch, "apply")

    states = {one["entry_id"]: one for one in platform.rows("tagger/metadata", batch)}
    assert states[row["entry_id"]]["added_keywords"] == ["heron"]
    assert "heron" in read_metadata(shoot_folder / row["relative_path"]).keywords
    assert "of another picture" not in states[other["entry_id"]]["added_keywords"]
    keywords = {one["entry_id"]: one["keywords"] for one in platform.rows("tagger/keywords", batch)}
    assert keywords[row["entry_id"]] != ["heron"]


@pytest.mark.slow
def test_after_writing_no_photo_is_asked_again_and_nothing_is_written_twice(tagged, shoot_folder):
    platform, batch, _ = tagged
    run_metadata(platform, batch, "apply")
    written = digests(shoot_folder)

    again = platform.run("tagger", batch, config={"tagger/metadata": {"action": "apply"}})

    assert platform.asked(again) == {}
    assert digests(shoot_folder) == written
    assert {row["state"] for row in platform.rows("tagger/metadata", batch)} == {"unchanged"}


@pytest.mark.slow
def test_writing_makes_no_earlier_stage_different(tagged, shoot_folder):
    platform, batch, _ = tagged
    assets = ("tagger/photos", "tagger/captions", "tagger/keywords", "tagger/descriptions")
    before = {asset: platform.store.tables.current(asset, batch).data_version for asset in assets}
    run_metadata(platform, batch, "apply")

    platform.run("tagger", batch)

    assert {asset: platform.store.tables.current(asset, batch).data_version for asset in assets} == before


@pytest.mark.slow
def test_undo_gives_the_files_back_byte_for_byte(tagged, shoot_folder):
    platform, batch, _ = tagged
    before = digests(shoot_folder)
    run_metadata(platform, batch, "apply")
    assert digests(shoot_folder) != before

    run_metadata(platform, batch, "undo")

    assert digests(shoot_folder) == before
    assert {row["state"] for row in platform.rows("tagger/metadata", batch)} == {"undone"}


@pytest.mark.slow
def test_the_photographers_own_words_stay(platform, shoot_folder):
    mine = shoot_folder / "IMG_0000.jpg"
    with MetadataWriter() as writer:
        writer.write(mine, MetadataFields(title="Slipway", keywords=("Harbor", "Boats")))
    batch = platform.register("tagger", shoot_folder)
    platform.run("tagger", batch)

    run_metadata(platform, batch, "apply")

    said = read_metadata(mine)
    assert said.title == "Slipway"
    assert said.keywords[:2] == ("Harbor", "Boats")
    assert len(said.keywords) > 2


@pytest.mark.slow
def test_what_we_wrote_is_not_taken_for_the_photographers_own(tagged, shoot_folder):
    platform, batch, _ = tagged
    run_metadata(platform, batch, "apply")

    platform.run("tagger", batch)

    rows = platform.rows("tagger/photos", batch)
    assert all(row["existing_keywords"] == [] and row["existing_title"] is None for row in rows)


@pytest.mark.slow
def test_a_read_only_photo_is_refused_with_a_clear_word(tagged, shoot_folder):
    platform, batch, _ = tagged
    (shoot_folder / "IMG_0001.jpg").chmod(0o444)

    result = run_metadata(platform, batch, "apply")

    assert result.success
    rows = {row["entry_id"].split("/", 1)[1]: row for row in platform.rows("tagger/metadata", batch)}
    assert rows["IMG_0001.jpg"]["state"] == "refused"
    assert rows["IMG_0001.jpg"]["error_class"] == "read_only_file"
    assert rows["IMG_0002.jpg"]["state"] == "written"


@pytest.mark.slow
def test_a_file_that_somebody_edited_since_is_not_undone(tagged, shoot_folder):
    platform, batch, _ = tagged
    run_metadata(platform, batch, "apply")
    with MetadataWriter() as writer:
        writer.write(shoot_folder / "IMG_0003.jpg", MetadataFields(headline="Edited by hand"))

    run_metadata(platform, batch, "undo")

    rows = {row["entry_id"].split("/", 1)[1]: row for row in platform.rows("tagger/metadata", batch)}
    assert rows["IMG_0003.jpg"]["state"] == "refused"
    assert rows["IMG_0002.jpg"]["state"] == "undone"
    assert read_metadata(shoot_folder / "IMG_0003.jpg").headline == "Edited by hand"


@pytest.mark.slow
def test_one_picture_in_two_folders_keeps_two_sets_of_tags(platform, shoot_folder):
    (shoot_folder / "best").mkdir()
    twin = shoot_folder / "best" / "Keeper.jpg"
    twin.write_bytes((shoot_folder / "IMG_0000.jpg").read_bytes())
    with MetadataWriter() as writer:
        writer.write(twin, MetadataFields(keywords=("Keeper",)))
    batch = platform.register("tagger", shoot_folder)
    platform.run("tagger", batch)
    run_metadata(platform, batch, "apply")

    again = platform.run("tagger", batch)

    rows = {row["file_name"]: row["existing_keywords"] for row in platform.rows("tagger/photos", batch)}
    assert rows["Keeper.jpg"] == ["Keeper"]
    assert rows["IMG_0000.jpg"] == []
    assert platform.asked(again) == {}


@pytest.mark.slow
def test_a_write_that_a_kill_left_untold_is_ours_in_the_next_run(tagged, shoot_folder):
    platform, batch, _ = tagged
    run_metadata(platform, batch, "apply")
    untold = update(metadata_writes).values(state="prepared")
    platform.store.database.write(lambda connection: connection.execute(untold))

    again = platform.run("tagger", batch)

    assert platform.asked(again) == {}
    assert all(row["existing_keywords"] == [] for row in platform.rows("tagger/photos", batch))


@pytest.mark.slow
def test_the_undo_of_a_photo_that_is_away_is_kept(tagged, shoot_folder):
    platform, batch, _ = tagged
    before = digests(shoot_folder)
    run_metadata(platform, batch, "apply")
    untold = update(metadata_writes).values(state="prepared")
    platform.store.database.write(lambda connection: connection.execute(untold))
    away = shoot_folder.parent / "away.jpg"
    (shoot_folder / "IMG_0002.jpg").rename(away)
    platform.run("tagger", batch)
    away.rename(shoot_folder / "IMG_0002.jpg")

    platform.run("tagger", batch)
    run_metadata(platform, batch, "undo")

    assert digests(shoot_folder) == before


@pytest.mark.slow
def test_a_vocabulary_files_keywords_and_its_paths_are_written_and_taken_back(
    platform, shoot_folder, tmp_path
):
    file = tmp_path / "vocabulary.txt"
    batch = platform.register("tagger", shoot_folder)
    platform.run("tagger", batch)
    known = {word for row in platform.rows("tagger/keywords", batch) for word in row["keywords"]}
    chosen = min(known)
    file.write_text(f"Looks\n\t{chosen}\n", encoding="utf-8")
    platform.settings = platform.settings.model_copy(
        update={"vocabulary": file, "vocabulary_strict": True, "keyword_samples": 3}
    )
    before = digests(shoot_folder)

    result = platform.run("tagger", batch, config={"tagger/metadata": {"action": "apply"}})

    assert result.success
    rows = platform.rows("tagger/keywords", batch)
    assert {tuple(row["keywords"]) for row in rows} <= {(chosen, "Looks"), ()}
    assert {row["samples"] for row in rows} == {3}
    assert platform.asked(result)["tagger/keywords"] == 3 * len(rows)
    assert all(chosen not in row["suggestions"] for row in rows)
    named = [row for row in rows if row["keywords"]]
    assert named
    assert all(row["keyword_confidence"] == [1.0, 1.0] for row in named)
    for row in named:
        said = read_metadata(shoot_folder / row["entry_id"].split("/", 1)[1])
        assert said.hierarchical_keywords == (f"Looks|{chosen}",)
        assert {chosen, "Looks"} <= set(said.keywords)
    platform.run("tagger", batch, only=["tagger/photos"])
    assert {tuple(row["existing_keywords"]) for row in platform.rows("tagger/photos", batch)} == {()}
    run_metadata(platform, batch, "undo")
    assert digests(shoot_folder) == before


def test_a_wrong_vocabulary_ends_the_run_before_anything_is_asked(platform, shoot_folder, tmp_path):
    file = tmp_path / "vocabulary.txt"
    file.write_text("sea\n\t\ttoo deep\n", encoding="utf-8")
    platform.settings = platform.settings.model_copy(update={"vocabulary": file})
    batch = platform.register("tagger", shoot_folder)

    assert not platform.run("tagger", batch).success
    assert platform.store.tables.current("tagger/photos", batch) is None
