"""The folder with the result of a job: its lock, its plan, and the names of its files."""

from __future__ import annotations

import fcntl
import json
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, Final

from crucible_ir.bulk.jobs.plan import JobError, Plan

#: The names of the files beside the parts. Readers of tables ignore them for their underscore.
MANIFEST: Final = "_manifest.json"
VIOLATIONS: Final = "_violations.parquet"
QUARANTINE: Final = "_quarantine"
PROGRESS: Final = "_progress"
PLAN: Final = "plan.json"
#: The names of the files of a job.
_OWN_NAME: Final = re.compile(
    rf"part-[0-9]{{5,}}-[0-9]{{5,}}\.[a-z]+|{QUARANTINE}(\.[a-z]+)+|{VIOLATIONS}|{MANIFEST}"
)


class JobFolder:
    """The folder of a job.

    Args:
        path: The name of the folder.

    Attributes:
        path: The folder.
        progress: The folder in it with the files of a job that is not finished.
        manifest: The manifest, which is written last.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self.progress = self.path / PROGRESS
        self.manifest = self.path / MANIFEST

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Make the folder, and keep other runs out of it.

        Raises:
            JobError: Another run writes to the folder.
            OSError: The folder cannot be written.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self.path, os.O_RDONLY)
        try:
            # The operating system releases it when this process ends, however it ends.
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            raise JobError(f"{self.path}: another run writes to this folder") from None
        try:
            yield
        finally:
            os.close(descriptor)

    def begin(self, plan: Plan, *, force: bool = False) -> bool:
        """Prepare the folder for a plan, and return whether its result is already complete.

        Args:
            plan: The plan.
            force: Whether the result of another plan, or a complete one, is replaced.

        Raises:
            JobError: The folder has the result of another plan, or other files.
            OSError: The folder cannot be written.
        """
        if force:
            self.clear()
        before = self._plan_before()
        if before is not None and (differences := before.differences(plan)):
            raise JobError(
                f"{self.path}: has the result of another run: {'; '.join(differences[:3])}; give"
                " another folder, or --force to replace the result"
            )
        if self.manifest.exists():
            self.remove_progress()
            return True
        if before is None:
            if not force:
                self.check_empty()
            self.progress.mkdir(exist_ok=True)
            self.write_plan(plan)
        for each in self.progress.glob("*.tmp"):
            # A worker of a cluster can still rename one, after its driver was killed.
            each.unlink(missing_ok=True)
        return False

    def check_empty(self) -> None:
        """Check that the folder has no files, apart from hidden ones.

        Raises:
            JobError: It has one.
        """
        for name in sorted(os.listdir(self.path)):
            if not name.startswith(".") and name != PROGRESS:
                raise JobError(
                    f"{self.path}: has files that are not of a run, such as {name}; give an"
                    " empty folder, or --force to write beside them"
                )

    def write_plan(self, plan: Plan, **others: Any) -> None:
        """Write the plan of a job that begins, and the time."""
        started = {"plan": plan.to_json(), **others, "started": datetime.now(UTC).isoformat()}
        write_json(self.progress / PLAN, started)

    def started(self) -> str:
        """Return the time when the job was started first."""
        return str(read_json(self.progress / PLAN)["started"])

    def _plan_before(self) -> Plan | None:
        """Return the plan of the result in the folder; ``None`` if there is none."""
        for path in (self.manifest, self.progress / PLAN):
            try:
                values = read_json(path)
                if values is None:
                    continue
                if path == self.manifest:
                    return plan_of(values)
                # The manifest needs it when the job is complete.
                values["started"]
                return Plan.from_json(values["plan"])
            except (KeyError, TypeError, ValueError):
                raise unreadable(path) from None
        return None

    def clear(self) -> None:
        """Remove the result of a job, and what is left of one that is not finished."""
        # Without its manifest, no part looks like a part of a complete result.
        self.manifest.unlink(missing_ok=True)
        self.remove_progress()
        for name in os.listdir(self.path):
            if _OWN_NAME.fullmatch(name):
                (self.path / name).unlink()

    def quarantines(self) -> list[str]:
        """Return the names of the files with bad records."""
        return sorted(path.name for path in self.path.glob(f"{QUARANTINE}.*"))

    def remove_progress(self) -> None:
        """Remove the files of a job that is not finished."""
        if self.progress.exists():
            shutil.rmtree(self.progress)


def unreadable(path: Path) -> JobError:
    """Return the error of a file that is not as this release writes it."""
    return JobError(
        f"{path}: cannot be read by this release; give another folder, or --force to replace the"
        " result"
    )


def plan_of(manifest: Any) -> Plan:
    """Return the plan of a manifest.

    Raises:
        KeyError, TypeError: It is not a manifest of this release.
    """
    inputs = [
        {"name": each["name"], "format_name": each["format"], "bytes": each["bytes"]}
        | {"modified": modified}
        for each, modified in zip(
            manifest["inputs"], manifest["times"]["inputs_modified"], strict=True
        )
    ]
    return Plan.from_json({**manifest, "inputs": inputs})


def read_json(path: Path) -> Any:
    """Return the values of a file; ``None`` if it does not exist.

    Raises:
        ValueError: It is not JSON, or nested too deeply.
    """
    try:
        return json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except RecursionError:
        raise ValueError("nested too deeply") from None


def write_json(path: Path, values: Any) -> None:
    """Write a file, which appears when it is complete."""
    with replacing(path) as file:
        file.write(json.dumps(values, indent=1).encode() + b"\n")


def _temporary(path: Path) -> Path:
    """Return a new name for a temporary file."""
    return path.with_name(f"{path.name}.{os.getpid()}.{secrets.token_hex(4)}.tmp")


@contextmanager
def replacing(path: Path, temporary: Path | None = None) -> Iterator[IO[bytes]]:
    """Write a file, which appears when it is complete; if writing fails, nothing changes.

    Args:
        path: The file.
        temporary: The name of the file that is renamed, with a suffix that differs each time; by
            default one beside it.
    """
    # Two attempts at one part can run at the same time.
    temporary = _temporary(temporary or path)
    try:
        with open(temporary, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException as error:
        if isinstance(error, OSError) and error.filename is None:
            # Such as that of a full disk: only the opening of a file has a name.
            error.filename = str(path)
        with suppress(OSError):
            temporary.unlink()
        raise
