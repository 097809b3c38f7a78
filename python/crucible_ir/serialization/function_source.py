"""The source of a function that is put together line by line and compiled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class FunctionSource:
    """The source of one function, line by line, and the values that it refers to by name."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.values: dict[str, object] = {}

    def add(self, depth: int, line: str) -> None:
        """Add a line, indented by a depth."""
        self.lines.append(f"{'    ' * depth}{line}")

    def refer(self, stem: str, value: object) -> str:
        """Return a name under which the function finds a value."""
        for name, known in self.values.items():
            if known is value:
                return name
        name = f"{stem}_{len(self.values)}"
        self.values[name] = value
        return name

    def function(self, name: str) -> Callable[..., Any]:
        """Compile the function of a name that the lines define."""
        exec(compile("\n".join(self.lines), f"<{name}>", "exec"), self.values)
        made: Callable[..., Any] = self.values[name]  # type: ignore[assignment]  # the lines define it
        return made
