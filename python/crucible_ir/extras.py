"""Import of optional dependencies, with an error that names the extra to install."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from crucible_ir.errors import Error


class MissingExtraError(Error, ImportError):
    """A module of an extra of this package is missing, or incompatible with other packages.

    >>> try:
    ...     _ = optional_module("a_module_of_an_extra", "exchange")
    ... except MissingExtraError as error:
    ...     print(error)
    the module a_module_of_an_extra is not installed; run: pip install 'crucible-ir[exchange]'
    """


def optional_module(name: str, extra: str) -> Any:
    """Import a module of an extra.

    Args:
        name: The name of the module.
        extra: The name of the extra.

    Raises:
        MissingExtraError: The module is not installed, or requires another release of protobuf.
    """
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            f"the module {error.name} is not installed; run: pip install 'crucible-ir[{extra}]'"
        ) from None
    except Exception as error:
        # Generated code rejects versions of protobuf and grpcio older than those of its generator.
        reason = " ".join(str(error).split())
        raise MissingExtraError(
            f"the module {name} is incompatible with the installed packages; run: pip install"
            f" --upgrade 'crucible-ir[{extra}]' ({reason})"
        ) from None
