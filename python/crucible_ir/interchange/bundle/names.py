"""The names of the files in a bundle, which every file system accepts."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from crucible_ir.errors import near_miss
from crucible_ir.schema.types import document_members

#: The extension of bundles.
EXTENSION: Final = ".crucible.zip"

#: The entry with the list of documents. It has no extension, so that commands that read a folder
#: do not take it for a document.
MANIFEST: Final = "MANIFEST"

_EXTENSION_OF_DOCUMENTS: Final = ".json"

#: The characters of an id that its file name has as they are.
_UNSAFE: Final = re.compile(r"[^A-Za-z0-9._-]")
#: Names that Windows keeps for devices, with any extension.
_DEVICE: Final = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\.|$)", re.IGNORECASE)
#: The end of an id that would be part of the extension of another format.
_OTHER_FORMAT: Final = re.compile(r"\.(?=crucible$)", re.IGNORECASE)
_LONGEST: Final = 150
_KEPT: Final = 120
_FILE_NAME: Final = re.compile(r"[A-Za-z0-9._%~-]{1,200}\.json")


def is_bundle_name(name: str) -> bool:
    """Return whether a file has the extension of bundles.

    >>> is_bundle_name("lineage.crucible.zip"), is_bundle_name("lineage.zip")
    (True, False)
    """
    return name.lower().endswith(EXTENSION)


def paths_of(documents: Sequence[tuple[str, str | None, str]]) -> list[str]:
    """Return the path in a bundle of each document, given its type, its id and its digest.

    Ids that differ only in case get a suffix, since some file systems ignore case. The path of a
    document without an id comes from its digest.

    >>> paths_of([("ModelRef", "meta-llama/Llama-3.1-8B", "sha256:00")])
    ['ModelRef/meta-llama%2FLlama-3.1-8B.json']
    >>> paths_of([("ModelRef", "a", "sha256:00"), ("ModelRef", "A", "sha256:01")])
    ['ModelRef/a~ca978112.json', 'ModelRef/A~559aead0.json']
    """
    stems = [
        (type_, f"~{digest.partition(':')[2][:32]}" if id_ is None else _stem(id_))
        for type_, id_, digest in documents
    ]
    counts = Counter((type_, stem.lower()) for type_, stem in stems)
    return [
        f"{type_}/{stem}{_suffix(id_) if counts[type_, stem.lower()] > 1 else ''}"
        f"{_EXTENSION_OF_DOCUMENTS}"
        for (type_, stem), (_, id_, _) in zip(stems, documents, strict=True)
    ]


def _stem(id_: str) -> str:
    stem = _UNSAFE.sub(_escaped, id_)
    if _DEVICE.match(stem) or stem.startswith("."):
        stem = _escaped(stem[0]) + stem[1:]
    stem = _OTHER_FORMAT.sub(_escaped, stem)
    if len(stem) > _LONGEST:
        stem = f"{stem[:_KEPT]}~{_hash(id_)[:16]}"
    return stem


def _escaped(character: str | re.Match[str]) -> str:
    text = character if isinstance(character, str) else character[0]
    return "".join(f"%{byte:02X}" for byte in text.encode("utf-8", errors="surrogatepass"))


def _suffix(id_: str | None) -> str:
    return "" if id_ is None else f"~{_hash(id_)[:8]}"


def _hash(id_: str) -> str:
    return hashlib.sha256(id_.encode("utf-8", errors="surrogatepass")).hexdigest()


def problem_of_path(path: str) -> str:
    """Return why a path cannot be that of a document in a bundle; empty if it can.

    >>> problem_of_path("ModelRef/gpt2.json")
    ''
    >>> problem_of_path("../gpt2.json")
    'expected Type/name.json, with letters, digits and ._%~- in the name'
    """
    folder, _, name = path.partition("/")
    if not _FILE_NAME.fullmatch(name) or name.startswith(".") or not folder.isalpha():
        return "expected Type/name.json, with letters, digits and ._%~- in the name"
    if folder not in document_members():
        return f'a document cannot contain a "{folder}"{near_miss(folder, document_members())}'
    if _DEVICE.match(name):
        return "this name is that of a device on Windows"
    return ""


def repeated(paths: Iterable[str]) -> Mapping[str, int]:
    """Return the paths, in lower case, that occur several times if case is ignored."""
    counts = Counter(path.lower() for path in paths)
    return {path: count for path, count in counts.items() if count > 1}
