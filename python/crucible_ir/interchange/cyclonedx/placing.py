"""The export of one message as a component in a BOM."""

from __future__ import annotations

import copy
import re
from typing import Any, Final

from crucible_ir.interchange.cyclonedx.names import (
    ALGORITHMS,
    DIGEST_REASON,
    PROPERTY,
    SPEC_VERSIONS,
    Identity,
)
from crucible_ir.interchange.mapping.exporting import Export
from crucible_ir.interchange.mapping.report import Outcome
from crucible_ir.interchange.mapping.source import Source
from crucible_ir.interchange.mapping.target import Target

#: The hashes that CycloneDX allows, by the numbers of their hexadecimal digits.
_HASH: Final = re.compile("|".join(f"[0-9a-fA-F]{{{digits}}}" for digits in (32, 40, 64, 96, 128)))


def has_place(holder: Target) -> bool:
    """Return whether an import used a hash of a component or reference."""
    hashes = holder.value.get("hashes")
    return isinstance(hashes, list) and {} in hashes


class BomExport:
    """The export of one message as a component in a BOM.

    Args:
        conversion: The export.
        kind: The type of the component.
        identity: What identifies it.
    """

    def __init__(self, conversion: Export, kind: str, identity: Identity) -> None:
        self.conversion = conversion
        self.source = conversion.source
        rest = self.rest = self.source.rest()
        version = rest.get("specVersion", str) if rest is not None else None
        self.spec_version = SPEC_VERSIONS[0]
        if version is not None and version.value in SPEC_VERSIONS:
            self.spec_version = version.value
            version.use(Outcome.OPAQUE, ("specVersion",))
        kept = rest.get("component", dict) if rest is not None else None
        component: dict[str, Any] = {"type": kind}
        if kept is not None:
            component.update(copy.deepcopy(kept.value))
            component["type"] = kind
        component.pop("of", None)
        names = Identity(text_of(component, "group"), text_of(component, "name"), identity.version)
        if names.joined == identity.joined and names.name:
            identity = names
        elif names.group:
            del component["group"]
        component.update(identity.as_json())
        bom = rest.get("bom", dict) if rest is not None else None
        self.bom: dict[str, Any] = {"bomFormat": "CycloneDX", "specVersion": self.spec_version}
        if bom is not None:
            self.bom.update(copy.deepcopy(bom.value))
            self.bom.update(bomFormat="CycloneDX", specVersion=self.spec_version)
            bom.use(Outcome.OPAQUE, ())
        conversion.target.value.update(self.bom)
        path = self._place(component)
        if kept is not None:
            kept.use(Outcome.OPAQUE, path)
        self.component = Target(conversion, path, value=component)

    def _place(self, component: dict[str, Any]) -> tuple[str | int, ...]:
        """Put the component into the BOM: in its place if an import noted it."""
        bom = self.conversion.target.value
        place = self.rest.get("place", list) if self.rest is not None else None
        if place is not None:
            *before, last = place.value or [None]
            owner = at(bom, tuple(before))
            if at(owner, (last,)) is not None:
                owner[last] = component
                path = (*before, last)
                place.use(Outcome.OPAQUE, path, reason="the place of the component")
                return path
        if not isinstance(bom.get("components"), list):
            bom["components"] = []
        bom["components"].append(component)
        return ("components", len(bom["components"]) - 1)

    def places(self, key: str, count: int) -> list[tuple[str | int, ...]] | None:
        """Return the places in the component that an import noted.

        Returns:
            The paths; ``None`` if there are none, or if their number has changed since. In the
            latter case, what was left of the objects at the places is removed.
        """
        noted = self.rest.get(key, list) if self.rest is not None else None
        if noted is None:
            return None
        value = self.component.value
        paths = [tuple(each) for each in noted.value if isinstance(each, list) and each]
        paths = [path for path in paths if isinstance(at(value, path), dict)]
        if len(paths) == count:
            noted.use(Outcome.OPAQUE, self.component.path, reason="the places of the values")
            return paths
        noted.drop("the list has changed since the import")
        for *before, last in reversed(paths):
            owner = at(value, tuple(before))
            if isinstance(owner, list):
                del owner[last]
        return None

    def object_at(self, path: tuple[str | int, ...]) -> Target:
        """Return an object in the component."""
        value = at(self.component.value, path)
        return Target(self.conversion, (*self.component.path, *path), value=value)

    def property(self, field: str) -> None:
        """Write a field that a component has no place for as a property."""
        found = self.source.get(field, str)
        if found is not None:
            write_property(self.component, field, found.value, found)

    def card(self, *keys: str) -> Target:
        """Return an object in the model card."""
        target = self.component.child("modelCard")
        for key in keys:
            target = target.child(key)
        return target

    def hash(self, holder: Target, digest: Source) -> None:
        """Write a digest as a hash, in the place that an import left if there is one."""
        algorithm, _, content = digest.value.partition(":")
        theirs = {ours: theirs for theirs, ours in ALGORITHMS.items()}.get(algorithm)
        if theirs is None:
            digest.drop(f'CycloneDX has no algorithm "{algorithm}"')
            return
        if not has_place(holder) and not _HASH.fullmatch(content):
            digest.drop("a hash of CycloneDX is hexadecimal, of a length that algorithms have")
            return
        hashes = list_of(holder.value, "hashes")
        path = (*holder.path, "hashes")
        place = {"alg": theirs, "content": content}
        if {} in hashes:
            hashes[hashes.index({})] = place
        else:
            hashes.append(place)
        digest.use(Outcome.CONVERTED, path, reason=DIGEST_REASON, to=f"{theirs} {content}")

    def finish(self) -> None:
        """Put back what an import had to take back."""
        repaired = self.rest.get("repaired", dict) if self.rest is not None else None
        self.conversion.target.restore(repaired)


def at(value: Any, path: tuple[Any, ...]) -> Any:
    """Return the value at a path; ``None`` if there is none."""
    for step in path:
        try:
            value = value[step]
        except (KeyError, IndexError, TypeError):
            return None
    return value


def text_of(values: dict[str, Any], key: str) -> str:
    """Return the text of a key; empty if there is none."""
    found = values.get(key)
    return found if isinstance(found, str) else ""


def list_of(values: dict[str, Any], key: str) -> list[Any]:
    """Return the list of a key, which is made if there is none."""
    if not isinstance(values.get(key), list):
        values[key] = []
    found: list[Any] = values[key]
    return found


def write_property(holder: Target, field: str, value: str, source: Source) -> None:
    """Write a field as a property, in the place that an import left if there is one."""
    properties = list_of(holder.value, "properties")
    name = f"{PROPERTY}{field}"
    path = (*holder.path, "properties")
    source.use(Outcome.RENAMED, path)
    for item in properties:
        if isinstance(item, dict) and item.get("name") == name and "value" not in item:
            item["value"] = value
            return
    properties.append({"name": name, "value": value})
