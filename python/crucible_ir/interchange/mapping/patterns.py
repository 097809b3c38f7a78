"""Path patterns: one pattern stands for the same place in every item of a list.

A path has the notation of errors, such as ``choices[0].message["a key"]``. In a pattern, ``[*]``
stands for every index or key, ``[0-17,19]`` and ``["a","b"]`` for some of them, and ``.**`` at the
end for everything inside a value.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any, Final, TypeAlias

from crucible_ir.paths import MapKey, Part

#: The steps of a path.
Path: TypeAlias = tuple[Part, ...]

#: The indexes and keys in a path, in their order: what tells two paths of one template apart.
Position: TypeAlias = tuple[int | str, ...]

#: The end of a pattern that stands for everything inside a value.
INSIDE: Final = "**"

_NAME = re.compile(r"[A-Za-z_$][A-Za-z0-9_$-]*")


def write_path(parts: Iterable[Part]) -> str:
    """Write a path; keys that do not look like a name are quoted.

    >>> write_path(["choices", 0, "message", "top.p"])
    'choices[0].message["top.p"]'
    """
    text = ""
    for part in parts:
        if isinstance(part, int):
            text += f"[{part}]"
        elif isinstance(part, MapKey) or not _NAME.fullmatch(part):
            text += f"[{_quoted(part)}]"
        else:
            text += f".{part}" if text else part
    return text


def _quoted(key: str) -> str:
    """Return a key in quotes; unpaired surrogates, which no file can hold, are escaped."""
    return json.dumps(key, ensure_ascii=any("\ud800" <= letter <= "\udfff" for letter in key))


def split_path(path: Path) -> tuple[Path, Position]:
    """Return the template of a path, with 0 for every index and key of a map, and its position.

    >>> split_path(("choices", 1, "message"))
    (('choices', 0, 'message'), (1,))
    """
    if all(type(part) is str for part in path):
        return path, ()
    template = tuple(part if type(part) is str else 0 for part in path)
    return template, tuple(part for part in path if type(part) is not str)


def write_pattern(template: Path, sets: Sequence[str], *, inside: bool = False) -> str:
    """Write a pattern.

    Args:
        template: The path with 0 for every index and key.
        sets: The content of each pair of brackets.
        inside: Whether the pattern stands for everything inside the value.
    """
    brackets = iter(sets)
    text = ""
    for part in template:
        if isinstance(part, int):
            text += f"[{next(brackets)}]"
        else:
            text += write_path([part]) if not text or not _NAME.fullmatch(part) else f".{part}"
    if inside:
        text += f".{INSIDE}" if text else INSIDE
    return text


def general_sets(template: Path) -> list[str]:
    """Return ``*`` for each index and key of a template."""
    return ["*" for part in template if isinstance(part, int)]


class Places:
    """A set of positions of one template, in ranges, so that a long list takes little memory.

    >>> places = Places()
    >>> for index in (0, 1, 2, 5):
    ...     places.add((index,))
    >>> places.size
    2
    """

    __slots__ = ("_members", "size")

    def __init__(self) -> None:
        #: For the indexes and keys before the last one, the ranges of the last index or the key.
        self._members: dict[Position, list[Any]] = {}
        #: How many ranges and keys there are.
        self.size = 0

    def add(self, position: Position) -> None:
        """Add a position."""
        if position and isinstance(position[-1], int):
            self.add_range(position[:-1], position[-1], position[-1])
        else:
            self._members.setdefault(position[:-1], []).append(position[-1:])
            self.size += 1

    def add_range(self, prefix: Position, first: int, last: int) -> None:
        """Add the positions with the last index in a range."""
        members = self._members.setdefault(prefix, [])
        if members and isinstance(members[-1], list) and members[-1][1] == first - 1:
            members[-1][1] = last
        else:
            members.append([first, last])
            self.size += 1

    def update(self, other: Places) -> None:
        """Add the positions of another set."""
        for prefix, members in other._members.items():
            for member in members:
                if isinstance(member, list):
                    self.add_range(prefix, *member)
                else:
                    self.add((*prefix, *member))

    def resized(self, dimensions: int) -> Places:
        """Return the positions with another number of indexes: cut, or filled up with a mark."""
        result = Places()
        for prefix, members in self._members.items():
            position: Position = prefix
            if dimensions > len(prefix):
                for member in members:
                    if isinstance(member, list) and dimensions == len(prefix) + 1:
                        result.add_range(prefix, *member)
                    elif isinstance(member, list):
                        for index in range(member[0], member[1] + 1):
                            marks = ("",) * (dimensions - len(prefix) - 1)
                            result.add((*prefix, index, *marks))
                    else:
                        marks = ("",) * (dimensions - len(prefix) - len(member))
                        result.add((*prefix, *member, *marks))
            elif dimensions:
                result.add(position[:dimensions])
        return result

    def tree(self) -> _Tree:
        """Return the positions as a tree with a level for each index."""
        root: dict[int | str, Any] = {}
        for prefix, members in self._members.items():
            node, steps = root, list(prefix)
            last = _normal(members)
            for step in steps[:-1]:
                node = node.setdefault(step, {})
            if not steps:
                return last
            node[steps[-1]] = last
        return root


#: A set of the last index: merged ranges and sorted keys.
_Last: TypeAlias = tuple[tuple[int, int] | str, ...]

#: The positions below an index, down to the sets of the last index.
_Tree: TypeAlias = "dict[int | str, _Tree] | _Last"


def _normal(members: Iterable[Any]) -> _Last:
    ranges: list[list[int]] = []
    for first, last in sorted(tuple(each) for each in members if isinstance(each, list)):
        if ranges and first <= ranges[-1][1] + 1:
            ranges[-1][1] = max(last, ranges[-1][1])
        else:
            ranges.append([first, last])
    keys = sorted({each[0] for each in members if isinstance(each, tuple) and each})
    return (*((first, last) for first, last in ranges), *keys)


def cover(some: Places, every: Places, dimensions: int) -> list[tuple[tuple[str, ...], int]]:
    """Return the contents of brackets that stand for some of the positions of a template.

    Args:
        some: The positions to describe.
        every: Every position of the template.
        dimensions: The number of indexes and keys in the template.

    Returns:
        The contents of the brackets of each pattern, with the number of positions.

    >>> some, every = Places(), Places()
    >>> for position in ((0, 0), (0, 1), (2, 0), (2, 1)):
    ...     some.add(position)
    ...     every.add(position)
    >>> every.add((1, 0))
    >>> cover(some, every, 2)
    [(('0,2', '*'), 4)]
    """
    return _cover(some.tree(), every.tree(), dimensions) if dimensions else [((), 1)]


_Covers: TypeAlias = list[tuple[tuple[str, ...], int]]


def _cover(some: _Tree, every: _Tree, dimensions: int) -> _Covers:
    if some == every:
        return [(("*",) * dimensions, _count(some))]
    if not isinstance(some, dict):
        return [((_write_last(some),), _count(some))]
    assert isinstance(every, dict)
    merged: dict[tuple[tuple[str, ...], ...], list[tuple[int | str, _Covers]]] = {}
    for first, rest in some.items():
        covers = _cover(rest, every[first], dimensions - 1)
        merged.setdefault(tuple(sets for sets, _ in covers), []).append((first, covers))
    result: _Covers = []
    for groups, members in merged.items():
        firsts = _write_firsts([first for first, _ in members])
        for at, sets in enumerate(groups):
            result.append(((firsts, *sets), sum(covers[at][1] for _, covers in members)))
    return result


def _count(tree: _Tree) -> int:
    if isinstance(tree, dict):
        return sum(map(_count, tree.values()))
    return sum(1 if isinstance(each, str) else each[1] - each[0] + 1 for each in tree)


def _write_firsts(firsts: list[int | str]) -> str:
    numbers = [[each, each] for each in firsts if isinstance(each, int)]
    keys = [(each,) for each in firsts if isinstance(each, str)]
    return _write_last(_normal([*numbers, *keys]))


def _write_last(members: _Last) -> str:
    return ",".join(
        _quoted(member)
        if isinstance(member, str)
        else (str(member[0]) if member[0] == member[1] else f"{member[0]}-{member[1]}")
        for member in members
    )


_STEP = re.compile(r'\.?([A-Za-z_$][A-Za-z0-9_$-]*)|\[((?:"(?:[^"\\]|\\.)*"|[^\]"])*)\]|\.?(\*\*)')
_MEMBER = re.compile(r'"(?:[^"\\]|\\.)*"|[^,]+')


@lru_cache(maxsize=4096)
def _parse(pattern: str) -> tuple[Any, ...]:
    steps: list[Any] = []
    for name, brackets, inside in _STEP.findall(pattern):
        if inside:
            steps.append(INSIDE)
        elif not brackets:
            steps.append(({name}, []))
        elif brackets == "*":
            steps.append(None)
        else:
            members: set[object] = set()
            ranges: list[range] = []
            for member in _MEMBER.findall(brackets):
                if member.startswith('"'):
                    members.add(json.loads(member))
                else:
                    low, _, high = member.partition("-")
                    ranges.append(range(int(low), int(high or low) + 1))
            steps.append((members, ranges))
    return tuple(steps)


def matches(pattern: str, path: Path) -> bool:
    """Return whether a pattern stands for a path.

    >>> matches("history[0-2,5].loss", ("history", 5, "loss"))
    True
    >>> matches("tools[*].parameters.**", ("tools", 0, "parameters", "type"))
    True
    """
    steps = _parse(pattern)
    inside = bool(steps) and steps[-1] == INSIDE
    if inside:
        steps = steps[:-1]
    if len(path) < len(steps) or (len(path) == len(steps)) is inside:
        return False
    return all(
        step is None or part in step[0] or any(part in each for each in step[1])
        for step, part in zip(steps, path, strict=False)
    )
