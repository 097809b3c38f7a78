"""Importing what is optional, or saying which extra brings it."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from crucible_ir.errors import Error


class MissingExtraError(Error, ImportError):
    """What was asked for needs an extra of this package that is not installed, or does not fit."""


def optional_module(name: str, extra: str) -> Any:
    """Import a module that an extra brings.

    Args:
        name: The module's name.
        extra: The extra.

    Raises:
        MissingExtraError: It is not installed, or is made for another release of protobuf.
    """
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            f"the module {error.name} is not installed; run: pip install 'crucible-ir[{extra}]'"
        ) from None
    except Exception as error:
        # Generated code refuses a protobuf older than its generator, a grpcio likewise.
        reason = " ".join(str(error).split())
        raise MissingExtraError(
            f"the module {name} does not fit what else is installed; run: pip install --upgrade"
            f" 'crucible-ir[{extra}]' ({reason})"
        ) from None
