"""The configurations of feedback that apply to deployments, as this server knows them."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from crucible_ir import v1 as ir_v1
from crucible_ir.schema.defaults import defaults

if TYPE_CHECKING:
    from collections.abc import Mapping

    from crucible_ir.exchange.store import Store
    from crucible_ir.exchange.store.records import FeedbackConfigRows


class Policy(NamedTuple):
    """The effect of a configuration.

    Attributes:
        redacts: Whether events are redacted before they are stored.
        retention_days: For how many days events are kept; ``None`` for ever.
    """

    redacts: bool = False
    retention_days: int | None = None

    @classmethod
    def of(cls, config: ir_v1.FeedbackConfig) -> Policy:
        """Return the effect of a configuration; unset fields have the defaults of the schema.

        >>> Policy.of(ir_v1.FeedbackConfig(retention_days=30))
        Policy(redacts=True, retention_days=30)
        """
        return cls(_value(config, "anonymize_pii"), _value(config, "retention_days"))


def _value(config: ir_v1.FeedbackConfig, name: str) -> Any:
    if config.HasField(cast("Any", name)):
        return getattr(config, name)
    return defaults(ir_v1.FeedbackConfig.DESCRIPTOR).get(name)


@dataclass(frozen=True, slots=True)
class Policies:
    """The policies of all deployments.

    Attributes:
        version: The number of changes of the configurations that led to them.
        of_all: The policy of deployments that have none of their own.
        by_deployment: The policies of the others.
        redact: Whether any of them redacts.
        least_days: The shortest time for which events are kept; ``None`` if all are kept for ever.
    """

    version: int
    of_all: Policy
    by_deployment: Mapping[str, Policy]
    redact: bool
    least_days: int | None

    @classmethod
    def read(cls, stored: FeedbackConfigRows) -> Policies:
        """Return the policies of stored configurations."""
        by_deployment = {
            row.deployment_id or "": Policy.of(ir_v1.FeedbackConfig.FromString(row.config))
            for row in stored.rows
        }
        redact = any(policy.redacts for policy in by_deployment.values())
        days = [policy.retention_days for policy in by_deployment.values()]
        least_days = min((each for each in days if each is not None), default=None)
        of_all = by_deployment.pop("", Policy())
        return cls(stored.version, of_all, by_deployment, redact, least_days)

    def of(self, deployment_id: str | None) -> Policy:
        """Return the policy of a deployment, or of events without one."""
        return self.by_deployment.get(deployment_id or "", self.of_all)


class KnownPolicies:
    """The policies of a store, as this server knows them.

    The store rejects events to which others were applied, so a change on another server takes
    effect at once.

    Args:
        store: The store.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._known: Policies | None = None
        self._lock = asyncio.Lock()

    async def current(self) -> Policies:
        """Return the policies, from the store if they were never read.

        Callers continue in the order in which they called, also after another one has read them:
        batches of a stream must not overtake each other.
        """
        async with self._lock:
            return self._known or await self._read()

    async def read(self) -> Policies:
        """Read the policies from the store."""
        async with self._lock:
            return await self._read()

    async def _read(self) -> Policies:
        self._known = Policies.read(await self._store.feedback_configs())
        return self._known
