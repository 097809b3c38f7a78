"""`show`: a view of a message for people, as text and as HTML."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Final

from crucible_ir.errors import Error, shorten

if TYPE_CHECKING:
    from google.protobuf.message import Message
    from rich.tree import Tree

#: The width of the text.
_WIDTH: Final = 100


class MessageView:
    """A view of a message, made by `show`.

    Its ``repr`` is a tree of text. Notebooks draw it as HTML, without scripts and in the colours of
    a light or dark theme. The message is read when the view is drawn.

    Args:
        message: The message.
        with_defaults: Whether to draw unset fields that have a default, dimmed.
        full: Whether to draw long values, lists and maps in full.

    >>> from crucible_ir import show, v1
    >>> show(v1.StageDef(name="embed"))
    StageDef
    └── name: "embed"
    """

    def __init__(self, message: Message, *, with_defaults: bool, full: bool) -> None:
        self._message = message
        self._with_defaults = with_defaults
        self._full = full

    def __repr__(self) -> str:
        """Return the tree as text."""
        from rich.console import Console
        from rich.theme import Theme

        from crucible_ir.showing.tree import STYLES

        text = io.StringIO()
        console = Console(
            file=text,
            width=_WIDTH,
            color_system=None,
            theme=Theme(dict.fromkeys(STYLES, "none")),
            highlight=False,
            markup=False,
            emoji=False,
            legacy_windows=False,
            # In a notebook, rich would draw it there instead.
            force_jupyter=False,
        )
        console.print(self._tree())
        return "\n".join(line.rstrip() for line in text.getvalue().splitlines())

    def _repr_html_(self) -> str:
        """Return the tree as HTML, for notebooks."""
        from crucible_ir.showing.html import to_html

        return to_html(self._tree())

    def _tree(self) -> Tree:
        from crucible_ir.showing.tree import draw
        from crucible_ir.validation.check import violations

        return draw(
            self._message,
            violations=violations(self._message),
            with_defaults=self._with_defaults,
            full=self._full,
        )


def show(message: Message, *, with_defaults: bool = False, full: bool = False) -> MessageView:
    """Return a readable view of a message: a tree of text, and of HTML in notebooks.

    Enum values and open vocabularies have their short names. Fields that break a rule are marked
    with the rule. Long values, lists and maps are cut.

    Args:
        message: A message of the IR.
        with_defaults: Whether to show unset fields that have a default, dimmed.
        full: Whether to show long values, lists and maps in full.

    Raises:
        Error: It is not a protobuf message.

    >>> from crucible_ir import v1
    >>> show(v1.DatasetRef(name="mmlu", split=v1.DatasetSplit.DATASET_SPLIT_TEST))
    DatasetRef
    ├── name: "mmlu"
    └── split: test
    """
    from google.protobuf.message import Message

    if not isinstance(message, Message):
        got = f"{type(message).__name__} {shorten(message)}"
        raise Error(f"expected a protobuf message, got {got}")
    return MessageView(message, with_defaults=with_defaults, full=full)
