"""Elements of SVG and HTML as text, with every value escaped."""

from __future__ import annotations

import html
from typing import Final

from crucible_ir.errors import printable

#: Names that Python reserves.
_NAMES: Final = {"class_": "class"}


def escape(text: str) -> str:
    r"""Return a text for use between tags or in quotes.

    Control and directional characters become escapes, because XML forbids some of them and others
    change the order of what follows.

    >>> escape('<b> "q" & \x00')
    '&lt;b&gt; &quot;q&quot; &amp; \\x00'
    """
    return html.escape(printable(text))


def number(value: float, digits: int = 2) -> str:
    """Return a coordinate without superfluous zeros.

    >>> number(12.0), number(0.126), number(-0.001)
    ('12', '0.13', '0')
    """
    text = f"{value:.{digits}f}"
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def element(name: str, /, *content: str, **attributes: str | float | None) -> str:
    """Return an element. The content is markup; attributes are escaped, and None leaves one out.

    An underscore in the name of an attribute is written as a hyphen.

    >>> element("text", escape("a < b"), x=1.5, text_anchor="end", class_=None)
    '<text x="1.5" text-anchor="end">a &lt; b</text>'
    >>> element("line", x1="100%")
    '<line x1="100%"/>'
    """
    parts = [name]
    for key, value in attributes.items():
        if value is None:
            continue
        text = escape(value) if isinstance(value, str) else number(value)
        parts.append(f'{_NAMES.get(key) or key.replace("_", "-")}="{text}"')
    opening = " ".join(parts)
    if not content:
        return f"<{opening}/>"
    return f"<{opening}>{''.join(content)}</{name}>"
