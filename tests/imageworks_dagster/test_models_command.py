"""`imageworks models fetch` and `imageworks judge --iqa-model`, as a person at a terminal sees them."""

from __future__ import annotations

import hashlib

import pytest
from at_terminal import complaint, imageworks
from iqa_double import IqaDouble
from made_up_photos import write_photo
from weights_mirror import SAVED_MODEL, Mirror, archive

from imageworks_dagster.opened import close_stores, open_store
from store.settings import Settings

AESTHETIC = "nima/weights_mobilenet_aesthetic_0.07.hdf5"
TECHNICAL = "nima/weights_mobilenet_technical_0.11.hdf5"


@pytest.fixture
def mirror():
    files = {AESTHETIC: b"a", TECHNICAL: b"t", "musiq/spaq.tar.gz": archive(SAVED_MODEL)}
    with Mirror(files) as serving:
        yield serving


def test_weights_are_fetched_into_the_home_and_what_was_trusted_is_said(tmp_path, mirror):
    said = imageworks(tmp_path / "home", "models", "fetch", "nima", "musiq_spaq", "--mirror", mirror.url)

    assert said.code == 0, said
    weights = tmp_path / "home" / "weights"
    assert (weights / AESTHETIC).read_bytes() == b"a"
    assert (weights / "musiq/spaq/saved_model.pb").exists()
    assert hashlib.sha256(b"t").hexdigest() in said.out
    assert said.out.count("Nobody pinned a digest for it") == 3

    again = imageworks(tmp_path / "home", "models", "fetch", "nima", "--mirror", mirror.url)
    assert again.out.count("is what its record says") == 2


def test_another_folder_may_be_named(tmp_path, mirror):
    said = imageworks(
        tmp_path / "home",
        "models",
        "fetch",
        "nima_aesthetic",
        "--to",
        tmp_path / "disk",
        "--mirror",
        mirror.url,
    )

    assert said.code == 0, said
    assert (tmp_path / "disk" / AESTHETIC).exists()
    assert not (tmp_path / "home").exists()


def test_what_cannot_be_fetched_is_told_in_words(tmp_path, mirror):
    fetch = ("models", "fetch")
    complaint(imageworks(tmp_path, *fetch, "musiq_ava", "--mirror", mirror.url), "answered 404", "by hand")
    complaint(imageworks(tmp_path, *fetch, "brisque"), "no metric brisque", "musiq_spaq")
    mirror.cut = True
    complaint(imageworks(tmp_path, *fetch, "nima", "--mirror", mirror.url), "could not be downloaded whole")


@pytest.mark.slow
def test_judge_scores_with_the_model_that_is_named_and_remembers_it(tmp_path):
    for number in range(2):
        write_photo(tmp_path / "round" / f"Title {number} by Member {number}.jpg", seed=number)
    with IqaDouble() as double:
        served = {"JUDGE_VISION_TF_SERVICE_URL": double.url}
        said = imageworks(tmp_path / "home", "judge", tmp_path / "round", "--iqa-model", "nima", **served)
        assert said.code == 0, said
        again = imageworks(tmp_path / "home", "judge", tmp_path / "round", **served)
        assert again.code == 0, again
    assert len(double.history) == 2
    rows = open_store(Settings(home=tmp_path / "home")).tables.read("judge/signals", "round").to_pylist()
    close_stores()
    assert all(1 <= row["nima_aesthetic"] <= 10 and row["model"] == "nima-mobilenet" for row in rows)


@pytest.mark.slow
def test_judge_with_a_model_that_is_away_says_so(tmp_path):
    write_photo(tmp_path / "round" / "Title by Member.jpg", seed=1)
    away = {"JUDGE_VISION_TF_SERVICE_URL": "http://127.0.0.1:9"}
    said = imageworks(tmp_path / "home", "judge", tmp_path / "round", "--iqa-model", "nima", **away)
    complaint(said, "judge/signals", "http://127.0.0.1:9", "does not answer")
    complaint(said, "'nima' stays the choice of batch 'round'", "--iqa-model default ends it")
