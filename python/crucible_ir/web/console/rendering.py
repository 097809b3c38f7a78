"""A view as HTML or as JSON, from the same data."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from datetime import UTC, date, datetime
from enum import Enum
from functools import cache, partial
from importlib import resources
from typing import TYPE_CHECKING, Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined

from crucible_ir.errors import Error
from crucible_ir.plotting import stylesheet
from crucible_ir.plotting.geometry.ticks import value_text
from crucible_ir.plotting.geometry.times import duration_text
from crucible_ir.schema.references import identity_fields
from crucible_ir.schema.types import descriptor_of, document_members, message_type
from crucible_ir.version import VERSION
from crucible_ir.web.console.columns import glyph_of
from crucible_ir.web.console.measurements.findings import points
from crucible_ir.web.console.times import clock_time, day_name, full_time, short_time

if TYPE_CHECKING:
    from crucible_ir.web.console.page import Page, View, Visit

#: The files of `static/`, with their media types.
STATIC_TYPES: Final = {
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}

_STYLES: Final = "style.css"

#: The themes, the default first.
THEMES: Final = ("auto", "light", "dark")


class CannotShowError(Error):
    """A view has something that no page can show."""


@dataclass(frozen=True, slots=True)
class Rendered:
    """The body of a response, with its type and entity tag."""

    body: bytes
    media_type: str

    @property
    def etag(self) -> str:
        """The tag, which is weak because a proxy may compress the body."""
        return f'W/"{hashlib.sha256(self.body).hexdigest()[:32]}"'


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry of the index at the left."""

    text: str
    url: str
    key: str
    is_current: bool


@dataclass(frozen=True, slots=True)
class Site:
    """What all pages of a console share.

    Attributes:
        name: The name of the exchange.
        pages: The pages with a label, which the index lists.
    """

    name: str
    pages: Sequence[Page]

    def has(self, path: str) -> bool:
        """Return whether the console has a page with a path such as ``/runs/{id}``."""
        return any(page.path == path for page in self.pages)

    def entries(self, visit: Visit) -> list[Entry]:
        """Return the pages of the index."""
        here = visit.path.partition("?")[0]
        return [
            Entry(page.label, url, page.key, here == url)
            for page in self.pages
            if page.label
            for url in [visit.prefix + page.path]
        ]

    def types(self, visit: Visit) -> list[Entry]:
        """Return the document types of the index: those that have an id of their own."""
        here = visit.path.partition("?")[0]
        listed = [visit.url("documents", name) for name in identified_types()]
        return [
            Entry(name, url, "", here == url or here.startswith(f"{url}/"))
            for name, url in zip(identified_types(), listed, strict=True)
        ]


@cache
def identified_types() -> tuple[str, ...]:
    """Return the document types whose messages have an id, in the order of the schema."""
    return tuple(
        name for name in document_members() if identity_fields(descriptor_of(message_type(name)))
    )


def render(visit: Visit, view: View, template: str, site: Site) -> Rendered:
    """Draw a view as the request wants it."""
    if visit.wants_json:
        text = json.dumps(json_value(view.data), ensure_ascii=False, indent=1)
        body = text.encode(errors="surrogatepass")
        return Rendered(body + b"\n", "application/json")
    theme = visit.cookie("theme")
    html = environment().get_template(template).render(
        view=view,
        data=view.data,
        visit=visit,
        site=site,
        url=visit.url,
        document_url=visit.document_url,
        static=partial(static_url, visit),
        theme=theme if theme in THEMES else THEMES[0],
        themes=THEMES,
        version=VERSION,
        now=datetime.now(UTC),
    )  # fmt: skip
    # Jinja keeps what HTML cannot have; a lone surrogate cannot be written at all.
    return Rendered(html.encode(errors="replace"), "text/html; charset=utf-8")


@cache
def environment() -> Environment:
    """Return the environment of the templates: all values are escaped, none may be missing."""
    made = Environment(
        loader=PackageLoader("crucible_ir.web.console"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["full_time"] = full_time
    made.filters["short_time"] = short_time
    made.filters["clock_time"] = clock_time
    made.filters["day_name"] = day_name
    made.filters["decimal"] = decimal
    made.filters["glyph"] = glyph_of
    made.filters["grouped"] = "{:,}".format
    made.filters["middle"] = middle
    made.filters["iso"] = datetime.isoformat
    made.filters["points"] = points
    made.filters["aligned"] = aligned_texts
    made.filters["signed"] = signed_text
    made.filters["value"] = value_text
    made.filters["duration"] = duration_text
    made.filters["tojson_text"] = partial(json.dumps, ensure_ascii=False)
    return made


def middle(text: str) -> str:
    """Return the beginning and the end of a digest.

    >>> middle("sha256:3aaa0546f2c4d5e6a7b8c9d0e1f2a3b4c5d6e7f8a9b0c1d2e3f4a5b6c7d53fff")
    'sha256:3aaa0546…d53fff'
    """
    return text if len(text) <= 24 else f"{text[:15]}…{text[-6:]}"


def decimal(value: float) -> str:
    """Return a number with as many digits as people compare.

    >>> decimal(0.92041837), decimal(50.0), decimal(2e-05), decimal(float("nan"))
    ('0.9204', '50', '2e-05', 'NaN')
    """
    if math.isnan(value):
        return "NaN"
    return f"{value:.4g}" if abs(value) < 1e6 else f"{value:.6g}"


def aligned_texts(values: Iterable[float | None]) -> list[str]:
    """Return the values of a column with equally many decimals where that makes them comparable.

    >>> aligned_texts([0.301, 0.3464, float("nan"), 32951.0])
    ['0.3010', '0.3464', 'NaN', '32,951']
    """
    texts = ["\N{EN DASH}" if value is None else value_text(value) for value in values]
    digits = [text.partition(".")[2] for text in texts]
    most = max((len(part) for part in digits if part.isdecimal()), default=0)
    return [
        f"{text}{'0' * (most - len(part))}" if part.isdecimal() else text
        for text, part in zip(texts, digits, strict=True)
    ]


def signed_text(value: float) -> str:
    """Return a difference with its sign.

    >>> signed_text(0.0251), signed_text(-3.0), signed_text(0.0)
    ('+0.0251', '−3', '0')
    """
    return f"+{value_text(value)}" if value > 0 else value_text(value)


def json_value(value: Any) -> Any:
    """Return the JSON value of a view's data: of dataclasses, lists, maps, times and numbers.

    Numbers that JSON does not have are strings, as in ProtoJSON.

    >>> json_value([datetime(2026, 1, 2, tzinfo=UTC), float("nan")])
    ['2026-01-02T00:00:00+00:00', 'NaN']
    """
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, Enum):
        return json_value(value.value)
    if isinstance(value, str):
        return str(value)
    if isinstance(value, float):
        if math.isfinite(value):
            return value
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, date):
        return value.isoformat()
    if is_dataclass(value):
        shown = (each for each in fields(value) if each.metadata.get("json", True))
        return {each.name: json_value(getattr(value, each.name)) for each in shown}
    if isinstance(value, Mapping):
        return {str(key): json_value(item) for key, item in value.items()}
    if isinstance(value, Sequence | frozenset | set):
        return [json_value(item) for item in value]
    raise CannotShowError(f"a page cannot show a {type(value).__name__} as JSON")


def static_file(name: str) -> bytes | None:
    """Return a file of `static/`; ``None`` if there is none of the name."""
    return _static_files().get(name)


@cache
def _static_files() -> dict[str, bytes]:
    """Return the files of `static/` by name."""
    folder = resources.files("crucible_ir.web.console").joinpath("static")
    files = {
        entry.name: entry.read_bytes()
        for entry in folder.iterdir()
        if entry.name.rpartition(".")[2] in STATIC_TYPES
    }
    # One style sheet: the colours and the charts are those of `crucible-ir plot` too.
    files[_STYLES] = stylesheet().encode() + files[_STYLES]
    return files


@cache
def _version_of(name: str) -> str:
    content = static_file(name)
    if content is None:
        raise CannotShowError(f"there is no file {name}")
    return hashlib.sha256(content).hexdigest()[:12]


def static_url(visit: Visit, name: str) -> str:
    """Return the address of a file, which changes with its content."""
    return visit.url("static", name, v=_version_of(name))
