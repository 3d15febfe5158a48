from __future__ import annotations

import os
import struct
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from pipelines.methods.decoding import decode_bytes
from pipelines.methods.pixels import UnreadableImageError, decode

LOSSLESS = ["png", "bmp", "gif", "webp", "tiff"]


def ramp(height: int = 24, width: int = 32) -> np.ndarray:
    """A grey picture without symmetry, so that a wrong turn or flip shows."""
    rows, columns = np.mgrid[:height, :width]
    return ((rows * 7 + columns * 3) % 256).astype(np.uint8)


def colours(height: int = 24, width: int = 32) -> np.ndarray:
    grey = ramp(height, width)
    return np.stack([grey, 255 - grey, grey // 2], axis=-1)


def save(path: Path, image: Image.Image | np.ndarray, **options: object) -> Path:
    picture = image if isinstance(image, Image.Image) else Image.fromarray(image)
    picture.save(path, **options)
    return path


def png_header(width: int, height: int, rows: bytes = b"") -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + check

    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


@pytest.mark.parametrize("suffix", LOSSLESS)
def test_lossless_grey_comes_back_as_written(tmp_path: Path, suffix: str) -> None:
    grey = ramp()
    options = {"lossless": True} if suffix == "webp" else {}
    array = decode(save(tmp_path / f"image.{suffix}", grey, **options))
    assert array.dtype == np.uint8
    # WebP has no grey.
    assert array.shape == (24, 32, 3 if suffix == "webp" else 1)
    assert (array == grey[..., None]).all()


@pytest.mark.parametrize("suffix", ["png", "bmp", "webp", "tiff"])
def test_lossless_rgb_comes_back_as_written(tmp_path: Path, suffix: str) -> None:
    options = {"lossless": True} if suffix == "webp" else {}
    array = decode(save(tmp_path / f"image.{suffix}", colours(), **options))
    np.testing.assert_array_equal(array, colours())


@pytest.mark.parametrize(("picture", "channels"), [(ramp(), 1), (colours(), 3)])
def test_jpeg_keeps_its_channels(tmp_path: Path, picture: np.ndarray, channels: int) -> None:
    array = decode(save(tmp_path / "image.jpg", picture, quality=98, subsampling=0))
    assert array.shape == (24, 32, channels)
    wanted = picture.reshape(24, 32, channels).astype(int)
    assert np.abs(array.astype(int) - wanted).mean() < 6


def test_one_bit_image(tmp_path: Path) -> None:
    bits = ramp() > 90
    array = decode(save(tmp_path / "image.png", Image.fromarray(bits)))
    np.testing.assert_array_equal(array[..., 0], bits * np.uint8(255))


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_transparency_is_laid_on_black(tmp_path: Path, mode: str) -> None:
    image = Image.fromarray(np.full((4, 6, 3), 200, np.uint8)).convert(mode)
    alpha = np.zeros((4, 6), np.uint8)
    alpha[:, 3:] = 255
    alpha[0, 0] = 128
    image.putalpha(Image.fromarray(alpha))
    array = decode(save(tmp_path / "image.png", image))
    assert array.shape == (4, 6, 3 if mode == "RGBA" else 1)
    assert (array[1:, :3] == 0).all()
    assert (array[:, 3:] == 200).all()
    assert (array[0, 0] == 100).all()


def test_palette_becomes_rgb(tmp_path: Path) -> None:
    image = Image.fromarray(colours()).quantize(16)
    array = decode(save(tmp_path / "image.png", image))
    np.testing.assert_array_equal(array, np.asarray(image.convert("RGB")))


def test_grey_palette_becomes_grey(tmp_path: Path) -> None:
    image = Image.fromarray(np.stack([ramp()] * 3, axis=-1)).quantize(32)
    assert image.mode == "P"
    array = decode(save(tmp_path / "image.png", image))
    assert array.shape == (24, 32, 1)
    np.testing.assert_array_equal(array[..., 0], np.asarray(image.convert("RGB"))[..., 0])


@pytest.mark.parametrize("transparency", [0, bytes([0, 255, 255, 255])])
@pytest.mark.parametrize("suffix", ["png", "gif"])
def test_palette_with_transparency(tmp_path: Path, suffix: str, transparency: int | bytes) -> None:
    if suffix == "gif" and isinstance(transparency, bytes):
        transparency = 0
    image = Image.fromarray(np.array([[0, 1], [2, 3]], np.uint8), "P")
    image.putpalette([200, 10, 10, 20, 200, 20, 30, 30, 200, 250, 250, 10])
    array = decode(save(tmp_path / f"image.{suffix}", image, transparency=transparency))
    assert array[0, 0].tolist() == [0, 0, 0]
    assert array[0, 1].tolist() == [20, 200, 20]


def test_transparent_grey_level(tmp_path: Path) -> None:
    image = Image.fromarray(np.array([[7, 9]], np.uint8))
    array = decode(save(tmp_path / "image.png", image, transparency=9))
    assert array.tolist() == [[[7], [0]]]


@pytest.mark.parametrize("suffix", ["tiff", "jpg"])
def test_cmyk_becomes_rgb(tmp_path: Path, suffix: str) -> None:
    image = Image.new("CMYK", (16, 16), (0, 255, 255, 0))
    array = decode(save(tmp_path / f"image.{suffix}", image))
    assert array.shape == (16, 16, 3)
    assert np.abs(array[8, 8].astype(int) - [255, 0, 0]).max() <= 3


@pytest.mark.parametrize("suffix", ["png", "tiff"])
def test_sixteen_bits_are_kept(tmp_path: Path, suffix: str) -> None:
    wide = (ramp().astype(np.uint16) * 257)[:, :30]
    array = decode(save(tmp_path / f"image.{suffix}", wide))
    assert array.dtype == np.uint16
    np.testing.assert_array_equal(array[..., 0], wide)


def test_big_endian_sixteen_bits(tmp_path: Path) -> None:
    wide = ramp().astype(np.uint16) * 250
    image = Image.frombytes("I;16B", (32, 24), wide.astype(">u2").tobytes())
    array = decode(save(tmp_path / "image.tif", image))
    assert array.dtype == np.dtype("=u2")
    np.testing.assert_array_equal(array[..., 0], wide)


def test_thirty_two_bits_within_sixteen(tmp_path: Path) -> None:
    wide = ramp().astype(np.int32) * 200
    array = decode(save(tmp_path / "image.tif", Image.fromarray(wide)))
    assert array.dtype == np.uint16
    np.testing.assert_array_equal(array[..., 0], wide)


def test_thirty_two_bits_beyond_sixteen_are_refused(tmp_path: Path) -> None:
    path = save(tmp_path / "image.tif", Image.fromarray(ramp().astype(np.int32) - 5))
    with pytest.raises(UnreadableImageError, match="go from -5 to"):
        decode(path)


def test_floats_within_zero_and_one(tmp_path: Path) -> None:
    floats = ramp().astype(np.float32) / 255
    array = decode(save(tmp_path / "image.tif", Image.fromarray(floats)))
    assert array.dtype == np.float32
    np.testing.assert_array_equal(array[..., 0], floats)


@pytest.mark.parametrize(("value", "reason"), [(1.5, "go from 0 to 1.5"), (np.nan, "not numbers")])
def test_other_floats_are_refused(tmp_path: Path, value: float, reason: str) -> None:
    floats = np.zeros((4, 4), np.float32)
    floats[1, 1] = value
    path = save(tmp_path / "image.tif", Image.fromarray(floats))
    with pytest.raises(UnreadableImageError, match=reason):
        decode(path)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", ["png", "tiff", "webp"])
def test_exif_orientation_is_undone(tmp_path: Path, suffix: str, orientation: int) -> None:
    upright = colours()
    # How a camera stores the picture for each orientation, from the EXIF 2.3 standard.
    stored = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.swapaxes(0, 1),
        6: np.rot90(upright, 1),
        7: upright[::-1, ::-1].swapaxes(0, 1),
        8: np.rot90(upright, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"lossless": True} if suffix == "webp" else {}
    path = save(tmp_path / f"image.{suffix}", Image.fromarray(stored.copy()), exif=exif, **options)
    np.testing.assert_array_equal(decode(path), upright)


def test_exif_orientation_of_a_jpeg(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    path = save(tmp_path / "image.jpg", np.rot90(ramp(), 1).copy(), exif=exif, quality=98)
    assert decode(path).shape == (24, 32, 1)


def test_damaged_exif_costs_nothing(tmp_path: Path) -> None:
    path = save(tmp_path / "image.jpg", ramp(), exif=b"Exif\x00\x00II*\x00\xff\xff\xff\x7f")
    assert decode(path).shape == (24, 32, 1)


@pytest.mark.parametrize("suffix", ["gif", "tiff"])
def test_first_frame_is_taken(tmp_path: Path, suffix: str) -> None:
    frames = [Image.new("L", (5, 4), level) for level in (10, 200)]
    path = tmp_path / f"image.{suffix}"
    frames[0].save(path, save_all=True, append_images=frames[1:])
    assert (decode(path)[..., 0] == 10).all()


def test_content_decides_not_the_name(tmp_path: Path) -> None:
    path = tmp_path / "really a png é.jpg"
    save(path, ramp(), format="PNG")
    np.testing.assert_array_equal(decode(path)[..., 0], ramp())


@pytest.mark.parametrize("suffix", ["jpg", *LOSSLESS])
def test_truncated_file_is_refused(tmp_path: Path, suffix: str) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    whole = save(tmp_path / f"whole.{suffix}", noise).read_bytes()
    path = tmp_path / f"cut.{suffix}"
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UnreadableImageError) as caught:
        decode(path)
    assert str(path) in str(caught.value)
    assert "cut off" in caught.value.reason or "not a whole" in caught.value.reason


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty"),
        (b"this is text, not a picture\n", "text"),
        (b"<!DOCTYPE html>\n<html>404</html>\n", "text"),
        (bytes(range(256)), "not a whole"),
        (b"\x89PNG\r\n\x1a\n", "cut off|not a whole"),
    ],
)
def test_what_is_no_image_is_refused(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "image.png"
    path.write_bytes(content)
    with pytest.raises(UnreadableImageError, match=reason):
        decode(path)


def test_formats_beyond_the_list_are_refused(tmp_path: Path) -> None:
    path = save(tmp_path / "image.png", Image.fromarray(ramp()), format="PPM")
    with pytest.raises(UnreadableImageError, match="not a whole JPEG"):
        decode(path)


@pytest.mark.parametrize("side", [10_001, 20_000])
def test_huge_image_is_refused_by_its_header(tmp_path: Path, side: int) -> None:
    path = tmp_path / "huge.png"
    # A true picture of 400 megapixels in 50 kB would decode if it were tried.
    path.write_bytes(png_header(side, side, bytes((side // 8 + 2) * side)))
    with pytest.raises(UnreadableImageError, match="100,000,000"):
        decode(path)


def test_largest_allowed_size_passes_the_guard(tmp_path: Path) -> None:
    path = tmp_path / "large.png"
    path.write_bytes(png_header(10_000, 10_000))
    with pytest.raises(UnreadableImageError) as caught:
        decode(path)
    assert "allowed" not in caught.value.reason


def test_missing_file_folder_and_pipe_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UnreadableImageError, match="No such file"):
        decode(tmp_path / "nothing.png")
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(UnreadableImageError, match="not a regular file"):
        decode(tmp_path / "folder.png")
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(UnreadableImageError, match="not a regular file"):
        decode(tmp_path / "pipe.png")


def test_pillow_says_nothing(tmp_path: Path) -> None:
    path = tmp_path / "large.png"
    path.write_bytes(png_header(9_900, 9_900))  # Pillow alone warns of a bomb here
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with pytest.raises(UnreadableImageError):
            decode(path)
    assert caught == []


def test_threads_agree(tmp_path: Path) -> None:
    paths = [save(tmp_path / f"{i}.png", np.full((9, 9), i, np.uint8)) for i in range(40)]
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"no")

    def level(path: Path) -> int:
        try:
            return int(decode(path)[0, 0, 0])
        except UnreadableImageError:
            return -1

    with ThreadPoolExecutor(8) as pool:
        levels = list(pool.map(level, [*paths, bad] * 5))
    assert levels == [*range(40), -1] * 5


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_damage_is_either_decoded_or_refused(tmp_path: Path, data: st.DataObject) -> None:
    suffix = data.draw(st.sampled_from(["jpg", *LOSSLESS]))
    path = tmp_path / f"fuzzed.{suffix}"
    content = bytearray(save(path, colours(8, 8)).read_bytes())
    for _ in range(data.draw(st.integers(1, 8))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content)
    try:
        array = decode(path)
    except UnreadableImageError as error:
        assert error.reason
    else:
        assert array.ndim == 3
        assert array.shape[2] in (1, 3)


@pytest.mark.parametrize("ending", ["png", "tiff", "gif"])
def test_what_is_in_memory_is_decoded_as_the_file_would_be(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"x.{ending}"
    noise = np.random.default_rng(0).integers(0, 256, (7, 9, 3), dtype=np.uint8)
    Image.fromarray(noise).save(path)
    from_memory = decode_bytes(path.read_bytes(), "../elsewhere.png")
    assert (from_memory == decode(path)).all()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", r"it is empty \(0 bytes\)"),
        (b"some words", "its content is text, not an image"),
        (b"\x89PNG\r\n\x1a\n" + bytes(40), "its content is not a whole|it is damaged"),
    ],
)
def test_what_is_in_memory_and_no_image_is_refused_by_its_name(content: bytes, reason: str) -> None:
    with pytest.raises(UnreadableImageError, match=reason) as caught:
        decode_bytes(content, "upload.png")
    assert "upload.png" in str(caught.value)


def test_an_image_in_memory_has_a_bound_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "x.png"
    Image.new("L", (30, 20)).save(path)
    assert decode_bytes(path.read_bytes(), "x.png", 600).shape == (20, 30, 1)
    with pytest.raises(UnreadableImageError, match="more than the 599 allowed"):
        decode_bytes(path.read_bytes(), "x.png", 599)
