#!/usr/bin/env python
"""Draws copaw's mark, a C and a dot in it, into ``src/copaw/console``: an SVG, and PNGs for light and dark pages."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

FOLDER = Path(__file__).parents[1] / "src" / "copaw" / "console"
CIRCLES = ((32, 32, 28), (42, 32, 18), (44, 32, 7))
"""Centre and radius, in a square of 64. What lies in an odd number of them is painted."""
SIDE, STEPS = 256, 4
DARK, LIGHT = (0x1F, 0x2A, 0x44), (0xE8, 0xEC, 0xF4)


def svg() -> str:
    path = "".join(f"M{x - r} {y}a{r} {r} 0 1 0 {2 * r} 0a{r} {r} 0 1 0 {-2 * r} 0z" for x, y, r in CIRCLES)
    colour = "#{:02x}{:02x}{:02x}".format(*DARK)
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 64 64" role="img" aria-label="copaw">'
        f'<path fill="{colour}" fill-rule="evenodd" d="{path}"/></svg>\n'
    )


def png(colour: tuple[int, int, int]) -> bytes:
    rows = b"".join(b"\0" + b"".join(bytes((*colour, _alpha(x, y))) for x in range(SIDE)) for y in range(SIDE))
    header = struct.pack(">IIBBBBB", SIDE, SIDE, 8, 6, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", zlib.compress(rows, 9)) + _chunk(b"IEND", b"")
    )


def _alpha(column: int, row: int) -> int:
    """How much of a pixel is painted, from 0 to 255."""
    scale = 64 / SIDE
    steps = [(step + 0.5) / STEPS for step in range(STEPS)]
    painted = sum(_painted((column + dx) * scale, (row + dy) * scale) for dx in steps for dy in steps)
    return round(255 * painted / STEPS**2)


def _painted(x: float, y: float) -> bool:
    return sum((x - cx) ** 2 + (y - cy) ** 2 <= r**2 for cx, cy, r in CIRCLES) % 2 == 1


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


if __name__ == "__main__":
    (FOLDER / "mark.svg").write_text(svg(), encoding="utf-8")
    (FOLDER / "mark.png").write_bytes(png(DARK))
    (FOLDER / "mark-dark.png").write_bytes(png(LIGHT))
