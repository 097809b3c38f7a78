"""Check the wheels of the native core in ``dist/``, and try those of this machine.

``make native-wheels`` builds them. Each contains the module alone. The wheel of this machine is
installed with the package into a new environment of each supported version of Python that is there.
"""

from __future__ import annotations

import platform
import re
import sys
import tempfile
import zipfile
from pathlib import Path

from check_package import PackageError, build, find_python, run, supported_versions

ROOT = Path(__file__).resolve().parents[1]
DIST = ROOT / "dist"

#: The tags of a wheel that runs on every supported Python, on every Linux since 2014.
TAGS = re.compile(r"-cp311-abi3-manylinux2014_(\w+)\.manylinux_2_17_\1\.whl$")

#: The files of a wheel beside its metadata.
CODE = ["crucible_ir_native/__init__.py", "crucible_ir_native/crucible_ir_native.abi3.so"]

USE = """\
import crucible_ir as ir
status = ir.native.status()
assert status.engine == "native", status
event = ir.from_json('{"name": "embed"}', "StageDef")
assert ir.to_json(ir.from_binary(ir.to_binary(event), "StageDef")) == ir.to_json(event)
assert ir.native.status().panics == 0
print("The engine is", status)
"""


def main() -> int:
    """Check every wheel, and return the exit status."""
    wheels = sorted(DIST.glob("crucible_ir_native-*.whl"))
    try:
        if not wheels:
            raise PackageError(f"{DIST} has no wheel of the native core")
        for wheel in wheels:
            check_wheel(wheel)
        with tempfile.TemporaryDirectory() as folder:
            package = build(Path(folder))
            for wheel in wheels:
                if platform.machine() in wheel.name:
                    try_wheels(package, wheel)
    except PackageError as error:
        print(f"check_native_wheels: {error}", file=sys.stderr)
        return 1
    return 0


def check_wheel(wheel: Path) -> None:
    """Check the tags and the files of a wheel.

    Raises:
        PackageError: They are not as expected.
    """
    if not TAGS.search(wheel.name):
        raise PackageError(f"{wheel.name}: it is not for abi3 and manylinux2014")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    code = [name for name in names if ".dist-info/" not in name]
    if sorted(code) != CODE:
        raise PackageError(f"{wheel.name} contains {', '.join(code)}, not {' and '.join(CODE)}")
    if not any(name.endswith("/licenses/LICENSE") for name in names):
        raise PackageError(f"{wheel.name}: the licence is missing")
    print(f"{wheel.name}: {wheel.stat().st_size:,} bytes")


def try_wheels(package: Path, native: Path) -> None:
    """Use the package with the native core, on each supported version of Python that is there.

    Args:
        package: The wheel of the package.
        native: The wheel of the native core.
    """
    for version in supported_versions():
        if (interpreter := find_python(version)) is None:
            print(f"== Python {version} is not installed: skipped.")
            continue
        with tempfile.TemporaryDirectory() as folder:
            run(interpreter, "-m", "venv", "--without-pip", f"{folder}/environment")
            python = f"{folder}/environment/bin/python"
            pip = (sys.executable, "-m", "pip", "--python", python, "install", "--quiet")
            run(*pip, str(package), str(native))
            run(python, "-c", USE, cwd=Path(folder))
            print(f"== Python {version}: the wheel works.")


if __name__ == "__main__":
    sys.exit(main())
