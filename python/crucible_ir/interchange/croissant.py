"""Croissant 1.1, the metadata format for datasets of MLCommons; 1.0 and 0.8 are read too.

A record is a metadata file with ``"@type": "sc:Dataset"``. It becomes a ``DatasetRef`` with the
name, the version, the address and, if the files agree, the format; a dataset of a single file has
the digest of that file. ``schema`` gets the record sets. Everything else, such as the licence, the
creators and the files, is kept for export.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

from crucible_ir.interchange.mapping.converters import Rule, names, read_rules, write_rules
from crucible_ir.interchange.mapping.exporting import Export
from crucible_ir.interchange.mapping.format import Format
from crucible_ir.interchange.mapping.importing import Import
from crucible_ir.interchange.mapping.report import Outcome
from crucible_ir.interchange.mapping.source import Source
from crucible_ir.interchange.mapping.target import Target

#: The version that is written.
CONFORMS_TO: Final = "http://mlcommons.org/croissant/1.1"

_TYPES: Final = ("sc:Dataset", "Dataset", "schema:Dataset", "https://schema.org/Dataset")

_FORMATS: Final = names(
    {
        "application/x-parquet": "parquet",
        "application/vnd.apache.parquet": "parquet",
        "text/csv": "csv",
        "application/jsonlines": "jsonl",
        "application/jsonl": "jsonl",
        "application/x-jsonlines": "jsonl",
        "application/vnd.apache.arrow.file": "arrow",
    },
    "a media type",
    others="keep",
)

#: The names of the hash functions of files, the strongest first, with the length of their digests.
_HASHES: Final = {"sha256": 64, "md5": 32}


_RULES: Final = (Rule("version", types=(str,)), Rule("url", "uri", types=(str,)))


def _import(conversion: Import) -> None:
    source = conversion.source
    kind = source.get("@type")
    if kind is None or not any(each in _TYPES for each in _as_list(kind.value)):
        found = "none" if kind is None else f"{kind.value!r:.60}"
        raise source.fail(f'expected "@type": "sc:Dataset", got {found}')
    source.drop_secrets()
    dataset = conversion.document("DatasetRef")
    dataset.keep_rest(source)
    _import_name(conversion, source, dataset)
    read_rules(conversion, source, dataset, _RULES)
    version = source.get("version", float)
    if version is not None:
        dataset.put("version", str(version.value), version, reason="a number as text")
    address = source.text("url")
    if address is not None and urlsplit(address).hostname == "huggingface.co":
        dataset.default("provider", "huggingface", "the address is one of the Hugging Face hub")
    files = [each for each in source.items("distribution") if isinstance(each.value, dict)]
    _import_format(files, dataset)
    if len(files) == 1:
        _import_digest(files[0], dataset)
    records = source.get("recordSet", list)
    if records is not None and records.value:
        dataset.child("schema").put_opaque("recordSet", records)


def _import_name(conversion: Import, source: Source, dataset: Target) -> None:
    """Import the name; of names in several languages, the one in the language of the record."""
    name = source.get("name", str, dict)
    if name is None or not name.value:
        raise source.fail('expected the key "name" with the name of the dataset')
    if isinstance(name.value, str):
        dataset.put("name", name.value, name)
        return
    context = source.get("@context", dict)
    language = context.text("@language") if context is not None else None
    texts = {key: text for key, text in name.value.items() if isinstance(text, str) and text}
    if not texts:
        raise name.fail("expected text, or text by language")
    text = texts.get(language or "") or texts.get("en") or next(iter(texts.values()))
    reason = "the name in one of its languages"
    dataset.put("name", text, name, reason=reason)
    conversion.keep_original(name, reason)


def _import_format(files: list[Source], dataset: Target) -> None:
    """Set the format of the files, if it is the same for all that have one."""
    kinds = {kind for file in files if (kind := file.text("encodingFormat"))} - {"git+https"}
    if len(kinds) == 1:
        dataset.derive("format", _FORMATS.read(kinds.pop()), "the media type of the files")


def _import_digest(file: Source, dataset: Target) -> None:
    for name, length in _HASHES.items():
        digest = file.text(name)
        # A hash that is not known is sometimes an address with the reason.
        if digest is not None and len(digest) == length and digest.isalnum():
            dataset.derive("digest", f"{name}:{digest.lower()}", "the digest of the only file")
            return


def _export(conversion: Export) -> None:
    source, target = conversion.source, conversion.target
    rest = source.rest()
    if rest is None or rest.get("@type") is None:
        context = {"@vocab": "https://schema.org/", "sc": "https://schema.org/"}
        target.derive("@context", context, "every file has one")
        target.derive("@type", "sc:Dataset", "every file has it")
        target.derive("conformsTo", CONFORMS_TO, "the version that is written")
    name = source.get("name", str)
    if name is not None:
        kept = rest.get("name", dict) if rest is not None else None
        if kept is not None and name.value in kept.value.values():
            reason = "the name in one of its languages"
            target.put("name", kept.value, name, kept, reason=reason)
        else:
            target.put("name", name.value, name)
    write_rules(source, target, _RULES)
    for file in rest.items("distribution") if rest is not None else []:
        _use_of_file(source, file)
    schema = source.get("schema", dict)
    records = schema.get("recordSet", list) if schema is not None else None
    if records is not None:
        target.put("recordSet", records.value, records)
    target.restore(rest)


def _use_of_file(source: Source, file: Source) -> None:
    """Note the format and the digest of a dataset that one of the files has, which is restored."""
    kind = file.text("encodingFormat")
    for field, value in (
        ("format", kind and _FORMATS.read(kind)),
        *(("digest", f"{name}:{(file.text(name) or '').lower()}") for name in _HASHES),
    ):
        found = source.get(field, str)
        if found is not None and found.value == value:
            found.use(Outcome.CONVERTED, reason="a file has it")


def _as_list(value: object) -> list[object]:
    return value if isinstance(value, list) else [value]


FORMAT = Format(
    "croissant",
    "Croissant",
    "The metadata of a dataset, as a DatasetRef.",
    _import,
    {"DatasetRef": _export},
)
import_ = FORMAT.import_
export = FORMAT.export
