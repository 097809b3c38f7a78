"""The BOM of several documents."""

from __future__ import annotations

from typing import Any


def join_boms(objects: list[dict[str, Any]]) -> dict[str, Any]:
    """Merge BOMs: components with the same names become one.

    >>> model = {"type": "machine-learning-model", "name": "m"}
    >>> join_boms([{"components": [model]}, {"components": [{**model, "version": "1"}]}])
    {'components': [{'type': 'machine-learning-model', 'name': 'm', 'version': '1'}]}
    """
    whole, *others = sorted(objects, key=_size, reverse=True)
    known: dict[object, list[dict[str, Any]]] = {}
    _index(whole, known)
    for component in (component for each in others for component in _components(each)):
        same_names = known.setdefault(_names(component), [])
        found = next((each for each in same_names if _is_same(each, component)), None)
        if found is None:
            whole.setdefault("components", []).append(component)
            same_names.append(component)
        else:
            _merge(found, component)
    for each in others:
        for key, value in each.items():
            if key != "components":
                whole.setdefault(key, value)
    return whole


def _components(bom: dict[str, Any]) -> list[Any]:
    """Return the components of a BOM, also the one that it describes."""
    metadata = bom.get("metadata")
    main = metadata.get("component") if isinstance(metadata, dict) else None
    return [*([main] if isinstance(main, dict) else []), *bom.get("components", ())]


def _size(bom: dict[str, Any]) -> tuple[int, int, int]:
    return len(bom.keys() - {"components"}), len(bom.get("components", ())), len(str(bom))


def _index(value: Any, known: dict[object, list[dict[str, Any]]]) -> None:
    """Index the components in a BOM by their names."""
    if isinstance(value, dict) and "name" in value:
        known.setdefault(_names(value), []).append(value)
    children = value.values() if isinstance(value, dict) else value
    for child in children:
        if isinstance(child, (dict, list)):
            _index(child, known)


def _names(component: dict[str, Any]) -> object:
    return tuple(str(component.get(key) or "") for key in ("type", "group", "name"))


def _is_same(first: Any, second: Any) -> bool:
    if not isinstance(first, dict) or not isinstance(second, dict) or "name" not in first:
        return False
    if _names(first) != _names(second):
        return False
    # A model without version is that of the first version.
    return not second.get("version") or first.get("version") == second["version"]


def _merge(into: dict[str, Any], other: dict[str, Any]) -> None:
    for key, value in other.items():
        mine = into.get(key)
        if isinstance(value, dict) and isinstance(mine, dict):
            _merge(mine, value)
        elif isinstance(value, list) and isinstance(mine, list):
            _merge_lists(mine, value)
        else:
            into.setdefault(key, value)


def _merge_lists(into: list[Any], other: list[Any]) -> None:
    for item in other:
        found = next((each for each in into if _is_same(each, item)), None)
        if found is None:
            into.append(item)
        else:
            _merge(found, item)
