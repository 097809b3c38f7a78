"""The export of a message as an object of Kubernetes."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any

from crucible_ir.interchange.mapping.exporting import Export
from crucible_ir.interchange.mapping.patterns import Path
from crucible_ir.interchange.mapping.report import Outcome
from crucible_ir.interchange.mapping.source import Source
from crucible_ir.interchange.mapping.target import Target
from crucible_ir.interchange.workloads.objects import (
    ANNOTATION,
    DEFAULT_NAMESPACE,
    PROBES,
    RESOURCES,
    STRATEGIES,
    Shape,
    name_in,
    object_name,
)


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
        own = name_in(id_, namespace or DEFAULT_NAMESPACE)
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
        if resources is not None and RESOURCES.issuperset(resources.value):
            container.put("resources", resources.value, resources)
        elif resources is not None:
            self._write_limits(container, resources)
        checks = self.source.get("health_check", dict)
        for key in PROBES:
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
        endpoint = self.source.get("endpoint", dict)
        if endpoint is not None:
            endpoint.drop("a Service, a Gateway or an Ingress says how a deployment is reached")
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
