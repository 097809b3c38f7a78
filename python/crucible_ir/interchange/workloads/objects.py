"""Objects of Kubernetes: names, containers, models, conditions and lists."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from crucible_ir.interchange.mapping.patterns import Path
from crucible_ir.interchange.mapping.source import Source
from crucible_ir.linting.lints.opaque import secrecy
from crucible_ir.serialization import yaml

#: The namespace of an object that does not name one.
DEFAULT_NAMESPACE: Final = "default"

#: What the keys of our annotations begin with: fields that an object has no place for.
ANNOTATION: Final = "crucible-ir/"


#: The keys of a container's resources.
RESOURCES: Final = frozenset({"limits", "requests", "claims"})

#: The checks of a container's health.
PROBES: Final = ("readinessProbe", "livenessProbe", "startupProbe")

#: Arguments of model servers that name the model: TGI's, vLLM's and that of KServe's runtime.
_MODEL_ARGUMENTS: Final = ("--model_id", "--model-id", "--model")

#: The most bytes of an id, and the largest int32.
_MAX_ID_BYTES = 512
_MAX_INT32 = 2**31 - 1

_NOT_IN_NAME = re.compile(r"[^a-z0-9.-]+")
_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://\S+")


def unfold(value: Any) -> list[Any] | None:
    """Return the objects in a ``List``, such as ``kubectl get -o yaml`` writes.

    >>> unfold({"kind": "List", "items": [{"kind": "Deployment"}]})
    [{'kind': 'Deployment'}]
    """
    if not isinstance(value, dict) or not str(value.get("kind")).endswith("List"):
        return None
    items = value.get("items")
    return items if isinstance(items, list) else None


def write_yaml(value: Any) -> bytes:
    """Write an object as YAML."""
    return yaml.write(value).encode()


def fits_id(value: object) -> bool:
    """Return whether a value can be an id."""
    try:
        return isinstance(value, str) and 0 < len(value.encode()) <= _MAX_ID_BYTES
    except UnicodeEncodeError:
        return False


def is_uri(text: object) -> bool:
    """Return whether a text is a URI, as the storage of models has."""
    return isinstance(text, str) and _URI.fullmatch(text) is not None


def whole(value: object) -> int | None:
    """Return a whole number; opaque JSON does not distinguish 3 and 3.0.

    >>> whole(3), whole(3.0), whole(True), whole("3")
    (3, 3, None, None)
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return int(value) if value == value // 1 else None


def small_integer(
    source: Source | None, lowest: int = 0, highest: int = _MAX_INT32
) -> Source | None:
    """Return a value if it is a whole number in a range."""
    number = None if source is None else whole(source.value)
    if source is None or number is None or not lowest <= number <= highest:
        return None
    return source.with_value(number)


def at(value: Any, path: Path) -> Any:
    """Return the value at a path of JSON values; ``None`` if there is none."""
    for step in path:
        try:
            value = value[step]
        except (KeyError, IndexError, TypeError):
            return None
    return value


def source_at(source: Source, path: Path) -> Source | None:
    """Return the value at a path of a source, if there is one."""
    found: Source | None = source
    for step in path:
        if found is None:
            return None
        if isinstance(step, int):
            found = found.members()[step] if step < len(found.members()) else None
        else:
            found = found.get(step)
    return found


def object_name(id_: str) -> str:
    """Return the name of an object for an id: what Kubernetes allows in names.

    >>> object_name("ml/Deploy_Prod")
    'deploy-prod'
    """
    name = _NOT_IN_NAME.sub("-", id_.rpartition("/")[2].lower())[:253].strip("-.")
    return name or "unnamed"


def name_in(id_: str, namespace: str) -> str | None:
    """Return the name in an id of an object; ``None`` if it is not one of the namespace."""
    before, slash, name = id_.partition("/")
    return name if slash and before == namespace and name and "/" not in name else None


@dataclass(frozen=True)
class ModelPlace:
    """The place in a spec that names the model.

    Attributes:
        path: The path of a URI in the spec, which may be absent; ``None`` for no such place.
        uri: The value at the path.
        argument: The model that an argument of the server names; it stays where it is.
    """

    path: Path | None = None
    uri: object = None
    argument: str | None = None

    def takes(self, model: object) -> bool:
        """Return whether an export writes a model's id at the path."""
        return self.path is not None and self.uri is None and is_uri(model)


def model_argument(container: Any) -> str | None:
    """Return the model that the arguments of a container name.

    >>> model_argument({"args": ["serve", "--model", "org/name", "--port=80"]})
    'org/name'
    """
    for key in ("command", "args"):
        words = at(container, (key,))
        if not isinstance(words, list):
            continue
        for index, word in enumerate(words):
            if not isinstance(word, str):
                continue
            name, equals, value = word.partition("=")
            if name in _MODEL_ARGUMENTS:
                found = value if equals else at(words, (index + 1,))
                if isinstance(found, str) and fits_id(found) and not secrecy("", found):
                    return found
    return None


def main_container(containers: Any, names: Iterable[object] = ()) -> int | None:
    """Return the index of the container that serves: the one of a name, or else the first."""
    if not isinstance(containers, list):
        return None
    for name in names:
        for index, container in enumerate(containers):
            if isinstance(name, str) and at(container, ("name",)) == name:
                return index
    return 0 if containers and isinstance(containers[0], dict) else None


@dataclass(frozen=True)
class Shape:
    """Where the objects of a kind keep what a DeploymentConfig has fields for.

    Attributes:
        api_versions: The versions of the API.
        model: Returns the place of the model in a spec.
        container: Returns the path of the container that serves, in a spec.
        strategy: The path of the name of the strategy in a spec, if the kind has one.
        state: Derives state, health and error message from a status.
    """

    api_versions: tuple[str, ...]
    model: Callable[[Any], ModelPlace]
    container: Callable[[Any], Path | None]
    strategy: Path | None
    state: Callable[[Any], dict[str, str]]


#: Our name for each strategy of a Deployment.
STRATEGIES: Final = {"RollingUpdate": "rolling", "Recreate": "recreate"}


def conditions_by_type(status: Any) -> dict[str, dict[str, Any]]:
    """Return the conditions of a status by their type."""
    found = at(status, ("conditions",))
    conditions: Collection[Any] = found if isinstance(found, list) else ()
    return {
        str(each.get("type")): each
        for each in conditions
        if isinstance(each, dict) and isinstance(each.get("status"), str)
    }


def message_of(condition: Mapping[str, Any]) -> str:
    """Return the message of a condition; empty if it has none."""
    message = condition.get("message")
    return message.encode("utf-8", "replace").decode() if isinstance(message, str) else ""


def join_objects(objects: list[Any]) -> Any:
    """Merge the exports of each object; several objects become a ``List``.

    >>> metadata = {"name": "n"}
    >>> join_objects(
    ...     [
    ...         {"kind": "K", "metadata": metadata, "spec": {"a": 1}},
    ...         {"kind": "K", "metadata": metadata, "status": {"b": 2}},
    ...     ]
    ... )
    {'kind': 'K', 'metadata': {'name': 'n'}, 'spec': {'a': 1}, 'status': {'b': 2}}
    """
    merged: dict[str, dict[str, Any]] = {}
    names = (("kind",), ("metadata", "namespace"), ("metadata", "name"))
    for each in objects:
        # As text, since a name that an import kept can be any value.
        key = repr([at(each, name) or None for name in names])
        _merge(merged.setdefault(key, {}), each)
    found = list(merged.values())
    return found[0] if len(found) == 1 else {"apiVersion": "v1", "kind": "List", "items": found}


def _merge(into: dict[str, Any], other: Mapping[str, Any]) -> None:
    for key, value in other.items():
        if isinstance(value, dict) and isinstance(into.get(key), dict):
            _merge(into[key], value)
        else:
            into.setdefault(key, value)
