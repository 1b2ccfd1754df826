"""Weights come whole and as pinned or recorded, or not at all; from a local server of files."""

from __future__ import annotations

import gzip
import hashlib
import os
import tarfile
from dataclasses import replace

import httpx
import pytest
from weights_mirror import SAVED_MODEL, Mirror, archive

from backends.iqa import fetching
from backends.iqa.errors import DownloadFailed, UnknownMetric, WeightsChanged, WeightsMissing
from backends.iqa.fetching import fetch
from backends.iqa.metrics import METRICS, metrics_named
from backends.iqa.weights import record_path, verified, weights_path

NIMA = METRICS["nima_aesthetic"]
MUSIQ = METRICS["musiq_koniq"]


@pytest.fixture
def mirror():
    files = {
        "nima/weights_mobilenet_aesthetic_0.07.hdf5": b"weights",
        "musiq/koniq-10k.tar.gz": archive(SAVED_MODEL),
    }
    with Mirror(files) as serving:
        yield serving


def everything(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_a_file_comes_with_a_record_in_the_form_of_sha256sum(mirror, tmp_path):
    fetched = fetch(NIMA, tmp_path, mirror=f"{mirror.url}/files/")
    digest = hashlib.sha256(b"weights").hexdigest()
    assert (fetched.sha256, fetched.weights.read_bytes()) == (digest, b"weights")
    assert record_path(fetched.weights).read_text() == f"{digest}  weights_mobilenet_aesthetic_0.07.hdf5\n"
    assert verified(NIMA, tmp_path) == fetched.weights


def test_a_folder_comes_unpacked_with_a_record_of_each_file(mirror, tmp_path):
    fetched = fetch(MUSIQ, tmp_path, mirror=f"{mirror.url}/files")
    assert everything(tmp_path) == [
        "musiq/koniq-10k.sha256",
        "musiq/koniq-10k/saved_model.pb",
        "musiq/koniq-10k/variables/variables.index",
    ]
    assert record_path(fetched.weights).read_text().splitlines() == [
        f"{hashlib.sha256(b'graph').hexdigest()}  koniq-10k/saved_model.pb",
        f"{hashlib.sha256(b'index').hexdigest()}  koniq-10k/variables/variables.index",
    ]


def test_what_is_there_is_not_fetched_again_and_is_held_to_its_record(mirror, tmp_path):
    fetch(NIMA, tmp_path, mirror=f"{mirror.url}/files")
    assert fetch(NIMA, tmp_path, mirror=f"{mirror.url}/files").sha256 is None
    assert len(mirror.asked) == 1
    weights_path(NIMA, tmp_path).write_bytes(b"others")
    with pytest.raises(WeightsChanged, match="was changed, or is damaged"):
        fetch(NIMA, tmp_path, mirror=f"{mirror.url}/files")


def test_the_authors_address_is_asked_and_its_redirections_followed(mirror, tmp_path):
    assert fetch(replace(NIMA, url=f"{mirror.url}/away"), tmp_path).weights.read_bytes() == b"weights"
    with pytest.raises(DownloadFailed, match="could not be downloaded whole"):
        fetch(replace(METRICS["nima_technical"], url=f"{mirror.url}/round"), tmp_path)


@pytest.mark.parametrize("mirror", ["https://mirror.example", "HTTPS://mirror.example"])
@pytest.mark.parametrize("hops", [["http"], ["http", "https"], ["https", "http", "https"]])
def test_from_an_encrypted_address_no_hop_may_lead_over_an_unencrypted_one(
    tmp_path, monkeypatch, mirror, hops
):
    left = [*hops]

    def answer(_transport, request):
        if not left:
            return httpx.Response(200, content=b"weights")
        return httpx.Response(302, headers={"Location": f"{left.pop(0)}://elsewhere.example/"})

    monkeypatch.setattr(httpx.HTTPTransport, "handle_request", answer)
    with pytest.raises(DownloadFailed, match=r"leads to elsewhere\.example without encryption"):
        fetch(NIMA, tmp_path, mirror=mirror)
    assert everything(tmp_path) == []


def test_every_address_of_the_authors_is_encrypted():
    assert all(metric.url.startswith("https://") for metric in METRICS.values())


def test_a_pinned_digest_is_held_to(mirror, tmp_path):
    right = replace(NIMA, sha256=hashlib.sha256(b"weights").hexdigest())
    wrong = replace(NIMA, sha256="0" * 64)
    with pytest.raises(WeightsChanged, match=r"not the 0{64}"):
        fetch(wrong, tmp_path, mirror=f"{mirror.url}/files")
    assert everything(tmp_path) == []
    assert fetch(right, tmp_path, mirror=f"{mirror.url}/files").sha256 == right.sha256


def test_what_was_recorded_before_is_what_may_come_again(mirror, tmp_path):
    weights = fetch(NIMA, tmp_path, mirror=f"{mirror.url}/files").weights
    weights.unlink()
    mirror.files["nima/weights_mobilenet_aesthetic_0.07.hdf5"] = b"others"
    with pytest.raises(WeightsChanged, match="other weights"):
        fetch(NIMA, tmp_path, mirror=f"{mirror.url}/files")
    assert not weights.exists()


@pytest.mark.parametrize("metric", [NIMA, MUSIQ], ids=["file", "folder"])
def test_a_download_that_breaks_leaves_nothing(mirror, tmp_path, metric):
    mirror.cut = True
    with pytest.raises(DownloadFailed, match="could not be downloaded whole"):
        fetch(metric, tmp_path, mirror=f"{mirror.url}/files")
    assert everything(tmp_path) == []
    mirror.cut = False
    assert fetch(metric, tmp_path, mirror=f"{mirror.url}/files").weights.exists()


def test_a_place_without_the_weights_says_so(mirror, tmp_path):
    with pytest.raises(DownloadFailed, match="answered 404"):
        fetch(NIMA, tmp_path, mirror=f"{mirror.url}/elsewhere")
    with pytest.raises(DownloadFailed, match="could not be downloaded whole"):
        fetch(NIMA, tmp_path, mirror="http://127.0.0.1:9")
    with pytest.raises(DownloadFailed, match="could not be downloaded whole"):
        fetch(NIMA, tmp_path, mirror="nonsense")


def test_more_than_any_weights_have_is_refused_while_it_comes(mirror, tmp_path, monkeypatch):
    monkeypatch.setattr(fetching, "MOST_BYTES", 3)
    with pytest.raises(DownloadFailed, match="more than"):
        fetch(NIMA, tmp_path, mirror=f"{mirror.url}/files")
    assert everything(tmp_path) == []


def test_an_archive_that_unpacks_to_too_much_is_refused_while_it_unpacks(mirror, tmp_path, monkeypatch):
    mirror.files["musiq/koniq-10k.tar.gz"] = archive({"saved_model.pb": bytes(1 << 20)})
    monkeypatch.setattr(fetching, "MOST_BYTES", 1 << 19)
    with pytest.raises(DownloadFailed, match="unpacks to more"):
        fetch(MUSIQ, tmp_path, mirror=f"{mirror.url}/files")
    assert everything(tmp_path) == []


def link(name, to, kind=tarfile.SYMTYPE):
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, to
    return member


@pytest.mark.parametrize(
    "body",
    [
        archive({**SAVED_MODEL, "../escaped": b"x"}),
        archive({**SAVED_MODEL, "/tmp/escaped-iqa-weights": b"x"}),
        archive({**SAVED_MODEL, "variables/../../escaped": b"x"}),
        archive(SAVED_MODEL, more=[link("variables/away", "/etc/passwd")]),
        archive(SAVED_MODEL, more=[link("hard", "../../../../etc/passwd", tarfile.LNKTYPE)]),
        archive(SAVED_MODEL, more=[link("pipe", "", tarfile.FIFOTYPE)]),
    ],
    ids=["up", "absolute", "up from within", "symlink", "hard link", "pipe"],
)
def test_an_archive_that_reaches_out_is_refused_as_a_whole(mirror, tmp_path, body):
    mirror.files["musiq/koniq-10k.tar.gz"] = body
    with pytest.raises(DownloadFailed, match="no plain file within it"):
        fetch(MUSIQ, tmp_path / "weights", mirror=f"{mirror.url}/files")
    assert everything(tmp_path) == []


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"no archive", "no whole archive"),
        (archive(SAVED_MODEL)[:60], "no whole archive"),
        (archive({"readme.txt": b"hello"}), "no SavedModel"),
        (gzip.compress(b""), "no (SavedModel|whole archive)"),
        (archive({**SAVED_MODEL, "saved_model.pb": b"again"}), "twice|no whole archive|cannot be stored"),
    ],
    ids=["text", "cut", "another", "empty", "a name twice"],
)
def test_what_is_no_saved_model_is_refused(mirror, tmp_path, body, words):
    mirror.files["musiq/koniq-10k.tar.gz"] = body
    with pytest.raises(DownloadFailed, match=words):
        fetch(MUSIQ, tmp_path, mirror=f"{mirror.url}/files")
    assert everything(tmp_path) == []


def test_weights_put_there_by_hand_are_recorded_when_first_used_and_held_to_it(tmp_path):
    path = weights_path(NIMA, tmp_path)
    path.parent.mkdir(parents=True)
    path.write_bytes(b"by hand")
    verified(NIMA, tmp_path)
    assert record_path(path).exists()
    path.write_bytes(b"changed")
    with pytest.raises(WeightsChanged, match=record_path(path).name):
        verified(NIMA, tmp_path)


def test_a_folder_is_held_to_each_of_its_files(tmp_path, mirror):
    folder = fetch(MUSIQ, tmp_path, mirror=f"{mirror.url}/files").weights
    (folder / "added").write_bytes(b"")
    with pytest.raises(WeightsChanged):
        verified(MUSIQ, tmp_path)


def test_missing_weights_are_told_with_the_command_and_the_place(tmp_path):
    with pytest.raises(WeightsMissing) as told:
        verified(MUSIQ, tmp_path)
    for words in (
        "imageworks models fetch musiq_koniq",
        str(tmp_path / "musiq/koniq-10k"),
        MUSIQ.url,
        "unpacked",
    ):
        assert words in str(told.value)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written_into_is_told(mirror, tmp_path):
    (tmp_path / "closed").mkdir(mode=0o500)
    with pytest.raises(DownloadFailed, match="cannot be stored"):
        fetch(NIMA, tmp_path / "closed", mirror=f"{mirror.url}/files")


def test_a_file_in_the_way_of_the_folder_is_told(mirror, tmp_path):
    (tmp_path / "nima").write_bytes(b"")
    with pytest.raises(DownloadFailed, match="cannot be stored"):
        fetch(NIMA, tmp_path, mirror=f"{mirror.url}/files")


def test_a_networks_name_means_all_of_its_metrics_in_order():
    assert [metric.name for metric in metrics_named(["musiq_ava", "nima"])] == [
        "nima_aesthetic",
        "nima_technical",
        "musiq_ava",
    ]
    with pytest.raises(UnknownMetric, match="no metric brisque, niqe"):
        metrics_named(["niqe", "nima", "brisque"])
