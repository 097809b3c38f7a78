"""Varints, the binary format's way to write a number in as few bytes as it needs."""

from __future__ import annotations


def varint(number: int) -> bytes:
    """Return a number as a varint; a negative one as ten bytes, for the 64 bits of its type.

    >>> varint(300).hex()
    'ac02'
    """
    number &= 0xFFFF_FFFF_FFFF_FFFF
    made = bytearray()
    while number > 0x7F:
        made.append(number & 0x7F | 0x80)
        number >>= 7
    made.append(number)
    return bytes(made)
