"""The public names of the package, their modules, and the cost of importing it."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import descriptor_pool
from google.protobuf.message import Message

import crucible_ir as ir

#: The documented names of the Python API.
DESIGNED = {
    *("v1", "MESSAGE_TYPES", "experiment", "new"),
    *("new_experiment", "new_model_ref", "new_model_version", "new_training_config"),
    *("new_training_run", "new_deployment_config", "new_deployment_status"),
    *("new_feedback_event", "new_feedback_config"),
    *("validate", "is_valid", "violations", "Violation"),
    *("to_binary", "from_binary", "decoder", "to_json", "from_json"),
    *("to_crucible_json", "from_crucible_json", "to_yaml", "from_yaml", "with_defaults"),
    *("Error", "DecodeError", "ValidationError"),
    *("lint", "LintFinding", "digest", "diff", "Change", "read_delimited", "write_delimited"),
}

#: The constructors of the other messages, the text format, JSON values, and the types of errors and
#: results.
ADDED = {
    *("new_audio_content", "new_backend_ref", "new_capabilities", "new_choice"),
    *("new_completion", "new_content_part", "new_content_parts", "new_dataset_ref"),
    *("new_document", "new_ensemble", "new_fairness", "new_generation_options"),
    *("new_guardrail", "new_hedging", "new_image_content", "new_message"),
    *("new_metrics_snapshot", "new_output_spec", "new_prompt", "new_reliability_config"),
    *("new_artifact", "new_evaluation_result", "new_file_content", "new_metric_result"),
    *("new_model_source", "new_reasoning", "new_traffic_share"),
    *("new_stage_def", "new_stats", "new_thinking", "new_tool_call", "new_tool_choice"),
    *("new_tool_result_content", "new_usage"),
    *("to_text", "from_text", "to_dict", "from_dict"),
    *("EncodeError", "FieldError", "UnknownTypeError", "Position", "ExperimentBuilder"),
    *("Severity", "Selection", "SelectionError", "load_settings"),
    *("explain", "Explanation", "UnknownRuleError", "rule_ids"),
    *("ChangeKind", "StreamError", "StreamCount", "read_jsonl", "write_jsonl"),
    *(
        "transcode",
        "transcoder",
        "validate_many",
        "StreamValidation",
        "bulk_records",
        "RecordChunk",
    ),
    *("arrow_schema", "to_arrow", "from_arrow", "checked_tables", "CheckedTables"),
    "metrics_table",
    *("Limits", "LimitError", "SpellingWarning"),
    *("show", "MessageView"),
    *("requires", "ReleaseError"),
    *("track", "read_run", "upload_run", "TrackingError", "TrackingWarning", "TrackingCallback"),
    *("__version__", "native"),
}

#: Modules that take longer to import than the messages, or that few callers need.
HEAVY = {
    *("protovalidate", "yaml", "ruamel", "click", "rich", "numpy", "argparse", "difflib", "json"),
    "google.protobuf.json_format",
    "crucible_ir.serialization",
    "crucible_ir.validation",
    "crucible_ir.building",
    "crucible_ir.showing",
    "crucible_ir.cli",
}


def fresh_python(script: str) -> Any:
    """Run a script in a new interpreter and return the JSON that it prints."""
    return json.loads(subprocess.check_output([sys.executable, "-c", script], text=True))


def type_checked_imports() -> dict[str, set[str]]:
    """Return the public names that type checkers see, by the module that they are imported from."""
    assert ir.__file__ is not None
    tree = ast.parse(Path(ir.__file__).read_text(encoding="utf-8"))
    (guarded,) = (
        node
        for node in tree.body
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
    )
    found: dict[str, set[str]] = {}
    for node in ast.walk(guarded):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("crucible_ir"):
            names = {alias.asname or alias.name for alias in node.names}
            found.setdefault(str(node.module), set()).update(names)
    return found


def test_the_public_names_are_the_documented_ones() -> None:
    assert set(dir(ir)) == DESIGNED | ADDED


@pytest.mark.parametrize("name", sorted(DESIGNED | ADDED))
def test_every_public_name_can_be_used_and_is_documented(name: str) -> None:
    value = getattr(ir, name)
    if callable(value):
        assert (value.__doc__ or "").strip()
        assert value.__module__.startswith("crucible_ir.")


def test_a_name_is_the_object_of_its_home_module() -> None:
    for module, names in type_checked_imports().items():
        home = import_module(module)
        for name in home.__all__ if names == {"*"} else names:
            assert getattr(ir, name) is getattr(home, name)


def test_type_checkers_see_the_names_that_are_imported_lazily() -> None:
    seen = type_checked_imports()
    assert seen.pop("crucible_ir.building.constructors") == {"*"}
    assert seen.pop("crucible_ir") == {"native", "v1"}
    lazy = {module: set(names) for module, names in vars(ir)["_MODULES"].items()}
    assert seen == lazy


def test_message_types_are_every_message_of_the_schema() -> None:
    pool = descriptor_pool.Default()
    files = {cls.DESCRIPTOR.file.name for cls in ir.MESSAGE_TYPES.values()}
    declared = {
        message.full_name
        for file in files
        for message in pool.FindFileByName(file).message_types_by_name.values()
    }
    assert {cls.DESCRIPTOR.full_name for cls in ir.MESSAGE_TYPES.values()} == declared
    assert all(issubclass(cls, Message) for cls in ir.MESSAGE_TYPES.values())
    assert all(name == cls.DESCRIPTOR.name for name, cls in ir.MESSAGE_TYPES.items())
    assert all(getattr(ir.v1, name) is cls for name, cls in ir.MESSAGE_TYPES.items())


def test_an_unknown_name_is_an_attribute_error_as_of_any_module() -> None:
    for name in ("validat", "new_modelref", "_private"):
        with pytest.raises(AttributeError) as caught:
            getattr(ir, name)
        assert str(caught.value) == f"module 'crucible_ir' has no attribute '{name}'"
        assert (caught.value.name, caught.value.obj) == (name, ir)


def test_a_message_that_is_looked_for_in_the_package_is_in_v1() -> None:
    for name in ("TrainingConfig", "ModelStage"):
        with pytest.raises(AttributeError, match=f"messages and enums are in .*v1.{name}$"):
            getattr(ir, name)


def test_a_renamed_name_works_with_a_warning() -> None:
    with pytest.warns(DeprecationWarning, match=r"use crucible_ir\.LintFinding$"):
        assert ir.Advice is ir.LintFinding


def test_the_version_is_that_of_the_distribution() -> None:
    assert ir.__version__ == version("crucible-ir")


def test_every_error_is_an_error_of_the_package_and_of_a_builtin_type() -> None:
    assert issubclass(ir.Error, Exception)
    for error, kind in (
        (ir.DecodeError, ValueError),
        (ir.EncodeError, ValueError),
        (ir.FieldError, TypeError),
        (ir.ValidationError, ValueError),
        (ir.UnknownTypeError, LookupError),
    ):
        assert issubclass(error, ir.Error)
        assert issubclass(error, kind)


# The cost of importing


def test_importing_the_package_imports_no_heavy_modules() -> None:
    loaded = fresh_python(
        "import sys, crucible_ir; print(str(sorted(sys.modules)).replace(\"'\", '\"'))"
    )
    assert HEAVY.isdisjoint(loaded)


def test_building_and_binary_import_nothing_for_validation_or_text() -> None:
    loaded = fresh_python(
        "import json, sys; import crucible_ir as ir;"
        "data = ir.to_binary(ir.new_model_ref(id='m'));"
        "ir.from_binary(data, 'ModelRef', validate=False);"
        "json.dump(sorted(sys.modules), sys.stdout)"
    )
    unneeded = {"protovalidate", "yaml", "click", "rich", "google.protobuf.json_format"}
    assert unneeded.isdisjoint(loaded)


USE_EVERYTHING = """
import json, sys
from google.protobuf import descriptor_pool
from google.protobuf.descriptor_pb2 import FileDescriptorProto

files = []
add = descriptor_pool.Default().AddSerializedFile

class Pool:
    def AddSerializedFile(self, content):
        files.append(FileDescriptorProto.FromString(content).name)
        return add(content)

    def __getattr__(self, name):
        return getattr(real, name)

real = descriptor_pool.Default()
descriptor_pool.Default = lambda: Pool()

import crucible_ir as ir
import crucible_ir.v1
message = ir.validate(ir.new_stage_def(name="s", options={"n": 1}))
for write, read in (
    (ir.to_binary, ir.from_binary), (ir.to_json, ir.from_json), (ir.to_yaml, ir.from_yaml),
    (ir.to_text, ir.from_text), (ir.to_crucible_json, ir.from_crucible_json),
):
    assert read(write(message), "StageDef") == message
json.dump(files, sys.stdout)
"""


def test_using_the_package_registers_only_its_own_schema_and_the_well_known_types() -> None:
    files = fresh_python(USE_EVERYTHING)
    assert any(name.startswith("crucible_ir/v1/") for name in files)
    foreign = {name for name in files if not name.startswith(("crucible_ir/", "google/protobuf/"))}
    assert foreign == set()
