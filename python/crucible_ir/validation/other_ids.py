"""The ids in errors that are neither rules of the schema nor lints, with what they mean."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class OtherId:
    """An id and its meaning.

    Attributes:
        kind: The kind of the id, such as ``limit``.
        meaning: The requirement, or what the limit bounds.
        notes: Examples and remedies, a line each.
    """

    kind: str
    meaning: str
    notes: tuple[str, ...] = ()


def _limit(meaning: str, name: str) -> OtherId:
    option = f"--{name.replace('_', '-')}"
    return OtherId("limit", meaning, (f"Change it with Limits({name}=N), or {option} N.",))


def _bundle(meaning: str, *notes: str) -> OtherId:
    return OtherId("finding", meaning, ("`crucible-ir bundle check` reports it.", *notes))


#: What a document that cannot be decoded may look like, and what to write instead.
_DECODE_EXAMPLES = (
    'Fails   StageDef {"name": 1}',
    'Passes  StageDef {"name": "1"}',
    "",
    'Fails   TrainingConfig {"epoch": 3}        a field that the message does not have',
    'Fails   TrainingConfig {"epochs": "many"}  a value of another type',
    'Fails   Hedging {"strategy": "sometimes"}  a name that the enum does not have',
    'Fails   StageDef {"name": "a",}            text that is not JSON',
    "",
    "Every error has the path and position of one value, and what was expected there.",
)

_REQUEST = "rule of requests to an exchange"

#: The ids, in the order of the list of `crucible-ir explain`.
OTHER_IDS: Mapping[str, OtherId] = MappingProxyType(
    {
        "decode": OtherId(
            "error", "A document must have its format and its type.", _DECODE_EXAMPLES
        ),
        "table.unknown_field": OtherId(
            "error",
            "A table without the column raw has no place for unknown fields.",
            (
                "A newer schema may have the field. With --raw, or raw=True, the table also has the"
                " bytes of each message.",
            ),
        ),
        "table.value": OtherId(
            "error",
            "A value of a table must be one that Arrow or JSON can represent.",
            (
                "Fails   a timestamp outside the years 1 to 9999, or a NaN in opaque JSON",
                "Passes  all that satisfies the rules of the schema, but for such opaque JSON",
            ),
        ),
        "release.newer": OtherId(
            "finding",
            "A document for an older release contains nothing that is newer.",
            (
                "`crucible-ir lint --for RELEASE` reports it.",
                'Fails   --for 0.2.0  FeedbackEvent {"id": "e1", "comment": "good"}',
                'Passes  --for 0.2.0  FeedbackEvent {"id": "e1"}',
            ),
        ),
        "bundle.archive": _bundle(
            "A bundle is a ZIP archive that can be read and is within the limits."
        ),
        "bundle.entry": _bundle(
            "An entry of a bundle is a regular file that is not encrypted, with a safe name that no"
            " other entry has."
        ),
        "bundle.manifest": _bundle("A bundle has a manifest of a version that this release reads."),
        "bundle.listed": _bundle("The manifest lists every document of a bundle."),
        "bundle.present": _bundle("A bundle has every document that its manifest lists."),
        "bundle.unique": _bundle("A bundle has one document of a type with an id."),
        "bundle.identity": _bundle(
            "A document of a bundle has the type and the id that the manifest says."
        ),
        "bundle.digest": _bundle(
            "A document of a bundle has the digest that the manifest says.",
            "To change a document, open the bundle, and create a new one from the files.",
        ),
        "bundle.dangling": _bundle(
            "A bundle has every document that its documents refer to, or a copy of it.",
            "`crucible-ir bundle create --closure TYPE/ID` adds them.",
        ),
        "bundle.ambiguous": _bundle(
            "A reference by version leads to one document.",
            "Refer to the document by its id.",
        ),
        "bundle.version": _bundle("A model has one ModelVersion with a version."),
        "bundle.stage": _bundle("A model has at most one ModelVersion in production."),
        "bundle.alias": _bundle("An alias of a model leads to a version of that model."),
        "bundle.cycle": _bundle(
            "No document leads to itself through parents, sources, fallbacks or what it supersedes."
        ),
        "max_bytes": _limit("A document has at most this many bytes.", "max_bytes"),
        "max_frame_bytes": _limit(
            "A record of a stream has at most this many bytes.", "max_frame_bytes"
        ),
        "max_expansion": _limit(
            "Each byte of a compressed stream expands to at most this many bytes, after the first"
            " 4 MiB.",
            "max_expansion",
        ),
        "max_empty_records": _limit(
            "A stream has at most this many consecutive empty records or blank lines.",
            "max_empty_records",
        ),
        "max_skipped_bytes": _limit(
            "At most this many bytes of a record over its limit are skipped.", "max_skipped_bytes"
        ),
        "max_depth": _limit("Messages are nested at most this deep.", "max_depth"),
        "max_string_bytes": _limit("A string has at most this many bytes.", "max_string_bytes"),
        "max_items": _limit("A list or map has at most this many items.", "max_items"),
        "readable": OtherId(_REQUEST, "The document in a request must be readable."),
        "content.readable": OtherId(
            _REQUEST, "The content must have the type and format that the request names."
        ),
        "content.writable": OtherId(
            _REQUEST, "The format that the request names must be able to contain the content."
        ),
        "cursor.known": OtherId(_REQUEST, "The cursor must be one that this exchange returned."),
        "cursor.same_query": OtherId(
            _REQUEST, "A cursor belongs to one query: the other fields must not change."
        ),
        "erase_feedback.condition_required": OtherId(
            _REQUEST, "An erasure of feedback must have at least one condition."
        ),
        "erase_feedback.time_order": OtherId(
            _REQUEST, "The time range of an erasure must not end before it starts."
        ),
        "filter.field_known": OtherId(
            _REQUEST, "Documents are filtered by id and by fields that the exchange indexes."
        ),
        "filter.syntax": OtherId(_REQUEST, "A filter must be in the grammar of proto/README.md."),
        "filter.limits": OtherId(
            _REQUEST, "A filter has at most 64 comparisons, nested at most 16 deep."
        ),
        "filter.comparison": OtherId(
            _REQUEST, "Texts and numbers have an order; enums, flags and lists have none."
        ),
        "filter.value_known": OtherId(
            _REQUEST, "The value of a filter must be one that the field can have."
        ),
        "order_by.alone": OtherId(_REQUEST, "A list has one order: `order` or `order_by`."),
        "order_by.known": OtherId(
            _REQUEST, "A list is ordered by a number at the root, or one with a name."
        ),
        "page_token.known": OtherId(
            _REQUEST, "The page token must be one that this exchange returned."
        ),
        "page_token.same_query": OtherId(
            _REQUEST, "A page token belongs to one query: the other fields must not change."
        ),
        "publish.id_equal": OtherId(
            _REQUEST, "The id of the request must equal the id in the document, if it has one."
        ),
        "type.known": OtherId(
            _REQUEST, "The type must be a message of the IR; `crucible-ir schema` lists them."
        ),
        "types.known": OtherId(
            _REQUEST, "Each type must be a message of the IR; `crucible-ir schema` lists them."
        ),
    }
)

#: Notes on rules of the schema.
RULE_NOTES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "string.pattern": (
            "ModelVersion.version is a semantic version (semver.org).",
            "Passes  1.2.0  1.2.0-rc.1  2.0.0+build.7",
            "Fails   v1.2.0 (remove the v)  1.2 (give all three numbers)  01.2.0 (leading zero)",
            "",
            "Artifact.digest and DatasetRef.digest have an algorithm and a value, as in OCI.",
            "Passes  sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
            "  sha1:da39a3ee5e6b4b0d3255bfef95601890afd80709  mlflow:d41d8cd9",
            "Fails   da39a3ee5e6b4b0d3255bfef95601890afd80709 (no algorithm)"
            "  SHA256:e3b0 (upper case)",
        ),
    }
)
