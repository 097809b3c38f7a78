"""Hypothesis strategies that the tests of foreign formats share."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st


def _json(numbers: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.recursive(
        st.none()
        | st.booleans()
        | numbers
        | st.text(max_size=5)
        | st.sampled_from(["", "auto", "text", "function"]),
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
        ),
        max_leaves=6,
    )


#: Any JSON value, for keys that nobody knows.
any_json = _json(st.integers(-(2**70), 2**70) | st.floats())

#: Values for keys that take others. Numbers that opaque JSON keeps as text are not among them,
#: because the text could be what the key takes.
wrong_json = _json(st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False))

_numbers = st.integers(-(2**70), 2**70) | st.floats()

#: Any JSON value, but numbers that opaque JSON keeps as text are not inside objects: in a pattern,
#: `[*]` stands for the indexes of a list, and for odd keys of an object in its place too.
most_json = wrong_json | _numbers | st.lists(_numbers, max_size=2)


def often(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Return a strategy for values that are sometimes null or of another type."""
    return st.one_of(strategy, strategy, strategy, st.none(), wrong_json)


def objects(
    required: dict[str, st.SearchStrategy[Any]] | None = None,
    **optional: st.SearchStrategy[Any],
) -> st.SearchStrategy[dict[str, Any]]:
    """Return a strategy for objects; optional keys may have values of a wrong type.

    Args:
        required: The keys that are always there, with values of the right type.
        optional: The keys that may be there.
    """
    wild = {key: often(strategy) for key, strategy in optional.items()}
    return st.fixed_dictionaries(
        required or {}, optional={**wild, "x_unknown": any_json, "": any_json}
    )


def tagged(type_: str, **optional: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Return a strategy for objects of a type."""
    return objects({"type": st.just(type_)}, **optional)
