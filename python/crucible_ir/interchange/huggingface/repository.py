"""The files of a model repository or checkpoint that belong together, as one record.

A record is the content of one file, or a folder: ``{"name": "org/model", "files": {"config.json":
{...}, "README.md": {"data": {...}, "text": "..."}}}``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

from crucible_ir.interchange.mapping.converters import MAX_ID_BYTES, is_id
from crucible_ir.interchange.mapping.exporting import Export
from crucible_ir.interchange.mapping.importing import Import
from crucible_ir.interchange.mapping.report import Outcome
from crucible_ir.interchange.mapping.source import Source
from crucible_ir.interchange.mapping.target import Target

NAME: Final = "huggingface"

CARD: Final = "README.md"
CONFIG: Final = "config.json"
STATE: Final = "trainer_state.json"
ARGUMENTS: Final = "training_args.json"
ALL_RESULTS: Final = "all_results.json"

#: The folder of evaluation results in a repository.
ENTRIES: Final = ".eval_results/"

#: The key of a folder's files, in records and in opaque maps.
FILES: Final = "files"

#: The key in an opaque map for what is not used of one result in a file of several.
RESULT: Final = "result"

#: Keys that tell the files apart when only the content is known, the most telling first.
_KEYS: Final[tuple[tuple[str, frozenset[str]], ...]] = (
    (STATE, frozenset({"log_history"})),
    (CARD, frozenset({"data", "text"})),
    (CONFIG, frozenset({"model_type", "architectures", "transformers_version"})),
    (
        ARGUMENTS,
        frozenset(
            {
                "output_dir",
                "per_device_train_batch_size",
                "num_train_epochs",
                "learning_rate",
                "batch_size",
                "num_epochs",
                "epochs",
                "max_steps",
            }
        ),
    ),
)

_RESULTS_NAME = re.compile(r"(\w+_)?results\.json")


def file_of(content: object) -> str | None:
    """Return the usual name of the file with some content; ``None`` for no file that is known.

    >>> file_of({"log_history": [], "global_step": 0})
    'trainer_state.json'
    """
    if not isinstance(content, dict):
        return None
    if isinstance(content.get("dataset"), dict) and "value" in content:
        return ENTRIES
    for name, keys in _KEYS:
        if not keys.isdisjoint(content) and (name != CARD or _is_card(content)):
            return name
    if any(isinstance(key, str) and key.startswith(("eval_", "train_")) for key in content):
        return ALL_RESULTS
    return None


def _is_card(content: dict[str, Any]) -> bool:
    """Return whether the metadata and the text have the types of a card's."""
    data = content.get("data", {})
    # The Hub's API wraps evaluation results in `data`.
    is_metadata = isinstance(data, dict) and not {"dataset", "value"} <= data.keys()
    return is_metadata and isinstance(content.get("text", ""), str)


def is_known(name: str) -> bool:
    """Return whether a file of a folder is read.

    >>> [is_known(name) for name in ("README.md", "eval_results.json", "vocab.json")]
    [True, True, False]
    """
    return name in (CARD, CONFIG, STATE, ARGUMENTS) or is_results(name) or is_entries(name)


def is_results(name: str) -> bool:
    """Return whether a file has the results of a Trainer, such as ``all_results.json``."""
    return _RESULTS_NAME.fullmatch(name) is not None


def is_entries(name: str) -> bool:
    """Return whether a file has evaluation results in the format of the Hub."""
    return name.startswith(ENTRIES)


@dataclass
class Repository:
    """The files of a record that is imported.

    Attributes:
        conversion: The import.
        files: The files by their names; of a single file, by its usual name.
        name: The name of the folder, if the record is a folder with a name.
        is_folder: Whether the record is a folder.
        model: The document of the model, if there is one.
        version: The document of its version, if the revision is known.
    """

    conversion: Import
    files: dict[str, Source]
    name: Source | None
    is_folder: bool
    model: Target | None = None
    version: Target | None = None

    def file(self, name: str) -> Source | None:
        """Return the content of a file that is an object."""
        found = self.files.get(name)
        return found if found is not None and isinstance(found.value, dict) else None

    def keep_rest(self, document: Target, *names: str) -> None:
        """Keep what is not used of files in the opaque map of a document."""
        self.note(document, *names)
        for name in names:
            document.keep_rest(self.files[name], *((FILES, name) if self.is_folder else ()))
        if self.is_folder:
            document.keep_rest(self.conversion.source)

    def keep_result(self, document: Target, name: str, source: Source) -> None:
        """Keep what is not used of one result in a file of several."""
        self.note(document, name)
        document.keep_rest(source, RESULT)
        if self.is_folder:
            document.keep_rest(self.conversion.source)

    def note(self, document: Target, *names: str) -> None:
        """Note in the opaque map of a document of which files of a folder it is made."""
        if not self.is_folder:
            return
        document.mark(FILES)
        for name in names:
            document.mark(FILES, name)
        for key in ("name", "revision"):
            found = self.conversion.source.get(key, str)
            if found is not None:
                document.note(key, found)

    def put_id(self, document: Target, *references: tuple[Target, str]) -> None:
        """Name a document after the folder, or by its content."""
        if self.name is None:
            self.conversion.derive_id(document, "id", *references)
            return
        document.put("id", self.name.value, self.name)
        for other, key in references:
            other.default(key, self.name.value, "the name of the folder")


def repository(conversion: Import) -> Repository:
    """Return the files of a record.

    Raises:
        RecordError: No file of it is known.
    """
    source = conversion.source
    folder_files = source.get(FILES, dict)
    if folder_files is not None:
        name = source.get("name", str)
        if name is not None and not is_id(name.value):
            raise name.fail(f"expected a name of 1 to {MAX_ID_BYTES} bytes")
        files = {key: found for key, found in folder_files.fields() if is_known(key)}
        if not files:
            raise source.fail(f"no file of a model, such as {CARD}, {CONFIG} or {STATE}")
        return Repository(conversion, files, name, True)
    kind = file_of(source.value)
    if kind is None:
        raise source.fail(
            f"expected a model card, {CONFIG}, {STATE}, training arguments or evaluation results"
        )
    return Repository(conversion, {kind: source}, None, False)


def required_name(source: Source, key: str) -> Source:
    """Return the text of a key that names something.

    Raises:
        RecordError: There is none.
    """
    found = source.get(key, str)
    if found is None or not is_id(found.value):
        raise (found or source).fail(f'expected a text of 1 to {MAX_ID_BYTES} bytes as "{key}"')
    return found


@dataclass
class Folder:
    """Where an export writes: a single file, or the files of a folder that was imported.

    Attributes:
        conversion: The export.
        rest: What the import kept of the document.
        names: The names of the files that the document was made of; ``None`` for a single file.
    """

    conversion: Export
    rest: Source | None
    names: tuple[str, ...] | None

    def has(self, name: str) -> bool:
        """Return whether the document was made of a file of a folder."""
        return self.names is not None and name in self.names

    def kept(self, name: str) -> Source | None:
        """Return what the import kept of a file."""
        if self.names is None or self.rest is None:
            return self.rest
        files = self.rest.get(FILES, dict)
        return None if files is None else files.get(name, dict)

    def file(self, name: str) -> Target:
        """Return the content of a file."""
        if self.names is None:
            return self.conversion.target
        return self.conversion.target.child(FILES).child(name)

    def entry(self) -> Target:
        """Return a new item of the file with a list that the document was made of."""
        if self.names is None:
            return self.conversion.target
        return self.conversion.target.child(FILES).append(self.names[0])

    def restore(self) -> None:
        """Put back what the import kept of the files."""
        self.conversion.target.restore(self.rest)

    def result(self) -> Source | None:
        """Return what the import kept of one result in a file."""
        return None if self.rest is None else self.rest.get(RESULT, dict)

    def restore_result(self, target: Target) -> None:
        """Put back what the import kept of one result in a file."""
        target.restore(self.result())
        self.restore()


def folder(conversion: Export) -> Folder:
    """Return where an export writes, and use the id of the document."""
    rest = conversion.source.rest()
    files = rest.get(FILES, dict) if rest is not None else None
    named = conversion.source.get("id", str)
    if rest is None or files is None:
        return Folder(conversion, rest, None)
    target = conversion.target.child(FILES)
    target.value.clear()
    if not files.value:
        files.use(Outcome.RENAMED, target.path)
    for name, found in files.fields():
        if found.value == {}:
            found.use(Outcome.RENAMED, (FILES, name))
            if not is_entries(name):
                target.value.setdefault(name, {})
    for key in ("name", "revision"):
        owner = rest.get(key, str)
        if owner is not None:
            conversion.target.put(key, owner.value, owner)
    if named is not None and named.value == rest.value.get("name"):
        named.use(Outcome.RENAMED, ("name",))
    return Folder(conversion, rest, tuple(files.value))
