"""Archives for tests: bundles, and what an attacker or an accident makes of them."""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Callable, Iterable

from google.protobuf.message import Message

from crucible_ir.interchange.bundle import Bundle, BundleError, DocumentSet, write_bundle
from crucible_ir.interchange.bundle.checking import check_bundle
from crucible_ir.interchange.bundle.limits import BundleLimits

Entries = dict[str, bytes]


def bundle_of(*messages: Message) -> bytes:
    """Return a bundle of messages."""
    documents = DocumentSet()
    for message in messages:
        documents.add(message)
    file = io.BytesIO()
    write_bundle(file, documents)
    return file.getvalue()


def entries_of(data: bytes) -> Entries:
    """Return the entries of an archive."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def archive_of(
    entries: Entries | Iterable[tuple[str | zipfile.ZipInfo, bytes]],
    method: int = zipfile.ZIP_STORED,
) -> bytes:
    """Return an archive with entries, which may repeat names."""
    file = io.BytesIO()
    pairs = entries.items() if isinstance(entries, dict) else entries
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, content in pairs:
            archive.writestr(name, content)
    return file.getvalue()


def changed(data: bytes, change: Callable[[Entries], object]) -> bytes:
    """Return an archive with changed entries."""
    entries = entries_of(data)
    change(entries)
    return archive_of(entries)


def problems(data: bytes, limits: BundleLimits | None = None) -> list[str]:
    """Return the problems that a check of a bundle reports, as text."""
    try:
        with Bundle(io.BytesIO(data), limits) as bundle:
            return [str(finding) for finding in check_bundle(bundle)]
    except BundleError as error:
        return [str(finding) for finding in error.findings]


def rules(data: bytes, limits: BundleLimits | None = None) -> list[str]:
    """Return the ids of the problems that a check of a bundle reports."""
    return [text.rpartition("[")[2].rstrip("]") for text in problems(data, limits)]


def patched(data: bytes, signature: bytes, offset: int, layout: str, value: int) -> bytes:
    """Return an archive with another number in each record that begins with a signature."""
    changed_data = bytearray(data)
    at = changed_data.find(signature)
    while at >= 0:
        struct.pack_into(layout, changed_data, at + offset, value)
        at = changed_data.find(signature, at + 4)
    return bytes(changed_data)
