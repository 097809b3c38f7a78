"""The paths of pages: an id may contain any character, a path may not."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import quote, urlencode

#: What a proxy may decode, normalize or reject in a path, and ``~``, which escapes it. A segment of
#: dots alone would be removed, and ``.json`` at the end asks for the other format.
_RESERVED: Final = re.compile(r"[~/\\%?#;\x00-\x1f\x7f]|^\.(?=\.?$)|\.(?=json$)")
_ESCAPED: Final = re.compile(r"~([0-9A-F]{2})")

#: The end of the path of a page as JSON.
JSON: Final = ".json"


def segment(text: str) -> str:
    """Return a text as one segment of a path.

    >>> segment("meta-llama/Llama-3.1"), segment(".."), segment("a.json"), segment("é")
    ('meta-llama~2FLlama-3.1', '~2E.', 'a~2Ejson', '%C3%A9')
    """
    escaped = _RESERVED.sub(lambda match: f"~{ord(match[0]):02X}", text)
    return quote(escaped, safe="~!$&'()*+,:@=")


def text_of(segment: str) -> str:
    """Return the text of a segment that the server has already percent-decoded.

    >>> text_of("meta-llama~2FLlama-3.1"), text_of("~2E.")
    ('meta-llama/Llama-3.1', '..')
    """
    return _ESCAPED.sub(lambda match: chr(int(match[1], 16)), segment)


def path_of(*segments: str, query: Mapping[str, object] | None = None) -> str:
    """Return a path with a query: empty parameters are left out, and lists give several.

    >>> path_of("documents", "ModelRef", query={"q": "a b", "page": None})
    '/documents/ModelRef?q=a+b'
    """
    path = "/" + "/".join(map(segment, segments))
    given = {name: value for name, value in (query or {}).items() if value not in (None, "")}
    return f"{path}?{urlencode(given, doseq=True)}" if given else path


def own_path(text: str, prefix: str = "") -> str:
    r"""Return a path to redirect to if it is one of the console's own; else the first page.

    A browser reads a backslash as a slash and drops tabs and newlines, so that ``/\\host`` and
    ``/<tab>/host`` would lead to another server.

    >>> own_path("/documents/ModelRef?q=1"), own_path("//host/"), own_path("/\\host")
    ('/documents/ModelRef?q=1', '/', '/')
    >>> own_path("/elsewhere", "/console")
    '/console/'
    """
    home = f"{prefix}/"
    is_plain = text.isprintable() and text.isascii() and "\\" not in text and " " not in text
    if not is_plain or not text.startswith(home) or text.startswith("//"):
        return home
    # A dot segment could leave the prefix.
    return home if re.search(r"/\.\.?(?:[/?#]|$)|%2e", text, re.IGNORECASE) else text
