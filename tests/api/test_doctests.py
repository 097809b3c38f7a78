"""Every public name has an example in its docstring, which the doctests run."""

from __future__ import annotations

import doctest
import inspect
from collections.abc import Iterator
from types import ModuleType

import pytest

import crucible_ir as ir
from crucible_ir import exchange

#: The modules of the exchange whose names are used with a server only, or are made of its answers.
#: The tests of the exchange, and docs/exchange.md, have examples of them with a server.
NEEDS_SERVER = {
    "crucible_ir.exchange.client.async_client",
    "crucible_ir.exchange.client.blocking_client",
    "crucible_ir.exchange.client.errors",
    "crucible_ir.exchange.client.results",
}
#: It reads files of certificates.
NEEDS_FILES = {"Tls.from_files"}


def documented(module: ModuleType) -> Iterator[tuple[str, str, str]]:
    """Yield each public function, class and method: its name, its module and its docstring."""
    for name in dir(module):
        value = getattr(module, name)
        if name.startswith("_") or not (inspect.isfunction(value) or inspect.isclass(value)):
            continue
        yield name, value.__module__, value.__doc__ or ""
        for method, found in vars(value).items() if inspect.isclass(value) else ():
            function = getattr(found, "fget", getattr(found, "__func__", found))
            if inspect.isfunction(function) and not method.startswith("_"):
                yield f"{name}.{method}", value.__module__, function.__doc__ or ""


def without_example(module: ModuleType) -> list[str]:
    parser = doctest.DocTestParser()
    return [
        name
        for name, home, docstring in documented(module)
        if home not in NEEDS_SERVER | {"builtins"} and not parser.get_examples(docstring)
    ]


def test_every_public_name_and_every_method_of_the_builder_has_an_example() -> None:
    names = {name for name, _, _ in documented(ir)}
    assert {"new_model_ref", "from_json", "ExperimentBuilder.with_stats", "DecodeError"} <= names
    assert without_example(ir) == []


def test_every_name_of_the_exchange_that_needs_no_server_has_an_example() -> None:
    assert "RetryPolicy.bound" in {name for name, _, _ in documented(exchange)}
    assert set(without_example(exchange)) == NEEDS_FILES


@pytest.mark.parametrize("name", sorted(ir.MESSAGE_TYPES))
def test_a_constructor_explains_each_field(name: str) -> None:
    descriptor = ir.MESSAGE_TYPES[name].DESCRIPTOR
    (constructor,) = (
        getattr(ir, each)
        for each in dir(ir)
        if each.startswith("new_") and each.removeprefix("new_").replace("_", "") == name.lower()
    )
    docstring, _, _ = (inspect.getdoc(constructor) or "").partition(">>>")
    _, fields = docstring.split("\nFields:\n")
    explained = [
        line.split(":")[0].strip()
        for line in fields.splitlines()
        if line.startswith("    ") and not line.startswith("     ")
    ]
    assert [line for line in explained if line in descriptor.fields_by_name] == [
        field.name for field in descriptor.fields
    ]


def test_the_explanation_of_a_field_has_its_meaning_rule_default_and_names() -> None:
    text = " ".join((inspect.getdoc(ir.new_model_version) or "").split())
    assert "version: The version number, according to Semantic Versioning 2.0.0. Required." in text
    assert "stage: The stage of the version on its way to production." in text
    assert "Default: development. Names: development, staging, production, archived." in text
