from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from photos.errors import PictureError
from photos.provenance import Provenance, find_generation

IPTC = "http://cv.iptc.org/newscodes/digitalsourcetype/"


def xmp(source_type):
    return (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        '<rdf:Description xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/" '
        f'Iptc4xmpExt:DigitalSourceType="{IPTC}{source_type}"/></rdf:RDF></x:xmpmeta>'
    ).encode()


@pytest.mark.parametrize(
    ("source_type", "kind"),
    [
        ("trainedAlgorithmicMedia", "generated"),
        ("compositeWithTrainedAlgorithmicMedia", "partly"),
        ("digitalCapture", "none"),
        ("negativeFilm", "none"),
    ],
)
def test_iptc_says_where_a_picture_comes_from(save, scene, source_type, kind):
    assert find_generation(save("one.jpg", scene, xmp=xmp(source_type))).kind == kind


def test_a_prompt_in_png_text_is_a_generators(save, scene):
    text = PngInfo()
    text.add_text("parameters", "a heron\nNegative prompt: blurry\nSteps: 20, Sampler: Euler a, CFG scale: 7")
    assert find_generation(save("one.png", scene, pnginfo=text)).kind == "generated"


def test_a_generators_name_as_the_software_is_said(save, scene):
    text = PngInfo()
    text.add_text("Software", "NovelAI")
    found = find_generation(save("one.png", scene, pnginfo=text))
    assert (found.kind, found.says) == ("generated", "NovelAI")
    assert found.confidence < 0.9


def test_a_cameras_content_credentials_are_no_sign_of_a_generator(tmp_path):
    path = tmp_path / "signed.jpg"
    path.write_bytes(b"\xff\xd8....jumbjumdc2pa....c2pa.assertions....digitalCapture....\xff\xd9")
    assert find_generation(path) == Provenance("none", 1.0, "", credentials=True)


@pytest.mark.parametrize("before", [0, (1 << 20) - 10, (1 << 20) - 1, 1 << 20])
def test_a_term_is_found_wherever_it_lies(tmp_path, before):
    path = tmp_path / "far.jpg"
    path.write_bytes(b"\0" * before + b" trainedAlgorithmicMedia ")
    assert find_generation(path).kind == "generated"


def test_noise_says_nothing(save):
    noise = np.random.default_rng(1).integers(0, 256, (300, 300, 3), np.uint8)
    assert find_generation(save("noise.png", noise)) == Provenance("none", 1.0)


def test_what_cannot_be_read_is_told(tmp_path):
    with pytest.raises(PictureError):
        find_generation(tmp_path / "missing.jpg")


def test_a_photographers_word_about_a_generator_is_no_sign(save, scene):
    exif = Image.Exif()
    exif[0x010E] = "The poster says Midjourney"
    assert find_generation(save("one.jpg", scene, exif=exif)).kind == "none"
