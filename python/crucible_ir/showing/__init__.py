"""Readable views of messages, in text and in the HTML of notebooks."""

from __future__ import annotations

from crucible_ir.showing.view import MessageView as MessageView
from crucible_ir.showing.view import show as show
