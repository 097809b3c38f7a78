"""Parts that the formats of Kubernetes objects share: identity, pods, secrets and conditions.

A DeploymentConfig keeps the object in `target`: apiVersion, kind, namespace, and the spec without
the values that have a field of their own. A DeploymentStatus keeps the first three in `metadata`.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from crucible_ir.interchange.mapping.conversion import (
    UNKNOWN,
    Export,
    Import,
    Source,
    Target,
    same,
)
from crucible_ir.interchange.mapping.converters import (
    TIME_TEXT,
    Converter,
    NoConversionError,
)
from crucible_ir.interchange.mapping.patterns import Path
from crucible_ir.interchange.mapping.report import Outcome
from crucible_ir.linting.lints.opaque import secrecy
from crucible_ir.serialization import yaml

#: The namespace of an object that does not name one.
DEFAULT_NAMESPACE: Final = "default"

#: What the keys of our annotations begin with: fields that an object has no place for.
ANNOTATION: Final = "crucible-ir/"

#: The annotation in which kubectl keeps a copy of the object.
_LAST_APPLIED: Final = "kubectl.kubernetes.io/last-applied-configuration"

#: The keys of a container's resources.
_RESOURCES: Final = frozenset({"limits", "requests", "claims"})

#: The checks of a container's health.
_PROBES: Final = ("readinessProbe", "livenessProbe", "startupProbe")

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


def _name_in(id_: str, namespace: str) -> str | None:
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


class ObjectImport:
    """The import of one object.

    Args:
        conversion: The import.
        shapes: The kinds of objects.
        elsewhere: The name of the format of other kinds, for errors.

    Raises:
        RecordError: The object is of another kind, or has no name.
    """

    def __init__(
        self, conversion: Import, shapes: Mapping[str, Shape], elsewhere: Mapping[str, str]
    ) -> None:
        self.conversion = conversion
        source = self.source = conversion.source
        kind = source.get("kind", str)
        if kind is None:
            raise source.fail('expected the keys "apiVersion" and "kind"')
        if kind.value not in shapes:
            other = elsewhere.get(kind.value)
            advice = f'; use the format "{other}"' if other else ""
            raise kind.fail(f'expected {" or ".join(shapes)}, got "{kind.value}"{advice}')
        self.kind: str = kind.value
        self.shape = shapes[self.kind]
        version = source.get("apiVersion", str)
        if version is None or version.value not in self.shape.api_versions:
            expected = " or ".join(self.shape.api_versions)
            raise (version or source).fail(f"expected apiVersion {expected} of {self.kind}")
        metadata = source.get("metadata", dict)
        name = metadata.get("name", str) if metadata is not None else None
        if metadata is None or name is None or not name.value:
            raise (metadata or source).fail("expected the name of the object in metadata")
        self.metadata = metadata
        self.namespace = metadata.get("namespace", str)
        if self.namespace is not None and not self.namespace.value:
            self.namespace = None
        for part in (name, self.namespace):
            if part is not None and "/" in part.value:
                raise part.fail('a name has no "/"')
        self._name = name
        namespace = DEFAULT_NAMESPACE if self.namespace is None else self.namespace.value
        self.id = f"{namespace}/{name.value}"
        self.spec = source.get("spec", dict)
        self.status = source.get("status", dict)
        if self.spec is None and not (self.status and self.status.value):
            raise source.fail('expected the key "spec"')
        source.drop_secrets()
        annotations = metadata.get("annotations", dict)
        copied = annotations.get(_LAST_APPLIED) if annotations is not None else None
        if copied is not None:
            reason = "kubectl's copy of the object, which it writes again; it can contain secrets"
            copied.drop(reason, secret=True)
        self._renamed = self._own("id")
        if self._renamed is not None:
            own = self._renamed.value
            if object_name(own) == name.value and _name_in(own, namespace) is None:
                self.id = own
            else:
                self._renamed = None

    def _own(self, field: str) -> Source | None:
        """Return an annotation of ours, if it can be the text of a field."""
        annotations = self.metadata.get("annotations", dict)
        found = annotations.get(ANNOTATION + field, str) if annotations is not None else None
        return found if found is not None and fits_id(found.value) else None

    def config(self) -> Target:
        """Begin the DeploymentConfig."""
        assert self.spec is not None
        config = self.conversion.document("DeploymentConfig")
        config.keep_rest(self.source)
        reason = "the id is the namespace and the name"
        config.put("id", self.id, *self._identity(), reason=reason)
        self._place(config.child("target"))
        environment = self._own("environment")
        if environment is not None:
            config.put("environment", environment.value, environment)
        self.read_model(config)
        return config

    def _identity(self) -> list[Source]:
        return [each for each in (self._name, self._renamed) if each is not None]

    def _place(self, place: Target) -> None:
        """Fill in what identifies the object besides its name."""
        for key in ("apiVersion", "kind"):
            found = self.source.get(key, str)
            if found is not None:
                place.put(key, found.value, found)
        if self.namespace is None:
            reason = "an object without a namespace is created in this one, if no other is chosen"
            place.default("namespace", DEFAULT_NAMESPACE, reason)
        else:
            place.put("namespace", self.namespace.value, self.namespace)

    def read_model(self, config: Target) -> None:
        """Set the id of the model version: from our annotation, a URI or an argument."""
        assert self.spec is not None
        place = self.shape.model(self.spec.value)
        own = self._own("model_version_id")
        uri = None if place.path is None else source_at(self.spec, place.path)
        if uri is None:
            place = replace(place, uri=None)
        if own is not None and own.value != place.argument and not place.takes(own.value):
            config.put("model_version_id", own.value, own)
        elif (
            uri is not None
            and is_uri(uri.value)
            and fits_id(uri.value)
            and uri.value != place.argument
        ):
            config.put("model_version_id", uri.value, uri)
        elif place.argument is not None:
            reason = "an argument of the server names the model"
            config.derive("model_version_id", place.argument, reason)
        else:
            config.default("model_version_id", UNKNOWN, f"the {self.kind} does not name the model")

    def read_container(self, config: Target) -> None:
        """Read the resources and the health checks of the container that serves."""
        assert self.spec is not None
        path = self.shape.container(self.spec.value)
        container = None if path is None else source_at(self.spec, path)
        if container is None:
            return
        resources = container.get("resources", dict)
        if resources is not None and resources.value and _RESOURCES.issuperset(resources.value):
            config.put_rest("resources", resources, Outcome.KEPT)
        for key in _PROBES:
            probe = container.get(key, dict)
            if probe is not None:
                config.child("health_check").put_rest(key, probe, Outcome.KEPT)

    def read_strategy(self, config: Target) -> None:
        """Read the strategy, unless it is set already."""
        assert self.spec is not None
        if config.has("strategy"):
            return
        path = self.shape.strategy
        found = None if path is None else source_at(self.spec, path)
        if found is not None and isinstance(found.value, str) and found.value in STRATEGIES:
            config.put(
                "strategy", STRATEGIES[found.value], found, reason="names of strategies differ"
            )
            return
        own = self._own("strategy")
        if own is not None and (path is None or own.value not in STRATEGIES.values()):
            config.put("strategy", own.value, own)

    def finish_config(self, config: Target) -> None:
        """Keep the rest of the spec, the labels and the annotations."""
        assert self.spec is not None
        config.child("target").put_rest("spec", self.spec)
        for key in ("labels", "annotations"):
            found = self.metadata.get(key)
            if found is not None:
                config.child("metadata").put_rest(key, found, Outcome.KEPT)

    def begin_status(self) -> Target | None:
        """Begin the DeploymentStatus, if the object has a status."""
        if self.status is None or not self.status.value:
            return None
        status = self.conversion.document("DeploymentStatus")
        status.keep_rest(self.status, "status")
        if self.spec is None:
            status.keep_rest(self.source)
            status.put("id", self.id, *self._identity(), reason="the status has its object's id")
        else:
            status.put("id", self.id)
        status.put("deployment_id", self.id)
        self._place(status.child("metadata"))
        for key, value in self.shape.state(self.status.value).items():
            status.derive(key, value, "derived from the status and its conditions")
        conditions = self.status.get("conditions", list)
        if conditions is not None and conditions.value:
            conditions.remark("state, health and error_message are derived from the conditions")
            status.child("metadata").put_rest("conditions", conditions, Outcome.KEPT)
        created = self.metadata.get("creationTimestamp", str)
        if created is not None and _is_exact(TIME_TEXT, created.value):
            status.put("created_at", created.value, created)
        return status

    def finish_status(self, status: Target) -> None:
        """Keep the rest of the status."""
        assert self.status is not None
        kept = status.child("metadata").child(self.conversion.format)
        kept.put_rest("status", self.status)


def _is_exact(converter: Converter, value: Any) -> bool:
    try:
        return same(converter.read(value), value)
    except NoConversionError:
        return False


class ObjectExport:
    """The export of one message as an object.

    Args:
        conversion: The export.
        shapes: The kinds of objects; the first one is that of messages from elsewhere.
        place: The object of the message with apiVersion, kind and namespace.
        id_: The field with the id of the deployment.
    """

    def __init__(
        self, conversion: Export, shapes: Mapping[str, Shape], *, place: str, id_: str
    ) -> None:
        self.conversion = conversion
        source, target = self.source, self.target = conversion.source, conversion.target
        self.place = source.get(place, dict)
        found = self.place.get("kind", str) if self.place is not None else None
        version = self.place.get("apiVersion", str) if self.place is not None else None
        self.kind = next(iter(shapes))
        #: Whether the message is of an object of this format.
        self.native = found is not None and found.value in shapes
        if self.native and found is not None:
            self.kind = found.value
        self.shape = shapes[self.kind]
        if version is not None and self.native and version.value in self.shape.api_versions:
            target.put("apiVersion", version.value, version)
        else:
            target.put("apiVersion", self.shape.api_versions[0])
        target.put("kind", self.kind, *([found] if self.native and found is not None else []))
        self.metadata = target.child("metadata")
        self._write_identity(id_)

    def _write_identity(self, field: str) -> None:
        found = self.source.get(field, str)
        id_ = found.value if found is not None else ""
        named = self.place.get("namespace", str) if self.place is not None else None
        before = id_.rpartition("/")[0]
        namespace = None
        if named is not None and named.value:
            namespace = named.value
            self.metadata.put("namespace", namespace, named)
        elif before and not self._has_default_namespace():
            namespace = object_name(before)
            self.metadata.put("namespace", namespace)
        name = object_name(id_)
        own = _name_in(id_, namespace or DEFAULT_NAMESPACE)
        if own is not None and self.native:
            name = own
        sources = [found] if found is not None else []
        self.metadata.put("name", name, *sources, reason="namespace and name make the id")
        self.name = name
        if f"{namespace or DEFAULT_NAMESPACE}/{name}" != id_:
            self.annotate("id", id_)

    def _has_default_namespace(self) -> bool:
        return self.place is not None and self.conversion.is_stand_in(
            (*self.place.path, "namespace")
        )

    def annotate(self, field: str, value: str, *sources: Source) -> None:
        """Write a field that the object has no place for as an annotation."""
        annotations = self.metadata.child("annotations")
        if isinstance(annotations.value, dict):
            annotations.put(ANNOTATION + field, value, *sources)

    def begin_spec(self) -> Target:
        """Write the labels, the annotations and what an import kept of the spec."""
        metadata = self.source.get("metadata", dict)
        for key in ("labels", "annotations"):
            found = metadata.get(key) if metadata is not None else None
            if found is None:
                continue
            before = self.metadata.value.get(key)
            if isinstance(found.value, dict) and isinstance(before, dict):
                self.metadata.value[key] = {**found.value, **before}
            elif before is None:
                self.metadata.value[key] = copy.deepcopy(found.value)
            else:
                continue
            found.use(Outcome.KEPT, (*self.metadata.path, key))
        spec = self.place.get("spec", dict) if self.native and self.place is not None else None
        if spec is not None:
            # The value is filled up in place; the source must stay as it is.
            self.target.value["spec"] = copy.deepcopy(spec.value)
            spec.use(Outcome.RENAMED, ("spec",))
        return self.object_at(())

    def object_at(self, path: Path, root: str = "spec") -> Target:
        """Return the object at a path of the spec, which is made if there is none."""
        value: Any = self.target.value
        steps = (root, *path)
        for step, following in zip(steps, (*path, ""), strict=True):
            wanted = list if isinstance(following, int) else dict
            if isinstance(value, dict) and not isinstance(value.get(step), wanted):
                value[step] = wanted()
            value = value[step]
        return Target(self.conversion, (root, *path), value=value)

    def write_model(self) -> None:
        """Write the id of the model version."""
        found = self.source.get("model_version_id", str)
        if found is None:
            return
        place = self.shape.model(self.object_at(()).value)
        if found.value == place.argument:
            found.use(Outcome.RENAMED, ("spec",), reason="an argument of the server names it")
        elif place.takes(found.value):
            assert place.path is not None
            self.object_at(place.path[:-1]).put(str(place.path[-1]), found.value, found)
        else:
            self.annotate("model_version_id", found.value, found)

    def write_container(self) -> None:
        """Write the resources and the health checks of the container that serves."""
        path = self.shape.container(self.object_at(()).value)
        if path is None:
            return
        container = self.object_at(path)
        resources = self.source.get("resources", dict)
        if resources is not None and _RESOURCES.issuperset(resources.value):
            container.put("resources", resources.value, resources)
        elif resources is not None:
            self._write_limits(container, resources)
        checks = self.source.get("health_check", dict)
        for key in _PROBES:
            probe = checks.get(key, dict) if checks is not None else None
            if probe is not None:
                container.put(key, probe.value, probe)

    def _write_limits(self, container: Target, resources: Source) -> None:
        """Write resources of another deployer, as far as they have names of Kubernetes."""
        limits = container.child("resources").child("limits")
        for key in resources.value:
            found = resources.get(key, str, int, float)
            known = key in ("cpu", "memory", "ephemeral-storage") or "/" in key
            if found is not None and known:
                found.use(
                    Outcome.RENAMED,
                    (*limits.path, key),
                    reason="a plain amount is written as a limit",
                )
                limits.put(key, found.value)

    def write_strategy(self) -> None:
        """Write the strategy and the environment."""
        found = self.source.get("strategy", str)
        path = self.shape.strategy
        theirs = {ours: theirs for theirs, ours in STRATEGIES.items()}
        if found is not None and path is not None and found.value in theirs:
            self.object_at(path[:-1]).put(
                str(path[-1]), theirs[found.value], found, reason="names of strategies differ"
            )
        elif found is not None:
            self.annotate("strategy", found.value, found)

    def finish_config(self) -> None:
        """Write what has no place in the spec, and put back what an import kept."""
        environment = self.source.get("environment", str)
        if environment is not None:
            self.annotate("environment", environment.value, environment)
        self.target.restore(self.source.rest())

    def write_status(self) -> Target:
        """Write the conditions and what an import kept of the status."""
        own = self.source.get("id", str)
        deployment = self.source.get("deployment_id", str)
        if own is not None and deployment is not None and own.value == deployment.value:
            own.use(Outcome.RENAMED, ("metadata", "name"), reason="the object's id")
        created = self.source.get("created_at", str)
        if created is not None:
            self.metadata.put("creationTimestamp", created.value, created)
        rest = self.source.rest()
        kept = rest.get("status", dict) if rest is not None else None
        if kept is not None:
            self.target.value["status"] = copy.deepcopy(kept.value)
            kept.use(Outcome.OPAQUE, ("status",))
        self.target.restore(rest)
        return self.object_at((), "status")

    def write_state(
        self, status: Target, conditions_of: Callable[[str, str], list[dict[str, Any]]]
    ) -> None:
        """Write the conditions: those of the import, unless the state has changed since.

        Args:
            status: The status, without conditions.
            conditions_of: Returns conditions for a state and an error message.
        """
        fields = {key: self.source.get(key, str) for key in ("state", "health", "error_message")}
        ours = {key: found.value for key, found in fields.items() if found is not None}
        metadata = self.source.get("metadata", dict)
        kept = metadata.get("conditions", list) if metadata is not None else None
        derive = self.shape.state
        if kept is not None and derive({**status.value, "conditions": kept.value}) == ours:
            status.put("conditions", kept.value, kept)
        else:
            if kept is not None:
                kept.drop("the state has changed since the import")
            conditions = conditions_of(ours.get("state", ""), ours.get("error_message", ""))
            if derive(status.value) != ours and conditions:
                status.put("conditions", conditions)
        derived = derive(status.value)
        for key, found in fields.items():
            if found is not None and derived.get(key) == found.value:
                path = (*status.path, "conditions")
                found.use(Outcome.RENAMED, path, reason="the conditions say the same")
        if not status.value:
            del self.target.value["status"]


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
    merged: dict[tuple[Any, ...], dict[str, Any]] = {}
    names = (("kind",), ("metadata", "namespace"), ("metadata", "name"))
    for each in objects:
        key = tuple(at(each, name) or None for name in names)
        _merge(merged.setdefault(key, {}), each)
    found = list(merged.values())
    return found[0] if len(found) == 1 else {"apiVersion": "v1", "kind": "List", "items": found}


def _merge(into: dict[str, Any], other: Mapping[str, Any]) -> None:
    for key, value in other.items():
        if isinstance(value, dict) and isinstance(into.get(key), dict):
            _merge(into[key], value)
        else:
            into.setdefault(key, value)
