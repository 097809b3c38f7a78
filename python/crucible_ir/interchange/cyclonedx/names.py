"""Names of CycloneDX, and the identity of a component."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from crucible_ir.interchange.mapping.converters import (
    NUMBER_TEXT,
    TIME_TEXT,
    VERSION,
    NoConversionError,
)
from crucible_ir.schema.fields import fields_of
from crucible_ir.v1 import model_pb2

NAME: Final = "cyclonedx"
MODEL: Final = "machine-learning-model"
DATA: Final = "data"
METRICS: Final = "performanceMetrics"

#: The versions of the specification; the first one is written for documents from elsewhere.
SPEC_VERSIONS: Final = ("1.6", "1.7")

#: What the names of our properties begin with: fields that a component has no place for.
PROPERTY: Final = "crucible-ir:"
REF_PROPERTIES: Final = ("provider", "framework")
VERSION_PROPERTIES: Final = (
    "stage",
    "training_run_id",
    "parent_version",
    "artifact_uri",
    "created_at",
)

#: The name of an algorithm in a digest for each name of CycloneDX; the first ones are preferred.
ALGORITHMS: Final = {
    "SHA-256": "sha256",
    "SHA-512": "sha512",
    "SHA-384": "sha384",
    "SHA-1": "sha1",
    "MD5": "md5",
    "SHA3-256": "sha3-256",
    "SHA3-384": "sha3-384",
    "SHA3-512": "sha3-512",
    "BLAKE2b-256": "blake2b-256",
    "BLAKE2b-384": "blake2b-384",
    "BLAKE2b-512": "blake2b-512",
    "BLAKE3": "blake3",
}
DIGEST_REASON: Final = "a digest names its algorithm, as OCI writes it"

_TASKS: Final = frozenset(fields_of(model_pb2.ModelRef.DESCRIPTOR)["task"].short_names)

_MAX_ID_BYTES = 512
MAX_URI_BYTES = 8192


def fits(value: object, limit: int = _MAX_ID_BYTES) -> bool:
    """Return whether a value is a text that is not empty or too long."""
    try:
        return isinstance(value, str) and 0 < len(value.encode()) <= limit
    except UnicodeEncodeError:
        return False


@dataclass(frozen=True)
class Identity:
    """What identifies a component.

    Attributes:
        group: The group of its name; may be empty.
        name: Its name.
        version: Its version; may be empty.
    """

    group: str
    name: str
    version: str = ""

    @property
    def joined(self) -> str:
        """The id of the model."""
        return f"{self.group}/{self.name}" if self.group else self.name

    @property
    def id(self) -> str:
        """The id of the version."""
        return f"{self.joined}@{self.version}" if self.version else self.joined

    @classmethod
    def of_model(cls, id_: str, version: str = "") -> Identity:
        """Return the identity of a model's component.

        >>> Identity.of_model("example/chat", "1")
        Identity(group='example', name='chat', version='1')
        """
        group, _, name = id_.rpartition("/")
        return cls(group, name, version) if group and name else cls("", id_, version)

    @classmethod
    def of_version(cls, id_: str) -> Identity:
        """Return the identity of the component of a version.

        >>> Identity.of_version("example/chat@1")
        Identity(group='example', name='chat', version='1')
        """
        model, _, version = id_.rpartition("@")
        return cls.of_model(model, version) if model and version else cls.of_model(id_)

    def as_json(self) -> dict[str, str]:
        """Return the keys of a component."""
        found = {"group": self.group, "name": self.name, "version": self.version}
        return {key: value for key, value in found.items() if value}


def identity_of(component: Any) -> Identity | None:
    """Return the identity of a component; ``None`` if it has no name."""
    values = [component.get(key) for key in ("group", "name", "version")]
    group, name, version = (value if fits(value) else "" for value in values)
    found = Identity(group, name, version)
    if not name or not fits(found.id):
        return None
    try:
        VERSION.read(version)
    except NoConversionError:
        return Identity(group, name)
    return found


def number_of(value: Any) -> float | None:
    """Return the number that a value is or spells, if it is one."""
    try:
        return float(NUMBER_TEXT.read(value))
    except (NoConversionError, OverflowError):
        return None


def write_number(number: float) -> str:
    """Write a number as text, without a point if it is whole.

    >>> write_number(3.0), write_number(0.25), write_number(float("nan"))
    ('3', '0.25', 'nan')
    """
    return str(int(number)) if number.is_integer() and abs(number) < 1e15 else str(number)


def our_task(task: str) -> str:
    """Return our name of a task.

    >>> our_task("text-generation"), our_task("image-captioning")
    ('text_generation', 'image-captioning')
    """
    ours = task.replace("-", "_")
    return ours if ours in _TASKS else task


def their_task(task: str) -> str:
    """Return the name of a task in CycloneDX."""
    return task.replace("_", "-") if task in _TASKS else task


def is_exact_time(text: str) -> bool:
    """Return whether a text is a time as we write it."""
    try:
        return bool(TIME_TEXT.read(text) == text)
    except NoConversionError:
        return False
