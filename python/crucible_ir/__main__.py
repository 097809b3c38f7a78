"""``python -m crucible_ir`` is ``crucible-ir``."""

from __future__ import annotations

from crucible_ir.cli import main

if __name__ == "__main__":
    main()
