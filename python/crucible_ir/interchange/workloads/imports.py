"""The import of an object of Kubernetes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from crucible_ir.interchange.mapping.conversion import UNKNOWN
from crucible_ir.interchange.mapping.converters import TIME_TEXT, Converter, NoConversionError
from crucible_ir.interchange.mapping.importing import Import
from crucible_ir.interchange.mapping.report import Outcome
from crucible_ir.interchange.mapping.source import Source
from crucible_ir.interchange.mapping.target import Target
from crucible_ir.interchange.mapping.values import same
from crucible_ir.interchange.workloads.objects import (
    ANNOTATION,
    DEFAULT_NAMESPACE,
    PROBES,
    RESOURCES,
    STRATEGIES,
    Shape,
    fits_id,
    is_uri,
    name_in,
    object_name,
    source_at,
)

#: The annotation in which kubectl keeps a copy of the object.
_LAST_APPLIED: Final = "kubectl.kubernetes.io/last-applied-configuration"


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
            if object_name(own) == name.value and name_in(own, namespace) is None:
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
        if resources is not None and resources.value and RESOURCES.issuperset(resources.value):
            config.put_rest("resources", resources, Outcome.KEPT)
        for key in PROBES:
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
        if created is not None and is_exact(TIME_TEXT, created.value):
            status.put("created_at", created.value, created)
        return status

    def finish_status(self, status: Target) -> None:
        """Keep the rest of the status."""
        assert self.status is not None
        kept = status.child("metadata").child(self.conversion.format)
        kept.put_rest("status", self.status)


def is_exact(converter: Converter, value: Any) -> bool:
    """Return whether a value is as the converter writes it."""
    try:
        return same(converter.read(value), value)
    except NoConversionError:
        return False
