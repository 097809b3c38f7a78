"""The manifest of a bundle: the list of its documents with their digests."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, Final

from crucible_ir.errors import DecodeError, near_miss
from crucible_ir.interchange.bundle.findings import (
    MANIFEST_READABLE,
    UNIQUE,
    BundleError,
    BundleFinding,
)
from crucible_ir.interchange.bundle.names import MANIFEST, problem_of_path, repeated
from crucible_ir.serialization.json.protojson import parse_json

#: The version of the format that this release writes, and the only one that it reads.
BUNDLE_VERSION: Final = 1

_VERSION_KEY: Final = "bundle_version"
_DOCUMENTS_KEY: Final = "documents"
_DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class BundleEntry:
    """A document in the manifest of a bundle.

    Attributes:
        type: The short name of its message type.
        id: Its id; ``None`` if it has none.
        path: The name of its file in the bundle.
        digest: The digest of the content: that of its record in an exchange.
        document_digest: The digest of the whole ``Document``, with the release and the producer.
    """

    type: str
    id: str | None
    path: str
    digest: str
    document_digest: str

    @property
    def name(self) -> str:
        """The type and the id, or the path of a document without an id."""
        return self.path if self.id is None else f"{self.type}/{self.id}"


def manifest_text(entries: Sequence[BundleEntry]) -> str:
    """Return the manifest of documents as JSON, with a line for each document."""
    lines = ",\n".join(f"    {json.dumps(asdict(entry))}" for entry in entries)
    documents = f"[\n{lines}\n  ]" if entries else "[]"
    return f'{{\n  "{_VERSION_KEY}": {BUNDLE_VERSION},\n  "{_DOCUMENTS_KEY}": {documents}\n}}\n'


def read_manifest(data: bytes) -> tuple[list[BundleEntry], list[BundleFinding]]:
    """Return the documents of a manifest, and the problems of those that are left out.

    Raises:
        BundleError: It is not a manifest, or has another version.
    """
    try:
        # An ordinary function parses the text, so the values are those of JSON.
        value: Any = parse_json(data).value
    except DecodeError as error:
        raise _error(str(error)) from None
    if not isinstance(value, dict) or _VERSION_KEY not in value:
        raise _error(f'expected an object with "{_VERSION_KEY}"')
    version = value[_VERSION_KEY]
    if version != BUNDLE_VERSION or isinstance(version, (bool, float)):
        raise _error(
            f"unknown version {json.dumps(version)}: this release reads version {BUNDLE_VERSION};"
            " update it",
            _VERSION_KEY,
        )
    known = (_VERSION_KEY, _DOCUMENTS_KEY)
    for key in value:
        if key not in known:
            raise _error(f"unknown key{near_miss(key, known)}", key)
    documents = value.get(_DOCUMENTS_KEY)
    if not isinstance(documents, list):
        raise _error("expected a list", _DOCUMENTS_KEY)
    entries: list[BundleEntry] = []
    findings: list[BundleFinding] = []
    for index, item in enumerate(documents):
        path = f"{_DOCUMENTS_KEY}[{index}]"
        problem = _problem(item)
        if problem:
            findings.append(BundleFinding(MANIFEST_READABLE, MANIFEST, path, problem))
        else:
            entries.append(BundleEntry(**item))
    return entries, findings + list(_repetitions(entries))


def _problem(item: Any) -> str:
    """Return why an item is not that of a document; empty if it is one."""
    names = [field.name for field in fields(BundleEntry)]
    if not isinstance(item, dict) or sorted(item) != sorted(names):
        return f"expected an object with the keys {', '.join(names)}"
    for name in names:
        if not isinstance(item[name], str) and not (name == "id" and item[name] is None):
            return f"{name}: expected a string"
    if item["id"] == "":
        return "id: expected null or a string that is not empty"
    for name in ("digest", "document_digest"):
        if not _DIGEST.fullmatch(item[name]):
            return f"{name}: expected sha256: and 64 hexadecimal digits"
    problem = problem_of_path(item["path"])
    if problem:
        return f"path: {problem}"
    if item["path"].partition("/")[0] != item["type"]:
        return f'path: expected the folder "{item["type"]}"'
    return ""


def _repetitions(entries: list[BundleEntry]) -> list[BundleFinding]:
    findings = [
        BundleFinding(UNIQUE, path, "", f"{count} documents have this path")
        for path, count in repeated(entry.path for entry in entries).items()
    ]
    digests: dict[str, set[str]] = {}
    counts: dict[str, int] = {}
    for entry in entries:
        if entry.id is not None:
            digests.setdefault(entry.name, set()).add(entry.digest)
            counts[entry.name] = counts.get(entry.name, 0) + 1
    for name, count in counts.items():
        if count > 1:
            same = "the same digest" if len(digests[name]) == 1 else "different digests"
            message = f"{count} documents have this type and id, with {same}"
            findings.append(BundleFinding(UNIQUE, name, "", message))
    return findings


def _error(reason: str, path: str = "") -> BundleError:
    return BundleError([BundleFinding(MANIFEST_READABLE, MANIFEST, path, reason)])
