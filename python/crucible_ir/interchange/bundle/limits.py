"""The limits on a bundle that is read, which protect readers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from crucible_ir.serialization.limits import MAX_BYTES, MAX_EXPANSION

#: The most documents of a bundle, and the most bytes of all of them together: 1 GiB.
MAX_DOCUMENTS: Final = 100_000
MAX_TOTAL_BYTES: Final = 1024 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class BundleLimits:
    """The limits on a bundle that is read; each has a command-line option.

    Attributes:
        max_documents: The most documents.
        max_total_bytes: The most bytes of all documents together.
        max_bytes: The most bytes of one document.
        max_expansion: The most bytes that each byte of a compressed entry may expand to, after a
            free start of 4 MiB.
    """

    max_documents: int = MAX_DOCUMENTS
    max_total_bytes: int = MAX_TOTAL_BYTES
    max_bytes: int = MAX_BYTES
    max_expansion: int = MAX_EXPANSION
