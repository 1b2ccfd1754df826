from __future__ import annotations

import struct

import cv2
import numpy as np
import pillow_heif
import pytest
import tifffile
from PIL import Image, ImageCms

from photos.decoding import decode
from photos.errors import RawWithoutPreview, UnsupportedFormat


def difference(pixels, truth) -> float:
    assert pixels.shape == truth.shape
    assert pixels.dtype == np.uint8
    assert pixels.flags.c_contiguous
    return float(np.abs(pixels.astype(int) - truth).mean())


LOSSLESS = {
    "a.png": {},
    "lossless.webp": {"lossless": True},
    "bare.tif": {},
    "lzw.tif": {"compression": "tiff_lzw"},
    "a.bmp": {},
}
LOSSY = {
    "a.jpg": {"quality": 95, "subsampling": 0},
    "progressive.jpg": {"quality": 95, "subsampling": 0, "progressive": True},
    "a.webp": {"quality": 95},
    "a.avif": {"quality": 95},
    "jpeg.tif": {"compression": "jpeg", "quality": 95},
}


@pytest.mark.parametrize("name", LOSSLESS)
def test_what_was_stored_without_loss_comes_back(save, scene, name):
    picture = decode(save(name, scene, **LOSSLESS[name]))
    assert difference(picture.pixels, scene) == 0


@pytest.mark.parametrize("name", LOSSY)
def test_what_was_stored_with_loss_comes_back_alike(save, scene, name):
    assert difference(decode(save(name, scene, **LOSSY[name])).pixels, scene) < 4


def test_heic_is_read(tmp_path, scene):
    path = tmp_path / "a.heic"
    pillow_heif.from_pillow(Image.fromarray(scene)).save(path, quality=95)
    picture = decode(path)
    assert difference(picture.pixels, scene) < 4
    assert (picture.facts.format, picture.facts.width, picture.facts.orientation) == ("heic", 320, 1)


def test_heics_own_rotation_is_applied_once(tmp_path, corners, exif):
    path = tmp_path / "a.heic"
    picture = Image.fromarray(np.ascontiguousarray(np.rot90(corners, 1)))
    pillow_heif.from_pillow(picture).save(path, quality=95, exif=exif(6))
    assert difference(decode(path).pixels, corners) < 8


def stored_for(orientation, corners):
    """The pixels as they lie in a file whose orientation brings `corners` upright."""
    stored = {
        1: corners,
        2: corners[:, ::-1],
        3: corners[::-1, ::-1],
        4: corners[::-1],
        5: corners.transpose(1, 0, 2),
        6: np.rot90(corners, 1),
        7: corners[::-1, ::-1].transpose(1, 0, 2),
        8: np.rot90(corners, -1),
    }[orientation]
    return np.ascontiguousarray(stored)


def test_of_a_heic_of_several_pictures_the_primary_one_is_taken(tmp_path, scene):
    held = pillow_heif.from_pillow(Image.new("RGB", (640, 480), (255, 0, 0)))
    held.add_from_pillow(Image.fromarray(scene))
    path = tmp_path / "a.heic"
    held.save(path, quality=95, primary_index=1)
    picture = decode(path, max_pixels=320 * 240)
    assert difference(picture.pixels, scene) < 4
    assert (picture.facts.width, picture.facts.height) == (320, 240)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.webp", "bare.tif", "lzw.tif", "a.avif"])
def test_orientation_is_applied_exactly_once(save, corners, exif, name, orientation):
    options = {"compression": "tiff_lzw"} if name.startswith("lzw") else {}
    path = save(name, stored_for(orientation, corners), exif=exif(orientation), **options)
    picture = decode(path)
    assert difference(picture.pixels, corners) < 8
    assert (picture.facts.width, picture.facts.height) == (80, 48)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize(
    "layout",
    [
        {"planarconfig": planes, "compression": packed}
        for planes in ("contig", "separate")
        for packed in (None, "deflate")
    ],
    ids=lambda layout: "-".join(map(str, layout.values())),
)
def test_a_tiff_is_turned_once_however_its_samples_lie(tmp_path, corners, layout, bits, orientation):
    stored = stored_for(orientation, corners).astype(f"uint{bits}") * (257 if bits == 16 else 1)
    if layout["planarconfig"] == "separate":
        stored = np.ascontiguousarray(np.moveaxis(stored, 2, 0))
    tag = (274, 3, 1, orientation, True)
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, stored, photometric="rgb", metadata=None, extratags=[tag], **layout)
    assert difference(decode(path).pixels, corners) == 0


def test_orientation_in_xmp_alone_is_not_applied(save, corners):
    rdf = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
    tag = '<rdf:Description xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="6"/>'
    packet = f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="{rdf}">{tag}</rdf:RDF></x:xmpmeta>'
    xmp = packet.encode()
    for name in ("a.tif", "a.png", "a.webp"):
        options = {"tiffinfo": {700: xmp}} if name == "a.tif" else {"xmp": xmp} if name == "a.webp" else {}
        assert decode(save(name, corners, **options)).pixels.shape == corners.shape, name


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.webp", "a.tif"])
def test_pixels_are_converted_to_srgb_by_their_profile(save, adobe_rgb, name):
    flat = np.full((64, 64, 3), (100, 150, 200), np.uint8)
    options = {"lossless": True} if name == "a.webp" else {}
    pixels = decode(save(name, flat, icc_profile=adobe_rgb, **options)).pixels
    assert np.abs(pixels.astype(int) - (66, 151, 203)).max() <= 4


def test_adobe_rgb_that_only_exif_tells_is_converted(save, exif):
    flat = np.full((64, 64, 3), (100, 150, 200), np.uint8)
    path = save("a.jpg", flat, exif=exif(color_space=0xFFFF, interoperability="R03"))
    assert np.abs(decode(path).pixels.astype(int) - (66, 151, 203)).max() <= 4


def test_an_srgb_profile_changes_nothing(save, scene, srgb):
    assert difference(decode(save("a.png", scene, icc_profile=srgb)).pixels, scene) == 0


def test_a_profile_that_cannot_be_read_is_ignored(save, scene):
    assert difference(decode(save("a.png", scene, icc_profile=b"nonsense" * 50)).pixels, scene) == 0


@pytest.mark.parametrize("name", ["a.jpg", "a.tif", "progressive.jpg"])
def test_cmyk_becomes_rgb(save, scene, name):
    options = {"quality": 95} if name.endswith("jpg") else {}
    options |= {"progressive": True} if name.startswith("progressive") else {}
    picture = decode(save(name, Image.fromarray(scene).convert("CMYK"), **options))
    assert difference(picture.pixels, scene) < 4
    assert (picture.facts.mode, picture.facts.color_space) == ("CMYK", "CMYK")


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.tif", "a.webp", "a.gif"])
def test_grey_becomes_rgb(save, scene, name):
    grey = Image.fromarray(scene).convert("L")
    truth = np.repeat(np.asarray(grey)[..., None], 3, axis=2)
    assert difference(decode(save(name, grey)).pixels, truth) < 4


def test_grey_is_converted_by_its_profile(save):
    # A grey profile with gamma 1: the stored 128 is half the light, which sRGB writes as 188.
    linear = grey_profile(gamma=1.0)
    grey = Image.new("L", (32, 32), 128)
    for name in ("a.jpg", "a.png", "a.tif"):
        pixels = decode(save(name, grey, icc_profile=linear)).pixels
        assert np.abs(pixels.astype(int) - 188).max() <= 2, name


@pytest.mark.parametrize("options", [{}, {"transparency": 3}], ids=["a channel", "a color"])
def test_grey_that_may_be_seen_through_is_converted_by_its_profile(save, options):
    grey = Image.new("L" if options else "LA", (32, 32), 64 if options else (64, 255))
    pixels = decode(save("a.png", grey, icc_profile=grey_profile(gamma=1.0), **options)).pixels
    assert np.abs(pixels.astype(int) - 137).max() <= 2


def grey_profile(*, gamma: float) -> bytes:
    def tag_data(kind: bytes, body: bytes) -> bytes:
        return kind + bytes(4) + body

    def fixed(*values: float) -> bytes:
        return b"".join(round(value * 65536).to_bytes(4, "big", signed=True) for value in values)

    white = fixed(0.9642, 1.0, 0.8249)
    text = b"grey\0"
    tags = [
        (b"desc", tag_data(b"desc", len(text).to_bytes(4, "big") + text + bytes(81))),
        (b"wtpt", tag_data(b"XYZ ", white)),
        (
            b"kTRC",
            tag_data(b"curv", (1).to_bytes(4, "big") + round(gamma * 256).to_bytes(2, "big") + bytes(2)),
        ),
    ]
    at = 128 + 4 + 12 * len(tags)
    table, body = len(tags).to_bytes(4, "big"), b""
    for name, data in tags:
        data += bytes(-len(data) % 4)  # noqa: PLW2901 - padded
        table += name + (at + len(body)).to_bytes(4, "big") + len(data).to_bytes(4, "big")
        body += data
    head = (at + len(body)).to_bytes(4, "big") + bytes(4) + b"\x02\x40\0\0mntrGRAYXYZ " + bytes(12) + b"acsp"
    return (head.ljust(68, b"\0") + white).ljust(128, b"\0") + table + body


@pytest.mark.parametrize("mode", ["1", "P"])
@pytest.mark.parametrize("name", ["a.png", "a.tif", "a.gif"])
def test_two_levels_and_palettes_become_rgb(save, scene, mode, name):
    stored = Image.fromarray(scene).convert(mode)
    path = save(name, stored)
    assert difference(decode(path).pixels, np.asarray(stored.convert("RGB"))) == 0


@pytest.mark.parametrize("name", ["rgb.png", "grey.png"])
def test_sixteen_bit_pngs_keep_their_upper_bits(tmp_path, scene, name):
    stored = (scene if name == "rgb.png" else scene[..., 0]).astype(np.uint16) * 256 + 255
    path = tmp_path / name
    cv2.imwrite(str(path), stored[..., ::-1] if stored.ndim == 3 else stored)
    truth = scene if name == "rgb.png" else np.repeat(scene[..., :1], 3, axis=2)
    assert difference(decode(path).pixels, truth) <= 1


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"compression": "deflate"},
        {"compression": "deflate", "predictor": 2},
        {"tile": (64, 64), "compression": "deflate"},
        {"planarconfig": "separate"},
        {"planarconfig": "separate", "compression": "deflate"},
        {"byteorder": ">"},
        {"byteorder": ">", "planarconfig": "separate"},
        {"bigtiff": True},
        {"rowsperstrip": 7},
    ],
    ids=lambda options: " ".join(f"{key}={value}" for key, value in options.items()) or "bare",
)
@pytest.mark.parametrize("bits", [8, 16])
def test_tiffs_of_all_kinds_are_read(tmp_path, scene, options, bits):
    stored = scene if bits == 8 else scene.astype(np.uint16) * 257
    if options.get("planarconfig"):
        stored = np.ascontiguousarray(np.moveaxis(stored, 2, 0))
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, stored, photometric="rgb", metadata=None, **options)
    assert difference(decode(path).pixels, scene) == 0


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("compression", [None, "deflate"])
@pytest.mark.parametrize("photometric", ["minisblack", "miniswhite"])
def test_grey_tiffs_count_from_black_or_from_white(tmp_path, scene, dtype, compression, photometric):
    limit = np.iinfo(dtype).max
    grey = scene[..., 0].astype(dtype) * dtype(limit // 255)
    stored = limit - grey if photometric == "miniswhite" else grey
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, stored, photometric=photometric, compression=compression)
    assert difference(decode(path).pixels, np.repeat(scene[..., :1], 3, axis=2)) == 0


@pytest.mark.parametrize("kind", ["float", "32 bits", "16-bit planes with alpha"])
def test_what_nobody_reads_right_is_refused_and_not_guessed(tmp_path, scene, kind):
    path = tmp_path / "a.tif"
    options = {"photometric": "rgb", "metadata": None}
    stored = scene.astype(np.float32) / 255 if kind == "float" else scene.astype(np.uint32) << 24
    if kind == "16-bit planes with alpha":
        planes = np.concatenate([np.moveaxis(scene, 2, 0), np.full((1, 240, 320), 255, np.uint8)])
        stored = planes.astype(np.uint16) * 257
        options |= {"planarconfig": "separate", "extrasamples": ["unassalpha"]}
    tifffile.imwrite(path, stored, **options)
    with pytest.raises(UnsupportedFormat):
        decode(path)


@pytest.mark.parametrize("name", ["a.png", "lossless.webp", "a.webp", "a.tif"])
def test_what_is_see_through_lies_on_white(save, name):
    pixels = np.zeros((64, 64, 4), np.uint8)
    pixels[..., 0] = 200
    pixels[:32, :, 3], pixels[32:, :, 3] = 255, 51
    options = {"lossless": True} if name.startswith("lossless") else {}
    shown = decode(save(name, Image.fromarray(pixels), **options)).pixels
    assert np.abs(shown[5, 5].astype(int) - (200, 0, 0)).max() <= 4
    assert np.abs(shown[60, 60].astype(int) - (244, 204, 204)).max() <= 4


@pytest.mark.parametrize("mode", ["RGB", "L", "P"])
def test_a_transparent_color_lies_on_white(save, mode):
    picture = Image.new("RGB", (20, 20), (10, 20, 30)).convert(mode)
    picture.paste((200, 100, 50) if mode == "RGB" else 200 if mode == "L" else 1, (0, 0, 10, 20))
    key = (10, 20, 30) if mode == "RGB" else picture.getpixel((15, 5))
    shown = decode(save("a.png", picture, transparency=key)).pixels
    assert tuple(shown[5, 15]) == (255, 255, 255)
    assert tuple(shown[5, 5]) != (255, 255, 255)


@pytest.mark.parametrize("name", ["a.gif", "a.png", "a.webp", "a.avif"])
def test_of_an_animation_the_first_frame_is_taken(save, scene, name):
    more = [Image.fromarray(scene[::-1]), Image.fromarray(scene[:, ::-1])]
    picture = decode(save(name, scene, save_all=True, append_images=more))
    assert difference(picture.pixels, scene) < 6
    assert picture.facts.frames == 3


def test_of_a_tiff_the_first_page_is_taken(save, scene):
    path = save("a.tif", scene, save_all=True, append_images=[Image.fromarray(scene[:100, :50])])
    assert difference(decode(path).pixels, scene) == 0


def test_lab_becomes_rgb(save, scene):
    profiles = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
    lab = ImageCms.applyTransform(Image.fromarray(scene), ImageCms.buildTransform(*profiles, "RGB", "LAB"))
    assert difference(decode(save("a.tif", lab)).pixels, scene) < 1


@pytest.mark.parametrize("mode", ["RGB", "CMYK", "L"])
def test_a_psds_composite_is_taken(tmp_path, scene, mode):
    picture = Image.fromarray(scene).convert(mode)
    stored = np.asarray(picture).reshape(240, 320, -1)
    # Photoshop counts CMYK from full ink.
    planes = np.moveaxis(255 - stored if mode == "CMYK" else stored, 2, 0)
    number = {"L": 1, "RGB": 3, "CMYK": 4}[mode]
    header = b"8BPS" + struct.pack(">H6xHIIHH", 1, planes.shape[0], 240, 320, 8, number)
    path = tmp_path / "a.psd"
    path.write_bytes(header + bytes(12) + b"\0\0" + planes.tobytes())
    assert difference(decode(path).pixels, np.asarray(picture.convert("RGB"))) < 1


def test_a_jpeg_of_rgb_components_is_not_taken_for_ycc(save, scene):
    path = save("a.jpg", scene, keep_rgb=True, quality=95)
    assert difference(decode(path).pixels, scene) < 4


@pytest.mark.parametrize("shape", [(1, 1), (1, 300), (300, 1), (2, 3), (7, 9)])
def test_the_smallest_pictures_are_pictures(save, shape):
    pixels = np.full((*shape, 3), 90, np.uint8)
    for name in ("a.jpg", "a.png", "a.webp", "a.tif"):
        assert difference(decode(save(name, pixels)).pixels, pixels) <= 2, name


def test_of_a_dng_the_embedded_preview_is_taken(tmp_path, scene, encoded):
    path = tmp_path / "a.dng"
    path.write_bytes(dng_with_preview(encoded(scene, "JPEG", quality=95), scene))
    picture = decode(path)
    assert difference(picture.pixels, scene) < 4
    assert (picture.facts.format, picture.facts.mode) == ("dng", "CFA")


def test_a_raw_file_without_a_preview_says_so(tmp_path, scene):
    path = tmp_path / "a.dng"
    path.write_bytes(dng_with_preview(None, scene))
    with pytest.raises(RawWithoutPreview, match="export it as JPEG"):
        decode(path)


def dng_with_preview(jpeg: bytes | None, scene) -> bytes:
    """A minimal DNG: sensor data in directory 0, a JPEG preview in its SubIFD."""
    sensor = (np.tile(scene[..., 1].astype(np.uint16) << 4, (3, 3))).astype("<u2")
    height, width = sensor.shape
    one, zero = struct.pack("<ii", 10000, 10000), struct.pack("<ii", 0, 10000)
    matrix = one + zero + zero + zero + one + zero + zero + zero + one
    preview = scene.shape[:2]
    sub = [
        (254, 4, 1, _long(1)), (256, 4, 1, _long(preview[1])), (257, 4, 1, _long(preview[0])),
        (258, 3, 3, struct.pack("<3H", 8, 8, 8)), (259, 3, 1, _short(7)), (262, 3, 1, _short(6)),
        (273, 4, 1, b"@JPEG"), (277, 3, 1, _short(3)), (278, 4, 1, _long(preview[0])),
        (279, 4, 1, _long(len(jpeg or b""))),
    ]  # fmt: skip
    main = [
        (254, 4, 1, _long(0)), (256, 4, 1, _long(width)), (257, 4, 1, _long(height)), (258, 3, 1, _short(16)),
        (259, 3, 1, _short(1)), (262, 3, 1, _short(32803)), (271, 2, 5, b"Made\0"), (272, 2, 3, b"Up\0"),
        (273, 4, 1, b"@SENSOR"), (277, 3, 1, _short(1)), (278, 4, 1, _long(height)), (279, 4, 1, _long(sensor.nbytes)),
        *([(330, 4, 1, b"@SUB")] if jpeg else []),
        (33421, 3, 2, struct.pack("<2H", 2, 2)), (33422, 1, 4, bytes((0, 1, 1, 2))), (50706, 1, 4, bytes((1, 4, 0, 0))),
        (50708, 2, 8, b"Made up\0"), (50721, 10, 9, matrix),
    ]  # fmt: skip
    blocks = {b"@JPEG": jpeg or b"", b"@SENSOR": sensor.tobytes()}
    data = b"II*\0" + _long(0)
    places = {}
    for name, block in blocks.items():
        places[name] = _long(len(data))
        data += block + bytes(len(block) % 2)
    if jpeg:
        places[b"@SUB"], data = _with_directory(data, sub, places)
    start, data = _with_directory(data, main, places)
    return data[:4] + start + data[8:]


def _short(value: int) -> bytes:
    return struct.pack("<H", value)


def _long(value: int) -> bytes:
    return struct.pack("<I", value)


def _with_directory(data: bytes, entries, places) -> tuple[bytes, bytes]:
    table = b""
    for tag, kind, count, value in entries:
        value = places.get(value, value)  # noqa: PLW2901 - a place stands for its offset
        if len(value) > 4:
            at = _long(len(data))
            data += value + bytes(len(value) % 2)
            value = at  # noqa: PLW2901 - what does not fit in is pointed at
        table += struct.pack("<HHI", tag, kind, count) + value.ljust(4, b"\0")
    return _long(len(data)), data + _short(len(entries)) + table + bytes(4)
