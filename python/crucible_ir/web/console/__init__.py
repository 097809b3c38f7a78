"""The console: pages about the documents of an exchange, made on the server.

`application` makes the ASGI application; see ``docs/console.md``.
"""

from __future__ import annotations

from crucible_ir.web.console.application import application as application
