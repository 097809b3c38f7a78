"""Paths: the notation of errors for a value inside a message or document."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from functools import lru_cache
from typing import TypeAlias


class MapKey(str):
    """A key of a map, which paths quote, unlike the name of a field."""

    __slots__ = ()


#: A step of a path: the name of a field, a key of a map or an index of a list.
Part: TypeAlias = str | int

_STEP = re.compile(r'\.?([^.\[\]"]+)|\[(\d+)\]|\[("(?:[^"\\]|\\.)*")\]|\[(-?\w+)\]')
#: The index of a list or the key of a map.
_SUBSCRIPT = re.compile(r'\[(?:"(?:[^"\\]|\\.)*"|[^\]]*)\]')


def format_path(parts: Iterable[Part]) -> str:
    """Write a path as ``pipeline[2].name`` or ``weights["gpt-4"]``.

    >>> format_path(["config", "weights", MapKey("gpt-4"), 0])
    'config.weights["gpt-4"][0]'
    """
    text = ""
    for part in parts:
        if type(part) is str:
            text += f".{part}" if text else part
        elif isinstance(part, MapKey):
            text += f"[{json.dumps(part, ensure_ascii=False)}]"
        else:
            text += f"[{part}]"
    return text


@lru_cache(maxsize=4096)
def general_path(text: str) -> str:
    """Return a path with ``[*]`` for the indexes of lists and the keys of maps.

    >>> general_path('pipeline[2].weights["a]"]')
    'pipeline[*].weights[*]'
    """
    return _SUBSCRIPT.sub("[*]", text) if "[" in text else text


def parse_path(text: str) -> tuple[Part, ...]:
    """Read a path that `format_path` wrote.

    >>> parse_path('pipeline[2].weights["a.b"]')
    ('pipeline', 2, 'weights', 'a.b')
    """
    parts: list[Part] = []
    for name, index, key, bare in _STEP.findall(text):
        if index:
            parts.append(int(index))
        elif key:
            parts.append(MapKey(json.loads(key)))
        else:
            parts.append(MapKey(bare) if bare else name)
    return tuple(parts)
