"""Everything that a server does with the personal data in feedback."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crucible_ir.exchange.server.personal_data.expiry import EventExpiry
from crucible_ir.exchange.server.personal_data.patterns import operator_masks
from crucible_ir.exchange.server.personal_data.policies import KnownPolicies
from crucible_ir.exchange.server.personal_data.redaction import Redactor

if TYPE_CHECKING:
    from crucible_ir.exchange.server.options import Settings
    from crucible_ir.exchange.store import Store


class PersonalData:
    """The redaction of events, and their expiry.

    Args:
        store: The store.
        settings: The settings of the services.

    Attributes:
        policies: The policies of the store.
        expiry: Deletes expired events.

    Raises:
        ServingError: A pattern of the settings is invalid.
    """

    def __init__(self, store: Store, settings: Settings) -> None:
        self._store = store
        self._own_masks = operator_masks(settings.redact_patterns)
        self._redactor: Redactor | None = None
        self.policies = KnownPolicies(store)
        self.expiry = EventExpiry(store, self.policies)

    async def redactor(self) -> Redactor:
        """Return the redactor of the store's events."""
        if self._redactor is None:
            self._redactor = Redactor(await self._store.redaction_key(), self._own_masks)
        return self._redactor
