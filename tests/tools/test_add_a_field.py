"""A field is added by one edit by hand, in a `.proto` file, and `make generate`.

The test does it on a copy of the repository, and uses the field there.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
#: The environments of the repository, which the copy uses as they are.
VENV = Path(sys.prefix)
VENV_GENERATE = ROOT / ".venv-generate"
RULES_PROTO = "third_party/buf/validate/validate.proto"

EDITED = "proto/crucible_ir/v1/experiment.proto"
LAST_FIELD = '  ModelRef baseline = 17 [(crucible_ir.v1.reference) = "ModelRef"];\n'
FIELD = """
  // The share of the budget that the experiment may use. Range: 0 to 1. Unset: no limit.
  optional double budget_share = 1000 [
    (buf.validate.field).double = {
      gte: 0
      lte: 1
    },
    (crucible_ir.v1.since) = "99.0.0"
  ];
"""

#: The files that generation changes, besides conformance cases and, where Go is installed, Go's.
GENERATED_GO = "gen/go/crucible_ir/v1/experiment.pb.go"
GENERATED = {
    "native/core/tables.binpb",
    "python/crucible_ir/betterproto/generated/crucible_ir/v1/__init__.py",
    "python/crucible_ir/building/constructors.py",
    "python/crucible_ir/schema/descriptors.binpb",
    "python/crucible_ir/schema/tables.binpb",
    "python/crucible_ir/v1/experiment_pb2.py",
    "python/crucible_ir/v1/experiment_pb2.pyi",
    "python/crucible_ir/validation/guards.py",
    "tests/schema/field_table.json",
    "tests/vectors/digest/types.jsonl",
}

USE = """
import pathlib
import crucible_ir as ir
from crucible_ir.betterproto import to_betterproto, v1 as betterproto_v1
from crucible_ir.schema.json_schema import json_schema
from crucible_ir.validation import guards

assert pathlib.Path(ir.__file__).is_relative_to(pathlib.Path.cwd()), ir.__file__
made = ir.new_experiment(
    id="e", backend={"id": "b"}, pipeline=[{"name": "s"}], budget_share=0.5
)
assert made.budget_share == 0.5
for write, read in (
    (ir.to_json, ir.from_json),
    (ir.to_crucible_json, ir.from_crucible_json),
    (ir.to_yaml, ir.from_yaml),
    (ir.to_text, ir.from_text),
    (ir.to_binary, ir.from_binary),
):
    assert read(write(made), ir.v1.Experiment) == made
assert guards.guard_experiment(made) is True
assert to_betterproto(made, betterproto_v1.Experiment).budget_share == 0.5
assert "budgetShare" in str(json_schema(ir.v1.Experiment))
before = ir.v1.Experiment.FromString(made.SerializeToString())
made.budget_share = 2
[change] = ir.diff(before, made)
assert change.path == "budget_share"
assert guards.guard_experiment(made) is not True
[violation] = ir.violations(made)
assert (violation.path, violation.rule_id) == ("budget_share", "double.gte_lte")
"""

#: The tests that compare the schema with recorded or handwritten data.
TESTS = (
    "tests/compat",
    "tests/conformance/test_vectors.py",
    "tests/digest/test_digest.py",
    "tests/schema",
    "tests/serialization/test_upstream_vectors.py",
    "tests/validation/test_explain.py",
)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the files that git knows or would add."""
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    names = subprocess.check_output(listed, cwd=ROOT, text=True).splitlines()
    for name in (*names, RULES_PROTO):
        if (ROOT / name).is_file():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, tmp_path / name)
    return tmp_path


def run(folder: Path, *command: str) -> None:
    """Run a command in a folder, whose package is imported."""
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("MAKE", "MFLAGS", "PYTEST_"))
    }
    ran = subprocess.run(
        command,
        cwd=folder,
        env={**environment, "PYTHONPATH": str(folder / "python")},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and not {"__pycache__", ".pytest_cache", ".hypothesis"} & {*path.parts}
    }


def test_a_field_is_everywhere_after_one_edit_and_make_generate(copy: Path) -> None:
    if not (VENV_GENERATE / ".installed").is_file():
        reason = "there is no .venv-generate: run `make generate`"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    text = (copy / EDITED).read_text(encoding="utf-8")
    assert text.count(LAST_FIELD) == 1
    (copy / EDITED).write_text(text.replace(LAST_FIELD, LAST_FIELD + FIELD), encoding="utf-8")
    before = contents(copy)

    # -o: the environments are not made again, although files of the copy may be newer.
    command = ["make", "generate", f"VENV={VENV}", f"VENV_GENERATE={VENV_GENERATE}"]
    for path in (f"{VENV}/.installed", f"{VENV_GENERATE}/.installed", RULES_PROTO):
        command += ["-o", path]
    run(copy, *command)

    after = contents(copy)
    changed = {name for name, content in after.items() if before.get(name) != content}
    cases = {name for name in changed if name.startswith("tests/vectors/conformance/")}
    assert cases
    assert changed - cases == GENERATED | ({GENERATED_GO} if shutil.which("go") else set())
    run(copy, sys.executable, "-c", USE)
    run(copy, sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *TESTS)
