"""Measure the figures of the README's benchmark section."""

from __future__ import annotations

import statistics
import subprocess
import sys
from pathlib import Path

ROUNDS = 21
PACKAGE = Path(__file__).resolve().parent.parent / "python" / "crucible_ir"

#: Imports one module in a fresh interpreter and prints the nanoseconds that it took.
TIMED_IMPORT = """\
{prepare}
import time
started = time.perf_counter_ns()
import {module}
print(time.perf_counter_ns() - started)
"""

#: Stands in for the package, so that importing its generated subpackage runs nothing else of it.
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
    """Print the median time of each import, and how they compare."""
    medians = import_medians()
    for what, median in medians.items():
        print(f"import {what:<26} {median / 1e6:6.1f} ms")
    messages, package = medians.values()
    print(f"ratio  {package / messages:33.2f}")


def import_medians() -> dict[str, float]:
    """Time the imports in turn, so that a change of the machine's load meets all of them alike.

    Returns:
        The median over `ROUNDS` of each import's time in nanoseconds.
    """
    times: dict[str, list[int]] = {what: [] for what in IMPORTS}
    for _ in range(ROUNDS):
        for what, script in IMPORTS.items():
            command = [sys.executable, "-c", script]
            times[what].append(int(subprocess.check_output(command, text=True)))
    return {what: statistics.median(measured) for what, measured in times.items()}


if __name__ == "__main__":
    main()
