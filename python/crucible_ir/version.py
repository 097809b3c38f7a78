"""The version of the package, and of the schema that it carries."""

from __future__ import annotations

#: The build reads it from here.
VERSION = "0.3.0"
