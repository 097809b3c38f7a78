"""The native engine: a compiled module that validates and converts messages faster than Python.

The package is complete without it. If the distribution ``crucible-ir-native`` is installed, its
module answers whenever it is certain of the answer of this package's own code. In every other case,
such as input with an error, that code decides and words the error. So the results are the same with
and without the module.

The environment variable ``CRUCIBLE_IR_NATIVE`` decides whether the module is used:

- unset, empty or ``auto``: if it is installed and fits this version of the package
- ``0``: never
- ``1``: always; without it, the first call that would use it raises `NativeEngineError`

`status` reports which engine is used and why. The variable is read once, at the first use.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias, TypeVar

from crucible_ir.errors import Error, shorten

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from crucible_ir.native_module import MessageType, Text

MessageT = TypeVar("MessageT", bound="Message")

#: The name of the compiled module.
MODULE = "crucible_ir_native"

#: The version of the module's interface that this package uses.
ABI = 9

#: The environment variable that decides whether the module is used.
VARIABLE = "CRUCIBLE_IR_NATIVE"

#: The package of the message types that may be named without it.
_PACKAGE = "crucible_ir.v1"

#: The schema as tables, which the module reads. They belong to this package, so that the module
#: need not be built anew when the schema changes.
_TABLES = os.path.join(os.path.dirname(__file__), "schema", "tables.binpb")


class NativeEngineError(Error, ImportError):
    """``CRUCIBLE_IR_NATIVE`` requires the native engine, which cannot be used, or is no setting."""


class Status(NamedTuple):
    """The engine that is used, and why.

    Attributes:
        engine: ``native``, or ``python`` for the package's own code alone.
        reason: Why the native engine is not used; empty if it is.
        version: The version of the native engine; ``None`` if its module cannot be imported.
        panics: How many times the native engine failed and Python answered instead. Each one is a
            bug to report; the answers are right.

    >>> print(Status("python", "crucible_ir_native is not installed", None, 0))
    python (crucible_ir_native is not installed)
    >>> print(Status("native", "", "0.3.0", 0))
    native 0.3.0
    """

    engine: Literal["native", "python"]
    reason: str
    version: str | None
    panics: int

    def __str__(self) -> str:
        return f"python ({self.reason})" if self.reason else f"native {self.version}"


def status() -> Status:
    """Return which engine is used and why; never raises an error.

    >>> status().engine in ("native", "python")
    True
    """
    found = _engine()
    panics = found.module.panics() if found.core is not None else 0
    return Status("python" if found.reason else "native", found.reason, found.version, panics)


class Split(NamedTuple):
    """A message, split into the messages of one of its lists and the rest.

    Attributes:
        rest: The other fields, encoded.
        items: The messages of the list, encoded.
        values: The values of each field, each with one value for each message: ``None`` for an
            unset field, texts as UTF-8, and timestamps in microseconds since 1970.
    """

    rest: bytes
    items: list[bytes]
    values: list[list[Any]]


class _Engine(NamedTuple):
    """The result of looking for the module.

    Attributes:
        module: The module; ``None`` if it cannot be imported.
        core: The schema in the module; ``None`` if it is not used.
        version: The version of the module.
        reason: Why it is not used; empty if it is.
        required: Whether ``CRUCIBLE_IR_NATIVE`` requires it, or is no setting.
    """

    module: Any
    core: Any
    version: str | None
    reason: str
    required: bool = False


@cache
def _engine() -> _Engine:
    setting = os.environ.get(VARIABLE, "") or "auto"
    if setting == "0":
        return _Engine(None, None, None, f"{VARIABLE} is 0")
    if setting not in ("1", "auto"):
        reason = f'{VARIABLE} is {shorten(setting)}; expected "0", "1" or "auto"'
        return _Engine(None, None, None, reason, required=True)
    required = setting == "1"
    try:
        module: Any = import_module(MODULE)
    except Exception as error:
        if isinstance(error, ModuleNotFoundError) and error.name == MODULE:
            return _Engine(None, None, None, f"{MODULE} is not installed", required)
        reason = f"{MODULE} cannot be imported: {error}"
        return _Engine(None, None, None, " ".join(reason.split()), required)
    version: str = getattr(module, "VERSION", "")
    abi = getattr(module, "ABI", None)
    if abi != ABI:
        reason = f"{MODULE} {version} has the interface {abi}, and this package needs {ABI}"
        return _Engine(module, None, version, reason, required)
    try:
        # Imported here since without the module nothing needs it yet.
        import orjson

        with open(_TABLES, "rb") as file:
            core = module.Core(file.read(), orjson.dumps(1e16))
    except Exception as error:
        reason = f"{MODULE} {version} cannot read the tables of the schema: {error}"
        return _Engine(module, None, version, reason, required)
    return _Engine(module, core, version, "")


class _MessageTypes(dict[Any, "MessageType[Any] | None"]):
    """The message types by class and by name; ``None`` for other classes and names."""

    def __missing__(self, type_: Any) -> MessageType[Any] | None:
        if isinstance(type_, str):
            class_ = getattr(sys.modules.get(_PACKAGE), type_.removeprefix(f"{_PACKAGE}."), None)
        else:
            class_ = type_
        found = _find(class_)
        if found is not None or isinstance(type_, type):
            self[type_] = found
        return found


def _find(class_: Any) -> MessageType[Any] | None:
    engine = _engine()
    if engine.core is None:
        if engine.required:
            raise NativeEngineError(
                f"the native engine cannot be used, which {VARIABLE} requires: {engine.reason}"
            )
        return None
    descriptor = getattr(class_, "DESCRIPTOR", None)
    package, _, name = getattr(descriptor, "full_name", "").rpartition(".")
    # A class of another descriptor pool can have other fields and rules under the same name.
    own: Any = getattr(sys.modules.get(package), name, None)
    if own is None or own is not class_:
        return None
    found: MessageType[Any] | None = engine.core.message(f"{package}.{name}", own.FromString)
    return found


_TYPES = _MessageTypes()


# Each function returns None where the native engine is not used or not certain: its caller does
# the same in Python then. Where CRUCIBLE_IR_NATIVE requires an engine that is not usable, each one
# raises NativeEngineError.


def decoder(class_: type[MessageT], decode: Callable[..., MessageT]) -> Callable[[bytes], MessageT]:
    """Return a faster function than ``decode`` with the same results; itself if there is none.

    Args:
        class_: The class of the messages.
        decode: Decodes bytes; its second argument is their message if it has already been parsed.
    """
    native = _TYPES[class_]
    return decode if native is None else native.decoder(class_.FromString, decode)


def from_binary(data: bytes, type_: type[MessageT] | str) -> MessageT | None:
    """Return the message of some bytes if it is certainly valid, as `crucible_ir.from_binary`."""
    try:
        native: MessageType[MessageT] | None = _TYPES[type_]
    except TypeError:
        return None
    return None if native is None else native.from_binary(data)


def splitter(
    class_: type[Message], list_: str, fields: tuple[str, ...]
) -> Callable[[bytes], Split | None]:
    """Return a function that splits a message into the messages of a list and the rest.

    The function returns ``None`` unless the message is certainly valid and has no unknown fields,
    the messages inside included, even if the schema does not require them to be valid.

    Args:
        class_: The class of the message.
        list_: The name of the list.
        fields: The fields of the messages in the list whose values are returned.
    """
    native = _TYPES[class_]
    found = None if native is None else native.splitter(list_, fields)
    if found is None:
        return lambda data: None
    split = found.split

    def parts(data: bytes) -> Split | None:
        result = split(data)
        return None if result is None else Split(*result)

    return parts


def _written(message: Message) -> bytes | None:
    """Return the bytes of a message; ``None`` if it is too large or nested too deeply.

    The Python code raises the error of such a message.
    """
    try:
        return message.SerializeToString()
    except Exception:
        return None


def to_json(message: Message, original_names: bool) -> str | None:
    """Return the ProtoJSON of a message, as `crucible_ir.to_json` writes it on one line."""
    native = _TYPES[type(message)]
    data = _written(message) if native is not None else None
    return None if native is None or data is None else native.to_json(data, original_names)


def to_crucible_json(message: Message) -> str | None:
    """Return the Crucible JSON of a message, as `crucible_ir.to_crucible_json` on one line."""
    native = _TYPES[type(message)]
    data = _written(message) if native is not None else None
    return None if native is None or data is None else native.to_crucible_json(data)


def digest(message: Message) -> str | None:
    """Return the digest of a message, as `crucible_ir.digest`."""
    native = _TYPES[type(message)]
    data = _written(message) if native is not None else None
    return None if native is None or data is None else native.digest(data)


def guard(class_: type[Message], guard: Callable[[Message], bool]) -> Callable[[Message], bool]:
    """Return a function that returns whether a message certainly satisfies every rule.

    It is faster than a generated guard for messages that contain others, and slower for those that
    do not.
    """
    native = _TYPES[class_]
    if native is None:
        return guard
    check = native.check

    def is_certain(message: Message) -> bool:
        data = _written(message)
        # A message that cannot be written can be valid: guards do not look into opaque JSON.
        return (data is not None and check(data, True)) or guard(message)

    return is_certain


def is_valid(message: Message) -> bool:
    """Return whether a message is certainly valid, and readable by other implementations.

    Unlike a `guard`, it checks the unknown fields inside as well.
    """
    native = _TYPES[type(message)]
    data = _written(message) if native is not None else None
    return native is not None and data is not None and native.check(data, False)


def from_json(data: Text, type_: type[MessageT] | str, validate: bool) -> MessageT | None:
    """Return the message of a ProtoJSON text, as `crucible_ir.from_json`."""
    try:
        native: MessageType[MessageT] | None = _TYPES[type_]
        if native is None:
            return None
        message = native.from_json(data, validate)
        return message if message is not None else _from_copy(native.from_json, data, validate)
    except TypeError:
        # The type cannot be hashed, or an argument has another type than the module accepts.
        return None


def from_crucible_json(data: Text, type_: type[MessageT] | str, validate: bool) -> MessageT | None:
    """Return the message of a Crucible JSON text, as `crucible_ir.from_crucible_json`."""
    try:
        native: MessageType[MessageT] | None = _TYPES[type_]
        if native is None:
            return None
        read = native.from_crucible_json
        message = read(data, validate)
        return message if message is not None else _from_copy(read, data, validate)
    except TypeError:
        # The type cannot be hashed, or an argument has another type than the module accepts.
        return None


def _from_copy(
    read: Callable[[bytes, bool], MessageT | None], data: Text, validate: bool
) -> MessageT | None:
    """Read a text that could change while the engine reads it."""
    if isinstance(data, (bytearray, memoryview)):
        return read(bytes(data), validate)
    return None


def transcode(
    data: str | bytes, type_: type[Message] | str, source: str, target: str, validate: bool
) -> bytes | None:
    """Return a document in another format, as `crucible_ir.transcode`."""
    try:
        native: MessageType[Any] | None = _TYPES[type_]
        return None if native is None else native.transcode(data, source, target, validate)
    except TypeError:
        return None


def transcoder(
    type_: type[Message] | str,
    source: str,
    target: str,
    validate: bool,
    convert: Callable[[str | bytes], bytes],
) -> Callable[[str | bytes], bytes]:
    """Return a faster function than ``convert`` with the same results; itself if there is none."""
    native: MessageType[Any] | None = _TYPES[type_]
    found = None if native is None else native.transcoder(source, target, bool(validate), convert)
    return convert if found is None else found


#: Returns a message that is certainly valid.
Certain: TypeAlias = "Callable[[bytes], Message | None]"


def binary_reader(class_: type[Message]) -> Certain | None:
    """Return a function that does what `from_binary` does, but as `crucible_ir.decoder`."""
    native = _TYPES[class_]
    return None if native is None else native.decoder(class_.FromString, _nothing)


def _nothing(data: bytes, parsed: object = None) -> None:
    return None


def record_reader(class_: type[Message], *arguments: object) -> Any:
    """Return the module's reader of the records of streams, whose arguments follow the type."""
    native = _TYPES[class_]
    return None if native is None else _engine().module.RecordReader(native, *arguments)


def frames(data: bytes, start: int, max_bytes: int) -> tuple[bytes, bytes, int] | None:
    """Return the places of the complete messages of a delimited stream in some bytes.

    Returns:
        Where each message starts and ends, as 64-bit integers, and the number of empty messages;
        ``None`` if the engine is not used.
    """
    engine = _engine()
    if engine.core is None:
        return None
    found: tuple[bytes, bytes, int] | None = engine.module.frames(data, start, max_bytes)
    return found


def is_used(class_: type[Message]) -> bool:
    """Return whether the engine is used for the messages of a class."""
    return _TYPES[class_] is not None


def column_builder(class_: type[Message], columns: object, *arguments: object) -> Any:
    """Return the module's builder of Arrow columns, whose arguments follow the type.

    It is also ``None`` if the engine cannot fill such columns.
    """
    native = _TYPES[class_]
    if native is None:
        return None
    try:
        return _engine().module.ColumnBuilder(native, columns, *arguments)
    except ValueError:
        return None
