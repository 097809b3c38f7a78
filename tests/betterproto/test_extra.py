"""The runtime is optional: no other package imports it, and an error names the missing extra."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import requires

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from crucible_ir.betterproto.generated.crucible_ir import v1 as messages

pytestmark = pytest.mark.slow

WITHOUT = """
import sys
sys.modules[{module!r}] = None
try:
    import {importing}
except ImportError as error:
    print(type(error).__name__, error)
"""

BASE = """
import sys
import crucible_ir as ir
import google.protobuf
message = ir.validate(ir.new_stage_def(name="s", options={"n": 1}))
for write, read in (
    (ir.to_binary, ir.from_binary), (ir.to_json, ir.from_json), (ir.to_yaml, ir.from_yaml),
    (ir.to_text, ir.from_text), (ir.to_crucible_json, ir.from_crucible_json),
):
    assert read(write(message), "StageDef") == message
print(sorted(name for name in sys.modules if "betterproto" in name or "grpclib" in name))
"""

BESIDE = """
import google.protobuf
before = google.protobuf
from crucible_ir import betterproto
from google.protobuf import struct_pb2
assert google.protobuf is before and struct_pb2.Struct is not betterproto.Struct
print(google.protobuf.__version__ and betterproto.Struct.__module__)
"""


def printed_by(script: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", script], check=True, capture_output=True, text=True
    ).stdout.strip()


@pytest.mark.parametrize(
    ("importing", "module"),
    [
        ("crucible_ir.betterproto", "betterproto2"),
        ("crucible_ir.betterproto.v1", "betterproto2"),
        ("crucible_ir.betterproto.exchange.v1", "grpclib"),
    ],
)
def test_importing_it_without_the_extra_names_the_extra(importing: str, module: str) -> None:
    printed = printed_by(WITHOUT.format(importing=importing, module=module))
    assert printed.startswith(f"MissingExtraError the module {module}")
    assert printed.endswith(" is not installed; run: pip install 'crucible-ir[betterproto]'")


def test_an_incompatible_release_of_betterproto2_is_reported() -> None:
    script = "import betterproto2._version as v; v.__version__ = '0.11.0'\n"
    script += WITHOUT.format(importing="crucible_ir.betterproto", module="none")
    assert printed_by(script).startswith(
        "MissingExtraError the module crucible_ir.betterproto.v1 is incompatible with the"
        " installed packages; run: pip install --upgrade 'crucible-ir[betterproto]'"
        " (Unsupported version."
    )


def test_the_extra_requires_the_minor_release_of_the_generator() -> None:
    major, minor = map(int, str(vars(messages)["_COMPILER_VERSION"]).split(".")[:2])
    [asked] = [
        Requirement(each) for each in requires("crucible-ir") or () if "betterproto2" in each
    ]
    assert asked.specifier == SpecifierSet(f">={major}.{minor},<{major}.{minor + 1}")
    assert asked.extras == {"grpclib"}


def test_the_messages_alone_do_not_need_grpclib() -> None:
    script = "import sys; sys.modules['grpclib'] = None; import crucible_ir.betterproto as b\n"
    assert printed_by(script + "print(b.v1.StageDef(name='s'))") == "StageDef(name='s')"


def test_no_other_package_imports_it() -> None:
    assert printed_by(BASE) == "[]"


def test_it_leaves_google_s_own_package_alone() -> None:
    assert printed_by(BESIDE) == "crucible_ir.betterproto.generated.google.protobuf"
