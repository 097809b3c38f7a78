"""Crucible IR: protobuf messages for the exchange of ML work between teams.

The messages and enums are in `crucible_ir.v1`. This module has the functions that build, validate,
read and write them. Each name is imported when it is first used, so ``import crucible_ir`` is fast
and does not import protobuf.
"""

from __future__ import annotations

import sys
import warnings
from importlib import import_module
from typing import TYPE_CHECKING

from crucible_ir.version import VERSION

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from crucible_ir import native as native
    from crucible_ir import v1 as v1
    from crucible_ir.building.constructors import *  # noqa: F403  # its __all__ has a constructor for each message
    from crucible_ir.building.experiment import ExperimentBuilder as ExperimentBuilder
    from crucible_ir.building.experiment import experiment as experiment
    from crucible_ir.bulk.arrow import CheckedTables as CheckedTables
    from crucible_ir.bulk.arrow import checked_tables as checked_tables
    from crucible_ir.bulk.arrow import to_arrow as to_arrow
    from crucible_ir.bulk.metrics import metrics_table as metrics_table
    from crucible_ir.bulk.reading import from_arrow as from_arrow
    from crucible_ir.bulk.schemas import arrow_schema as arrow_schema
    from crucible_ir.diffing import Change as Change
    from crucible_ir.diffing import ChangeKind as ChangeKind
    from crucible_ir.diffing import diff as diff
    from crucible_ir.errors import DecodeError as DecodeError
    from crucible_ir.errors import EncodeError as EncodeError
    from crucible_ir.errors import Error as Error
    from crucible_ir.errors import FieldError as FieldError
    from crucible_ir.errors import Position as Position
    from crucible_ir.errors import SpellingWarning as SpellingWarning
    from crucible_ir.errors import ValidationError as ValidationError
    from crucible_ir.errors import Violation as Violation
    from crucible_ir.linting import LintFinding as LintFinding
    from crucible_ir.linting import Selection as Selection
    from crucible_ir.linting import SelectionError as SelectionError
    from crucible_ir.linting import Severity as Severity
    from crucible_ir.linting import lint as lint
    from crucible_ir.linting import load_settings as load_settings
    from crucible_ir.schema.defaults import with_defaults as with_defaults
    from crucible_ir.schema.releases import ReleaseError as ReleaseError
    from crucible_ir.schema.releases import requires as requires
    from crucible_ir.schema.types import UnknownTypeError as UnknownTypeError
    from crucible_ir.serialization.binary import decoder as decoder
    from crucible_ir.serialization.binary import from_binary as from_binary
    from crucible_ir.serialization.binary import to_binary as to_binary
    from crucible_ir.serialization.json.canonical import digest as digest
    from crucible_ir.serialization.json.crucible import from_crucible_json as from_crucible_json
    from crucible_ir.serialization.json.crucible import to_crucible_json as to_crucible_json
    from crucible_ir.serialization.json.protojson import from_dict as from_dict
    from crucible_ir.serialization.json.protojson import from_json as from_json
    from crucible_ir.serialization.json.protojson import to_dict as to_dict
    from crucible_ir.serialization.json.protojson import to_json as to_json
    from crucible_ir.serialization.limits import LimitError as LimitError
    from crucible_ir.serialization.limits import Limits as Limits
    from crucible_ir.serialization.streams.bulk import StreamValidation as StreamValidation
    from crucible_ir.serialization.streams.bulk import bulk_records as bulk_records
    from crucible_ir.serialization.streams.bulk import validate_many as validate_many
    from crucible_ir.serialization.streams.chunks import RecordChunk as RecordChunk
    from crucible_ir.serialization.streams.delimited import read_delimited as read_delimited
    from crucible_ir.serialization.streams.delimited import write_delimited as write_delimited
    from crucible_ir.serialization.streams.lines import read_jsonl as read_jsonl
    from crucible_ir.serialization.streams.lines import write_jsonl as write_jsonl
    from crucible_ir.serialization.streams.records import StreamCount as StreamCount
    from crucible_ir.serialization.streams.records import StreamError as StreamError
    from crucible_ir.serialization.text import from_text as from_text
    from crucible_ir.serialization.text import to_text as to_text
    from crucible_ir.serialization.transcoding import transcode as transcode
    from crucible_ir.serialization.transcoding import transcoder as transcoder
    from crucible_ir.serialization.yaml import from_yaml as from_yaml
    from crucible_ir.serialization.yaml import to_yaml as to_yaml
    from crucible_ir.showing import MessageView as MessageView
    from crucible_ir.showing import show as show
    from crucible_ir.tracking import TrackingCallback as TrackingCallback
    from crucible_ir.tracking import TrackingError as TrackingError
    from crucible_ir.tracking import TrackingWarning as TrackingWarning
    from crucible_ir.tracking import read_run as read_run
    from crucible_ir.tracking import track as track
    from crucible_ir.tracking import upload_run as upload_run
    from crucible_ir.validation.check import is_valid as is_valid
    from crucible_ir.validation.check import validate as validate
    from crucible_ir.validation.check import violations as violations
    from crucible_ir.validation.explain import Explanation as Explanation
    from crucible_ir.validation.explain import UnknownRuleError as UnknownRuleError
    from crucible_ir.validation.explain import explain as explain
    from crucible_ir.validation.explain import rule_ids as rule_ids

    #: Every message class of ``crucible_ir.v1``, by its short name.
    MESSAGE_TYPES: dict[str, type[Message]]

    #: The former name of `LintFinding`; deprecated.
    Advice = LintFinding

__version__ = VERSION

#: The module of each name; a test compares them with the imports above.
_MODULES = {
    "crucible_ir.building.experiment": ("ExperimentBuilder", "experiment"),
    "crucible_ir.bulk.arrow": ("CheckedTables", "checked_tables", "to_arrow"),
    "crucible_ir.bulk.metrics": ("metrics_table",),
    "crucible_ir.bulk.reading": ("from_arrow",),
    "crucible_ir.bulk.schemas": ("arrow_schema",),
    "crucible_ir.serialization.json.canonical": ("digest",),
    "crucible_ir.diffing": ("Change", "ChangeKind", "diff"),
    "crucible_ir.errors": (
        "DecodeError",
        "EncodeError",
        "Error",
        "FieldError",
        "Position",
        "SpellingWarning",
        "ValidationError",
        "Violation",
    ),
    "crucible_ir.linting": (
        "LintFinding",
        "Selection",
        "SelectionError",
        "Severity",
        "lint",
        "load_settings",
    ),
    "crucible_ir.validation.explain": ("Explanation", "UnknownRuleError", "explain", "rule_ids"),
    "crucible_ir.schema.defaults": ("with_defaults",),
    "crucible_ir.schema.releases": ("ReleaseError", "requires"),
    "crucible_ir.schema.types": ("UnknownTypeError",),
    "crucible_ir.serialization.binary": ("decoder", "from_binary", "to_binary"),
    "crucible_ir.serialization.json.crucible": ("from_crucible_json", "to_crucible_json"),
    "crucible_ir.serialization.limits": ("LimitError", "Limits"),
    "crucible_ir.serialization.json.protojson": ("from_dict", "from_json", "to_dict", "to_json"),
    "crucible_ir.serialization.streams.bulk": (
        "StreamValidation",
        "bulk_records",
        "validate_many",
    ),
    "crucible_ir.serialization.streams.chunks": ("RecordChunk",),
    "crucible_ir.serialization.streams.delimited": ("read_delimited", "write_delimited"),
    "crucible_ir.serialization.streams.lines": ("read_jsonl", "write_jsonl"),
    "crucible_ir.serialization.streams.records": ("StreamCount", "StreamError"),
    "crucible_ir.serialization.text": ("from_text", "to_text"),
    "crucible_ir.serialization.transcoding": ("transcode", "transcoder"),
    "crucible_ir.serialization.yaml": ("from_yaml", "to_yaml"),
    "crucible_ir.showing": ("MessageView", "show"),
    "crucible_ir.tracking": (
        "TrackingCallback",
        "TrackingError",
        "TrackingWarning",
        "read_run",
        "track",
        "upload_run",
    ),
    "crucible_ir.validation.check": ("is_valid", "validate", "violations"),
}
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names}

#: Deprecated names and their replacements. They work until 1.0.
_RENAMED = {"Advice": "LintFinding"}


# Hidden from type checkers, which would otherwise accept every name.
if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        """Import a public name on its first use."""
        if name in _RENAMED:
            warnings.warn(
                f"crucible_ir.{name} is deprecated; use crucible_ir.{_RENAMED[name]}",
                DeprecationWarning,
                stacklevel=2,
            )
            return _find(_RENAMED[name])
        value = _find(name)
        if value is None:
            reason = f"module 'crucible_ir' has no attribute {name!r}"
            # The classes have capitals, so a look for an optional function imports nothing.
            if name[:1].isupper() and hasattr(_find("v1"), name):
                reason += f"; messages and enums are in crucible_ir.v1: crucible_ir.v1.{name}"
            raise AttributeError(reason, name=name, obj=sys.modules[__name__])
        globals()[name] = value
        return value


def _find(name: str) -> object:
    if name in ("native", "v1"):
        return import_module(f"crucible_ir.{name}")
    if name == "MESSAGE_TYPES":
        return import_module("crucible_ir.schema.types").message_types()
    module = _MODULE_OF.get(name)
    if name == "new" or name.startswith("new_"):
        module = "crucible_ir.building.constructors"
    return getattr(import_module(module), name, None) if module else None


def __dir__() -> list[str]:
    """List the public names, including those not yet imported."""
    from crucible_ir.building import constructors

    others = ("MESSAGE_TYPES", "__version__", "native", "v1")
    return sorted({*_MODULE_OF, *constructors.__all__, *others})
