"""protobuf's implementation in pure Python, which is slower and raises other exceptions."""

from __future__ import annotations

import os
import subprocess
import sys

SCRIPT = r"""
from google.protobuf.internal import api_implementation
import crucible_ir as ir

assert api_implementation.Type() == "python"
for text, type_ in (
    (r'{"name": "\ud800"}', "StageDef"),
    (r'{"name": "a", "options": {"k": "\ud800"}}', "StageDef"),
    (r'{"name": "a", "options": {"\ud800": 1}}', "StageDef"),
    (r'{"id": "x", "metrics": {"\ud800": 1}}', "ModelVersion"),
    (r'{"tags": ["\ud800"]}', "Experiment"),
    (r'{"formats": ["\ud800"]}', "OutputSpec"),
    (r'{"role": "user", "content": "\ud800"}', "Message"),
):
    for read in (ir.from_json, ir.from_crucible_json, ir.from_yaml):
        try:
            read(text, type_, validate=False)
        except ir.DecodeError:
            continue
        raise AssertionError((read, text))
stage = ir.new("StageDef", name="s", options={"a": [1, None, {"b": "c"}]})
for write, read in ((ir.to_json, ir.from_json), (ir.to_crucible_json, ir.from_crucible_json)):
    assert read(write(stage), "StageDef") == stage
deep = ir.v1.BackendRef(id="a", profile="default")
inner = deep
for _ in range(2000):
    inner.fallback.id = "a"
    inner = inner.fallback
for use in (ir.to_binary, ir.to_json, ir.to_crucible_json, ir.to_yaml, ir.to_text):
    try:
        use(deep)
    except ir.EncodeError as error:
        assert "nested deeper than 100 levels" in str(error), (use, error)
    else:
        raise AssertionError(use)
for use in (ir.violations, ir.is_valid):
    try:
        use(deep)
    except ir.DecodeError:
        continue
    raise AssertionError(use)
print(ir.digest(stage))
"""


def test_errors_and_digests_are_the_same() -> None:
    digests = []
    for implementation in ("python", "upb"):
        script = SCRIPT.replace('== "python"', f"== {implementation!r}")
        environment = os.environ | {"PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION": implementation}
        command = [sys.executable, "-W", "ignore", "-c", script]
        result = subprocess.run(
            command, env=environment, capture_output=True, text=True, check=False
        )
        assert result.returncode == 0, result.stderr
        digests.append(result.stdout)
    assert digests[0] == digests[1]
