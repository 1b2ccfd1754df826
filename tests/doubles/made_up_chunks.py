"""Chunks of PNG and WebP, whole and broken, as no encoder writes them."""

from __future__ import annotations

import struct
import zlib

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_BEHIND_THE_HEADER = len(PNG_SIGNATURE) + 25


def png_chunk(kind: bytes, body: bytes, *, checksum: int | None = None) -> bytes:
    """A PNG's chunk, with its own checksum or a given one."""
    crc = zlib.crc32(kind + body) if checksum is None else checksum
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", crc)


def with_png_chunks(whole: bytes, *chunks: bytes) -> bytes:
    """A PNG with more chunks behind its header."""
    return whole[:_BEHIND_THE_HEADER] + b"".join(chunks) + whole[_BEHIND_THE_HEADER:]


def webp_chunk(kind: bytes, body: bytes) -> bytes:
    """A WebP's chunk, padded to an even length."""
    return kind + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2)


def webp(*chunks: bytes, missing: int = 0) -> bytes:
    """A WebP of these chunks, the last of which lacks so many bytes of its body."""
    body = b"WEBP" + b"".join(chunks)
    return b"RIFF" + struct.pack("<I", len(body) + missing) + body


def with_webp_chunks(whole: bytes, *chunks: bytes) -> bytes:
    """A WebP with more chunks at its end."""
    return webp(whole[12:], *chunks)
