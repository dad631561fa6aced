"""Damage to the bytes of a file, for property-based tests."""

import struct

from hypothesis import strategies as st

DAMAGE = st.lists(
    st.tuples(st.sampled_from(["flip", "cut", "insert", "number"]), st.floats(0, 1), st.integers(0, 255)),
    min_size=1,
    max_size=3,
)


def damaged(content: bytes, damage: list[tuple[str, float, int]]) -> bytes:
    """The content after each of (what happens, where as a share of it, a byte that says how)."""
    found = bytearray(content)
    for kind, place, value in damage:
        at = int(place * len(found))
        if kind == "flip" and at < len(found):
            found[at] ^= value or 1
        elif kind == "cut":
            del found[at : at + value * 4]
        elif kind == "insert":
            found[at:at] = bytes([value]) * (value % 9)
        elif kind == "number" and at + 4 <= len(found):
            found[at : at + 4] = struct.pack("<I", 2**32 - 1 - value)
    return bytes(found)
