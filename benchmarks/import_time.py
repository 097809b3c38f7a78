"""Measures the time of importing the package, and of the generated messages alone."""

from __future__ import annotations

import statistics
import subprocess
import sys
from pathlib import Path

ROUNDS = 21
PACKAGE = Path(__file__).resolve().parent.parent / "python" / "crucible_ir"

#: Imports a module in a new interpreter and prints the nanoseconds of the import.
TIMED_IMPORT = """\
{prepare}
import time
started = time.perf_counter_ns()
import {module}
print(time.perf_counter_ns() - started)
"""

#: Replaces the package by an empty module, so that only its generated subpackage is imported.
EMPTY_PACKAGE = f"""\
import sys, types
package = types.ModuleType("crucible_ir")
package.__path__ = [{str(PACKAGE)!r}]
sys.modules["crucible_ir"] = package
"""

IMPORTS = {
    "generated messages alone": TIMED_IMPORT.format(prepare=EMPTY_PACKAGE, module="crucible_ir.v1"),
    "crucible_ir": TIMED_IMPORT.format(prepare="", module="crucible_ir"),
}


def main() -> None:
    """Print the median time of each import, and their ratio."""
    medians = import_medians()
    for name, median in medians.items():
        print(f"import {name:<26} {median / 1e6:6.1f} ms")
    messages, package = medians.values()
    print(f"ratio  {package / messages:33.2f}")


def import_medians() -> dict[str, float]:
    """Measure the imports in rounds, so that a change of the machine's load affects all of them.

    Returns:
        The median time of each import in nanoseconds.
    """
    times: dict[str, list[int]] = {name: [] for name in IMPORTS}
    for _ in range(ROUNDS):
        for name, script in IMPORTS.items():
            command = [sys.executable, "-c", script]
            times[name].append(int(subprocess.check_output(command, text=True)))
    return {name: statistics.median(measured) for name, measured in times.items()}


if __name__ == "__main__":
    main()
