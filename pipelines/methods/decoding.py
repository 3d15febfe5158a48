"""From an image file to pixels, or to the reason why not."""

from __future__ import annotations

import io
import stat
import warnings
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from cache.errors import CentauroError

FORMATS = ("JPEG", "PNG", "BMP", "GIF", "WEBP", "TIFF")
"""The file formats that are read. A file is recognised by its content, not by its name."""

MAX_PIXELS = 100_000_000
"""An image file with more pixels is refused before any memory is taken for them."""

_ORIENTATION_TAG = 0x0112
_PILLOW = r"PIL\."


class UnreadableImageError(CentauroError):
    """A file cannot be turned into pixels.

    Attributes:
        path: The file.
        reason: Why, in plain words and without the file's name.
    """

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"The image cannot be read: {reason}. Received: {path}.")
        self.path = path
        self.reason = reason


def decode(path: Path) -> np.ndarray:
    """Reads an image file.

    The file's EXIF orientation is applied. Of an animation or a file with several pages, the first
    is taken. What is transparent is laid on black, so that an absent pixel is 0. Palettes, CMYK
    and other colour spaces become RGB (a palette of greys becomes grey). RGB with 16 bits a
    channel is read with 8, because Pillow has no wider RGB.

    Args:
        path: A JPEG, PNG, BMP, GIF, WebP or TIFF file.

    Returns:
        Read-only array (height, width, channels) with 1 (grey) or 3 (red, green, blue) channels:
        uint8; uint16 for 16-bit grey; float32 in [0, 1] for grey floating-point numbers.

    Raises:
        UnreadableImageError: The file is empty, not an image, damaged, larger than
            ``MAX_PIXELS``, or has values that have no meaning as grey levels.
    """
    _check_file(path)
    return _decoded(path, path, MAX_PIXELS)


def decode_bytes(content: bytes, name: str, max_pixels: int = MAX_PIXELS) -> np.ndarray:
    """Reads an image that is in memory, an upload's, as :func:`decode` reads a file.

    Args:
        content: The bytes of a JPEG, PNG, BMP, GIF, WebP or TIFF file.
        name: What to call it in messages; never used as a path.
        max_pixels: An image with more is refused before any memory is taken for it.

    Returns:
        As :func:`decode`.

    Raises:
        UnreadableImageError: As for :func:`decode`.
    """
    path = Path(name)
    if not content:
        raise UnreadableImageError(path, "it is empty (0 bytes)")
    return _decoded(io.BytesIO(content), path, max_pixels)


def _decoded(source: Path | io.BytesIO, path: Path, max_pixels: int) -> np.ndarray:
    _silence_pillow()
    # A damaged file can make a decoder fail with nearly any exception, and each means the same.
    try:
        with Image.open(source, formats=FORMATS) as image:
            if image.width * image.height > max_pixels:
                raise UnreadableImageError(
                    path,
                    f"it has {image.width} x {image.height} pixels, "
                    f"more than the {max_pixels:,} allowed",
                )
            image.load()
            orientation = _orientation(image)
            array = _to_array(image)
    except UnreadableImageError:
        raise
    except Image.DecompressionBombError as error:
        raise UnreadableImageError(
            path, f"it has more than the {max_pixels:,} pixels allowed"
        ) from error
    except UnidentifiedImageError as error:
        raise UnreadableImageError(path, _not_an_image(source)) from error
    except Exception as error:
        raise UnreadableImageError(path, _damage(error)) from error
    upright = np.ascontiguousarray(_orient(_checked(array, path), orientation))
    upright.flags.writeable = False
    return upright


def _check_file(path: Path) -> None:
    try:
        status = path.stat()
    except OSError as error:
        raise UnreadableImageError(path, f"it cannot be opened ({error.strerror})") from error
    # Opening a pipe or a device would wait for ever.
    if not stat.S_ISREG(status.st_mode):
        raise UnreadableImageError(path, "it is not a regular file")
    if status.st_size == 0:
        raise UnreadableImageError(path, "it is empty (0 bytes)")


def _silence_pillow() -> None:
    """Keeps Pillow's remarks on damaged files from the user, who gets a reason instead.

    ``warnings.catch_warnings`` is not safe in threads, hence one lasting rule.
    """
    first = warnings.filters[0] if warnings.filters else None
    if first is None or first[0] != "ignore" or getattr(first[3], "pattern", None) != _PILLOW:
        warnings.filterwarnings("ignore", module=_PILLOW)


def _not_an_image(source: Path | io.BytesIO) -> str:
    kinds = ", ".join(FORMATS[:-1])
    if isinstance(source, io.BytesIO):
        start = source.getvalue()[:256]
    else:
        with source.open("rb") as file:
            start = file.read(256)
    if all(byte in b"\t\n\r" or 32 <= byte < 127 for byte in start):
        return f"its content is text, not an image ({kinds} or {FORMATS[-1]})"
    return f"its content is not a whole {kinds} or {FORMATS[-1]} image"


def _damage(error: Exception) -> str:
    if isinstance(error, PermissionError):
        return "it cannot be opened (Permission denied)"
    if isinstance(error, MemoryError):
        return "there is not enough memory for its pixels"
    detail = " ".join(str(error).split()) or type(error).__name__
    return f"it is damaged or cut off ({detail})"


def _orientation(image: Image.Image) -> int:
    # Metadata that cannot be parsed must not cost the picture itself.
    try:
        return int(image.getexif().get(_ORIENTATION_TAG, 1))
    except Exception:
        return 1


def _orient(array: np.ndarray, orientation: int) -> np.ndarray:
    """Undoes an EXIF orientation (1 to 8; anything else is taken as upright)."""
    if orientation in (5, 6, 7, 8):
        array = array.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        array = array[::-1]
    if orientation in (2, 3, 6, 7):
        array = array[:, ::-1]
    return array


def _to_array(image: Image.Image) -> np.ndarray:
    mode = image.mode
    if mode in ("F", "I") or mode.startswith("I;16"):
        return np.asarray(image)[..., None]
    grey = mode in ("1", "L", "LA", "La") or (mode in ("P", "PA") and _grey_palette(image))
    if "A" in mode or "a" in mode or "transparency" in image.info:
        rgba = np.asarray(image.convert("RGBA"))
        colours, alpha = rgba[..., :3], rgba[..., 3:].astype(np.uint16)
        array = ((colours * alpha + 127) // 255).astype(np.uint8)
    else:
        array = np.asarray(image.convert("L" if mode in ("1", "L") else "RGB"))
        array = array[..., None] if array.ndim == 2 else array
    return array[..., :1] if grey else array


def _grey_palette(image: Image.Image) -> bool:
    colours = np.array(image.getpalette("RGB") or [], np.uint8).reshape(-1, 3)
    used = [level for level, count in enumerate(image.histogram()[:256]) if count]
    if not used or used[-1] >= len(colours):
        return False
    shown = colours[used]
    return bool((shown == shown[:, :1]).all())


def _checked(array: np.ndarray, path: Path) -> np.ndarray:
    """Brings decoded values to one of the three dtypes, or refuses them."""
    if array.dtype == np.uint8:
        return array
    if array.dtype == np.float32:
        if not np.isfinite(array).all():
            raise UnreadableImageError(path, "it has pixels that are not numbers (NaN or infinite)")
        low, high = float(array.min()), float(array.max())
        if low < 0 or high > 1:
            raise UnreadableImageError(
                path, f"its floating-point pixels go from {low:g} to {high:g}, not within 0 to 1"
            )
        return array
    low, high = int(array.min()), int(array.max())
    if low < 0 or high > 65_535:
        raise UnreadableImageError(
            path, f"its pixels go from {low} to {high}, not within 0 to 65535"
        )
    return array.astype(np.uint16)
