"""The file of a bundle: a ZIP archive that depends on the documents only.

Writing: entries are stored and not compressed, since releases of zlib compress in different ways;
their order, times and permissions are fixed. Reading expects an archive of anyone: each entry is
checked, and nothing is read beyond the limits.
"""

from __future__ import annotations

import io
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any, Final, Self, cast

from crucible_ir.errors import DecodeError, EncodeError, FieldError, printable, shorten
from crucible_ir.interchange.bundle.documents import DocumentSet, content_of
from crucible_ir.interchange.bundle.findings import (
    DIGEST,
    ENTRY,
    IDENTITY,
    LISTED,
    PRESENT,
    BundleError,
    BundleFinding,
    archive_error,
)
from crucible_ir.interchange.bundle.limits import BundleLimits
from crucible_ir.interchange.bundle.manifest import BundleEntry, manifest_text, read_manifest
from crucible_ir.interchange.bundle.names import MANIFEST, problem_of_path, repeated
from crucible_ir.schema.references import identity_of
from crucible_ir.schema.types import descriptor_of, document_members
from crucible_ir.serialization.json.canonical import digest
from crucible_ir.serialization.json.protojson import from_json
from crucible_ir.serialization.limits import Limits
from crucible_ir.v1 import Document
from crucible_ir.validation.check import violations

if TYPE_CHECKING:
    from types import TracebackType

    from google.protobuf.message import Message

#: The bytes for each document in the directory at the end of an archive and in the manifest.
_DIRECTORY_BYTES: Final = 512
_MANIFEST_BYTES: Final = 1024
#: The bytes that an entry may expand to in any case.
_FREE_BYTES: Final = 4 * 1024 * 1024
_CHUNK: Final = 1024 * 1024
#: The most characters of a text of the archive in an error.
_LONGEST_TEXT: Final = 200

_EARLIEST: Final = (1980, 1, 1, 0, 0, 0)
_UNIX: Final = 3
_ENCRYPTED: Final = 0x1
_METHODS: Final = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)

#: What Python's zipfile raises for archives that are damaged or made to harm.
_DAMAGE: Final = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    IndexError,
    NotImplementedError,
    OSError,
    OverflowError,
    RuntimeError,
    ValueError,
)


def write_bundle(target: IO[bytes], documents: DocumentSet) -> list[BundleEntry]:
    """Write a bundle, and return the documents of its manifest.

    Args:
        target: A file that is opened for writing, in which positions can be set.
        documents: The documents.
    """
    listed = documents.listed()
    entries = [entry for entry, _ in listed]
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        _write(archive, MANIFEST, manifest_text(entries).encode())
        for entry, text in listed:
            _write(archive, entry.path, text)
    return entries


def _write(archive: zipfile.ZipFile, name: str, content: bytes) -> None:
    entry = zipfile.ZipInfo(name, _EARLIEST)
    entry.create_system = _UNIX
    entry.external_attr = (stat.S_IFREG | 0o644) << 16
    archive.writestr(entry, content)


@dataclass(frozen=True, slots=True)
class ReadDocument:
    """A document of a bundle.

    Attributes:
        entry: Its entry in the manifest.
        document: The document; ``None`` if it cannot be read.
        findings: Its problems.
    """

    entry: BundleEntry
    document: Document | None
    findings: tuple[BundleFinding, ...]


class Bundle:
    """A bundle that is opened for reading. Nothing is extracted; documents are read one at a time.

    Args:
        file: The file, in which positions can be set.
        limits: The limits on its content.

    Attributes:
        entries: The documents of the manifest that are in the archive, in the order of the
            manifest.
        findings: The problems of the archive and the manifest.

    Raises:
        BundleError: The file is not a ZIP archive with a manifest of a known version, or is over a
            limit.
    """

    def __init__(self, file: IO[bytes], limits: BundleLimits | None = None) -> None:
        self._limits = limits or BundleLimits()
        self._is_verified = False
        self._archive = _open(file, self._limits)
        self.findings: list[BundleFinding] = []
        if MANIFEST not in self._archive.namelist():
            raise archive_error(f"there is no {MANIFEST}: the file is not a bundle")
        self._infos = self._checked_entries()
        if MANIFEST not in self._infos:
            raise BundleError(self.findings)
        most = self._limits.max_documents * _MANIFEST_BYTES
        text = self._read(self._infos.pop(MANIFEST), most, "max_documents")
        listed, findings = read_manifest(text)
        self.findings += findings
        self.entries = self._present(listed)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._archive.close()

    def verify(self) -> None:
        """Check the archive, the manifest and each document.

        Raises:
            BundleError: The bundle has a problem: nothing of it should be trusted.
        """
        findings = [*self.findings, *(found for each in self.read() for found in each.findings)]
        if findings:
            raise BundleError(findings)
        self._is_verified = True

    def documents(self) -> Iterator[tuple[BundleEntry, Document]]:
        """Yield the documents with their entries; `verify` is called first unless it was.

        Raises:
            BundleError: The bundle has a problem: nothing of it should be trusted.
        """
        if not self._is_verified:
            self.verify()
        for entry in self.entries:
            yield entry, self._decode(entry)[0]

    def read(self) -> Iterator[ReadDocument]:
        """Yield the documents that can be read, with their problems, and those that cannot."""
        for entry in self.entries:
            yield self._document(entry)

    def _checked_entries(self) -> dict[str, zipfile.ZipInfo]:
        """Return the entries of the archive whose names and kinds are accepted, by name."""
        infos = self._archive.infolist()
        most = self._limits.max_documents
        # The manifest, and a folder for each type.
        if len(infos) > most + 1 + len(document_members()):
            raise archive_error(f"it has more than {most} documents (max_documents)")
        total = sum(info.file_size for info in infos if info.filename != MANIFEST)
        if total > self._limits.max_total_bytes:
            raise archive_error(
                f"the documents have more than {self._limits.max_total_bytes} bytes"
                " (max_total_bytes)"
            )
        accepted = {}
        for info in infos:
            problem = _problem_of(info)
            if problem:
                self.findings.append(BundleFinding(ENTRY, _shown(info), "", problem))
            elif not info.filename.endswith("/"):
                accepted[info.filename] = info
        self.findings += [
            BundleFinding(ENTRY, _one_line(path), "", f"{count} entries have this name")
            for path, count in repeated(info.filename for info in infos).items()
        ]
        return accepted

    def _present(self, listed: list[BundleEntry]) -> list[BundleEntry]:
        """Compare the manifest with the archive; return the documents that are in both."""
        paths = {entry.path for entry in listed}
        self.findings += [
            BundleFinding(LISTED, path, "", f"the {MANIFEST} does not have this document")
            for path in self._infos
            if path not in paths
        ]
        self.findings += [
            BundleFinding(PRESENT, entry.name, "", f"its file {entry.path} is not in the archive")
            for entry in listed
            if entry.path not in self._infos
        ]
        return [entry for entry in listed if entry.path in self._infos]

    def _document(self, entry: BundleEntry) -> ReadDocument:
        try:
            document, content = self._decode(entry)
        except BundleError as error:
            return ReadDocument(entry, None, error.findings)
        return ReadDocument(entry, document, tuple(_problems(entry, document, content)))

    def _decode(self, entry: BundleEntry) -> tuple[Document, Message]:
        """Return a document and its content.

        Raises:
            BundleError: It is damaged or no document, or is over a limit.
        """
        limits = Limits(max_bytes=self._limits.max_bytes)
        data = self._read(self._infos[entry.path], limits.max_bytes, "max_bytes")
        try:
            document = from_json(data, Document, validate=False, limits=limits)
            return document, content_of(document)
        except DecodeError as error:
            raise BundleError(
                BundleFinding("decode", entry.name, each.path, each.reason) for each in error.errors
            ) from None
        except FieldError as error:
            raise BundleError([BundleFinding("decode", entry.name, "", str(error))]) from None

    def _read(self, info: zipfile.ZipInfo, most: int, limit: str) -> bytes:
        """Return the content of an entry.

        Raises:
            BundleError: It is damaged, or over a limit.
        """
        if info.file_size > most:
            reason = f"it has {info.file_size} bytes, over the limit of {most} ({limit})"
            raise archive_error(reason, _shown(info))
        expanded = _FREE_BYTES + info.compress_size * self._limits.max_expansion
        if info.file_size > expanded:
            raise archive_error(
                f"it expands more than {self._limits.max_expansion} times (max_expansion)",
                _shown(info),
            )
        chunks = []
        size = 0
        with _damage(_shown(info)), self._archive.open(info) as entry:
            while chunk := entry.read(_CHUNK):
                size += len(chunk)
                if size > info.file_size:
                    raise zipfile.BadZipFile("it has more bytes than the directory says")
                chunks.append(chunk)
            if size < info.file_size:
                raise zipfile.BadZipFile("it has fewer bytes than the directory says")
        return b"".join(chunks)


class _GuardedFile(io.RawIOBase):
    """A file of which no more than a limit is read at once.

    zipfile reads the directory of an archive at once, whatever size the archive says it has.
    """

    def __init__(self, file: IO[bytes], most: int) -> None:
        self._file = file
        self._most = most

    def read(self, size: int = -1, /) -> bytes:
        """Read some bytes."""
        wanted = self._most + 1 if size is None or size < 0 else size
        data = self._file.read(min(wanted, self._most + 1))
        if len(data) > self._most:
            raise archive_error("the directory is too large (max_documents)")
        return data

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """Set the position."""
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        """Return the position."""
        return self._file.tell()

    def seekable(self) -> bool:
        """Return true."""
        return True

    def readable(self) -> bool:
        """Return true."""
        return True


def _open(file: IO[bytes], limits: BundleLimits) -> zipfile.ZipFile:
    most = max(limits.max_documents * _DIRECTORY_BYTES, _CHUNK)
    with _damage(""):
        size = file.seek(0, io.SEEK_END)
        file.seek(0)
        if size == 0:
            raise zipfile.BadZipFile("the file is empty")
        archive = zipfile.ZipFile(cast("Any", _GuardedFile(file, most)))
        if sum(info.compress_size for info in archive.infolist()) > size:
            raise zipfile.BadZipFile("its entries overlap")
    return archive


@contextmanager
def _damage(entry: str) -> Iterator[None]:
    """Report what zipfile raises for a damaged archive as a `BundleError`."""
    try:
        yield
    except BundleError:
        raise
    except _DAMAGE as error:
        shown = error.strerror if isinstance(error, OSError) else str(error)
        text = _one_line(shown or type(error).__name__)
        known = _REASONS.get(text, text)
        if isinstance(error, UnicodeDecodeError):
            known = "the name of an entry is not UTF-8"
        reason = f"cannot be read: {known[:1].lower()}{known[1:]}"
        raise archive_error(reason, entry) from None


#: What zipfile says that people should read in other words.
_REASONS: Final = {
    "File is not a zip file": "it is not a ZIP archive, or it is truncated",
}


def _problem_of(info: zipfile.ZipInfo) -> str:
    """Return why an entry cannot be part of a bundle; empty if it can."""
    if info.flag_bits & _ENCRYPTED:
        return "it is encrypted"
    if stat.S_ISLNK(info.external_attr >> 16):
        return "it is a symbolic link"
    if info.orig_filename != info.filename:
        return "its name contains a NUL"
    # `ZipInfo.is_dir` fails for an empty name.
    if info.filename.endswith("/"):
        folder = info.filename.removesuffix("/")
        empty = info.file_size == 0 and folder in document_members()
        return "" if empty else "expected Type/name.json, with a message type"
    if info.compress_type not in _METHODS:
        return "it is compressed in a way other than deflate"
    return "" if info.filename == MANIFEST else problem_of_path(info.filename)


def _problems(entry: BundleEntry, document: Document, content: Any) -> Iterator[BundleFinding]:
    """Yield the differences between a document and its entry, and the rules that it breaks."""
    type_ = descriptor_of(content).name
    if type_ != entry.type:
        message = f"the {MANIFEST} says {entry.type}, and the document is a {type_}"
        yield BundleFinding(IDENTITY, entry.name, "", message)
        return
    identity = identity_of(content)
    if identity is not None and identity != entry.id:
        listed = "no id" if entry.id is None else f"the id {shorten(entry.id)}"
        message = f"the {MANIFEST} says {listed}, and the document has {shorten(identity)}"
        yield BundleFinding(IDENTITY, entry.name, "", message)
    for listed, found, what in (
        (entry.digest, content, "content"),
        (entry.document_digest, document, "document"),
    ):
        try:
            actual = digest(found)
        except EncodeError as error:
            yield BundleFinding(DIGEST, entry.name, error.path, error.reason)
            return
        if actual != listed:
            message = f"the {MANIFEST} says {listed}, and the {what} has {actual}"
            yield BundleFinding(DIGEST, entry.name, "", message)
            break
    member = document_members()[type_]
    for each in violations(document):
        path = each.path.removeprefix(f"{member}.") if each.path != member else ""
        yield BundleFinding(each.rule_id, entry.name, path, each.message)


def _shown(info: zipfile.ZipInfo) -> str:
    return _one_line(info.filename)


def _one_line(text: str) -> str:
    """Return a text of the archive without line breaks and control characters."""
    text = printable(" ".join(text.split()))
    return text if len(text) <= _LONGEST_TEXT else f"{text[: _LONGEST_TEXT - 1]}…"
