"""Fetch the proto of buf.validate, which the schema imports, by pinned version and checksum.

It comes from the source distribution of `protovalidate`. Only the linter and the generators need
it, so it is in a folder that git ignores.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

PROTOVALIDATE_VERSION = "1.2.0"
VALIDATE_PROTO_SHA256 = "817951eab518442950f1982be24b2c3154b214b40e42f49b915cbf5181e6ee80"
VALIDATE_PROTO = Path("buf/validate/validate.proto")
THIRD_PARTY = Path(__file__).resolve().parent.parent / "third_party"


class FetchError(Exception):
    """The file cannot be fetched, or is not the pinned one."""


def main() -> int:
    """Fetch the file unless it exists, and print the result."""
    target = THIRD_PARTY / VALIDATE_PROTO
    if target.is_file() and sha256(target.read_bytes()) == VALIDATE_PROTO_SHA256:
        print(f"{target} exists")
        return 0
    try:
        with tempfile.TemporaryDirectory() as folder:
            install(read_validate_proto(download(Path(folder))), target)
    except FetchError as error:
        print(f"fetch_third_party: {error}", file=sys.stderr)
        return 1
    print(f"fetched {target} from protovalidate {PROTOVALIDATE_VERSION}")
    return 0


def download(folder: Path) -> Path:
    """Download protovalidate's source distribution into a folder and return the archive's path."""
    requirement = f"protovalidate=={PROTOVALIDATE_VERSION}"
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
    command += ["--no-binary", "protovalidate", "--dest", str(folder), requirement]
    if subprocess.run(command, check=False).returncode != 0:
        raise FetchError(f"pip could not download the source distribution of {requirement}")
    return next(folder.glob("protovalidate-*.tar.gz"))


def read_validate_proto(archive: Path) -> bytes:
    """Read the file from the source distribution."""
    suffix = f"/proto/{VALIDATE_PROTO.as_posix()}"
    with tarfile.open(archive) as contents:
        for member in contents:
            if member.name.endswith(suffix) and (stream := contents.extractfile(member)):
                return stream.read()
    raise FetchError(f"{archive.name} has no file {suffix}")


def install(content: bytes, target: Path) -> None:
    """Write the content to its place, if it is the pinned one.

    Raises:
        FetchError: The content's SHA-256 is not `VALIDATE_PROTO_SHA256`; nothing is written.
    """
    if (found := sha256(content)) != VALIDATE_PROTO_SHA256:
        raise FetchError(
            f"wrong checksum for {VALIDATE_PROTO.as_posix()} of protovalidate "
            f"{PROTOVALIDATE_VERSION}: expected sha256 {VALIDATE_PROTO_SHA256}, got {found}"
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(content)


def sha256(content: bytes) -> str:
    """Return the SHA-256 of the content in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


if __name__ == "__main__":
    sys.exit(main())
