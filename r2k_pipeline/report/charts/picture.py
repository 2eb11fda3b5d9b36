"""PNG bytes made smaller: the same picture, packed harder.

Belongs here: the container of a picture (PNG, RFC 2083). Not here: what is drawn, or by whom.
"""

import struct
import zlib
from collections.abc import Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

_SIGNATURE: Final = 8
"""Bytes before the first chunk."""
_HEADER: Final = struct.Struct(">IIBBBBB")
_RGB, _INDEXED, _RGBA = 2, 3, 6
_NONE, _SUB = 0, 1
"""PNG filters of a line: unchanged, or each pixel less the one to its left."""
_COLORS: Final = 256
"""The most that a palette can have."""
_RARE: Final = 0.005
"""The largest share of pixels that may get the nearest colour of a palette: edges of letters, where lines overlap."""


def repack(png: bytes) -> bytes:
    """The same opaque picture at about a fifth of the size, or less; the renderer packs for speed.

    A picture of few colours gets a palette of the 256 most frequent ones; others keep every pixel as it was.
    Pictures that are not opaque 8-bit RGBA with lines of filter Sub, as resvg writes them, come back as they were.
    """
    chunks = list(_chunks(png))
    width, height, depth, color, *rest = _HEADER.unpack(chunks[0][1])
    if (depth, color) != (8, _RGBA) or rest != [0, 0, 0]:
        return png
    packed = zlib.decompress(b"".join(body for kind, body in chunks if kind == b"IDAT"))
    lines = np.frombuffer(packed, np.uint8).reshape(height, 1 + 4 * width)
    pixels = np.add.accumulate(lines[:, 1:].reshape(height, width, 4), axis=1, dtype=np.uint8)
    if (lines[:, 0] != _SUB).any() or (pixels[..., 3] != 255).any():
        return png
    indexed = _indexed(pixels)
    color, palette, values = (_RGB, [], pixels[..., :3]) if indexed is None else (_INDEXED, [indexed[0]], indexed[1])
    # Charts are flat: long runs of equal bytes pack better than differences do.
    plain = np.concatenate([np.full((height, 1), _NONE, np.uint8), values.reshape(height, -1)], axis=1)
    kept = [chunk for chunk in chunks[1:] if chunk[0] not in {b"IDAT", b"IEND"}]
    header = (b"IHDR", _HEADER.pack(width, height, 8, color, 0, 0, 0))
    body = (b"IDAT", zlib.compress(plain.tobytes(), 9))
    written = [header, *kept, *((b"PLTE", colors) for colors in palette), body, (b"IEND", b"")]
    return png[:_SIGNATURE] + b"".join(_chunk(kind, body) for kind, body in written)


def _indexed(pixels: NDArray[np.uint8]) -> tuple[bytes, NDArray[np.uint8]] | None:
    """A palette, and each pixel's place in it; None if more than _RARE of the pixels have colours beyond it."""
    codes = np.ascontiguousarray(pixels).view(np.uint32)[..., 0]
    found, place, count = np.unique(codes, return_inverse=True, return_counts=True)
    often = np.sort(np.argsort(-count, kind="stable")[:_COLORS])
    if count[often].sum() < (1 - _RARE) * codes.size:
        return None
    colors = found.view(np.uint8).reshape(-1, 4)[:, :3].astype(np.int64)
    palette = colors[often]
    away = (palette**2).sum(axis=1) - 2 * colors @ palette.T  # squared distance less the colour's own square
    nearest = away.argmin(axis=1).astype(np.uint8)
    return palette.astype(np.uint8).tobytes(), nearest[place].reshape(codes.shape)


def _chunks(png: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The chunks: kind and body."""
    at = _SIGNATURE
    while at < len(png):
        (length,) = struct.unpack(">I", png[at : at + 4])
        yield png[at + 4 : at + 8], png[at + 8 : at + 8 + length]
        at += 12 + length


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
