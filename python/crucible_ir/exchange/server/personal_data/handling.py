"""Everything that a server does with the personal data in feedback."""

from __future__ import annotations

import json
import logging
from hashlib import blake2b
from typing import TYPE_CHECKING, Final

from crucible_ir.exchange.server.personal_data.expiry import EventExpiry
from crucible_ir.exchange.server.personal_data.patterns import operator_masks
from crucible_ir.exchange.server.personal_data.policies import KnownPolicies
from crucible_ir.exchange.server.personal_data.redaction import Redactor
from crucible_ir.exchange.store.errors import StoreFailure

if TYPE_CHECKING:
    from crucible_ir.exchange.server.options import Settings
    from crucible_ir.exchange.store import Store


_log: Final = logging.getLogger(__name__)


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
        self._patterns = settings.redact_patterns
        self._own_masks = operator_masks(settings.redact_patterns)
        self._redactor: Redactor | None = None
        self.policies = KnownPolicies(store)
        self.expiry = EventExpiry(store, self.policies)

    async def start(self) -> None:
        """Start the expiry, and warn if the store was last served with other patterns."""
        self.expiry.start()
        try:
            key = await self._store.redaction_key()
            text = json.dumps(sorted(set(self._patterns))).encode()
            hashed = blake2b(text, key=key, digest_size=32).digest()
            before = await self._store.redaction_patterns()
            if before != hashed and (before or self._patterns):
                await self._store.set_redaction_patterns(hashed)
        except StoreFailure:
            # The server can start nevertheless: the monitor of the store reports the failure.
            return
        if before not in (None, hashed):
            _log.warning(
                "the store was last served with other --redact-pattern: give every server the same"
                " ones; feedback that is stored already is not masked again"
            )

    async def redactor(self) -> Redactor:
        """Return the redactor of the store's events."""
        if self._redactor is None:
            self._redactor = Redactor(await self._store.redaction_key(), self._own_masks)
        return self._redactor
