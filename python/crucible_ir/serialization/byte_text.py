"""Byte text: text in which each character stands for a byte.

Python puts text together faster than bytes: it grows a string in place, and a string that JSON gave
needs no encoding where it is ASCII. So the quick readers write the binary format as byte text. The
strings that they put into it have to be byte text as well, and are, where the JSON was turned into
byte text before it was parsed: what JSON itself is made of is ASCII, which stays what it is.
"""

from __future__ import annotations

#: The encoding that gives each of the first 256 characters the byte of its number.
ENCODING = "latin-1"


def byte_text_json(data: bytes) -> bytes:
    """Return JSON whose strings are byte text, for JSON in UTF-8 without escaped characters.

    Raises:
        UnicodeDecodeError: The bytes are not UTF-8.

    >>> byte_text_json('{"é": 1}'.encode()).decode()
    '{"Ã©": 1}'
    """
    data.decode()
    return data.decode(ENCODING).encode()


def real_values(value: object) -> object:
    """Return plain values with the text that their byte text stands for.

    >>> real_values({"Ã©": ["plain", 1]})
    {'é': ['plain', 1]}
    """
    if isinstance(value, str):
        return value if value.isascii() else value.encode(ENCODING).decode()
    if isinstance(value, dict):
        return {real_values(key): real_values(item) for key, item in value.items()}
    if isinstance(value, list):
        return [real_values(item) for item in value]
    return value
