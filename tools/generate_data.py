"""Write what is derived from the schema and its rules, or with --check report stale files.

It runs in the environment of the package, after `generate.py` has written its code.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping

import generate_conformance_cases
import generate_constructors
import generate_digest_vectors
import generate_field_table
import generate_interchange_docs
import generate_lint_docs
import generate_native_tables
import generated_files
from conformance_cases.partial_cases import ContradictionError

#: The generators, which may read the files of those before them. Each returns the content of its
#: files by their paths in the repository.
GENERATORS: tuple[Callable[[], Mapping[str, str | bytes]], ...] = (
    generate_constructors.files,
    generate_field_table.files,
    generate_digest_vectors.files,
    generate_conformance_cases.files,
    generate_lint_docs.files,
    generate_interchange_docs.files,
    generate_native_tables.files,
)


def main() -> int:
    """Run every generator, and compare its files with the repository or copy them there."""
    check = generated_files.check_is_asked_for(__doc__)
    problems: list[str] = []
    for files in GENERATORS:
        try:
            fresh = {path: encoded(content) for path, content in files().items()}
        except ContradictionError as error:
            print(f"generate_data: {error}", file=sys.stderr)
            return 1
        if check:
            problems += generated_files.compare(fresh)
        else:
            for change in generated_files.update(fresh):
                print(change)
    return generated_files.report(problems) if check else 0


def encoded(content: str | bytes) -> bytes:
    """Return the content of a file as bytes."""
    return content.encode() if isinstance(content, str) else content


if __name__ == "__main__":
    sys.exit(main())
