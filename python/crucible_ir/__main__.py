"""Run ``crucible-ir`` with ``python -m crucible_ir``."""

from __future__ import annotations

from crucible_ir.cli import main

if __name__ == "__main__":
    main()
