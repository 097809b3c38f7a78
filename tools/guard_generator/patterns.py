"""Translates regular expressions that mean the same in RE2 and Python; rejects all others."""

from __future__ import annotations

import re

from guard_generator.rules import UnsupportedRuleError

#: The supported parts of a pattern, which mean the same to both engines. Not supported are classes
#: that differ outside ASCII (\\d, \\w, \\s, \\b), negated and nested character classes, flags,
#: named groups and everything that only one engine has.
TOKEN = re.compile(
    r"""
    (?P<start>\^)
  | (?P<end>\$)
  | (?P<open>\((?:\?:)?(?!\?))
  | (?P<close>\))
  | (?P<or>\|)
  | (?P<repeat>(?:[*+?]|\{[0-9]{1,3}(?:,[0-9]{0,3})?\})\??)
  | (?P<atom>
        \\[\\.+*?()|\[\]{}^$/-]
      | \[ (?: [a-zA-Z0-9_.,:;@/+=%!] (?:-[a-zA-Z0-9])? )* -? \]
      | [^\\^$.|?*+()\[\]{}]
      | \.
    )
    """,
    re.VERBOSE,
)

REPEATABLE = ("atom", "close")


def translate(pattern: str) -> str:
    """Return a pattern of RE2 as one for `re.search`.

    Raises:
        UnsupportedRuleError: The engines might disagree about the pattern.

    >>> translate("^v[0-9]+")
    '^v[0-9]+'
    """
    translated = []
    before = None
    position = 0
    while position < len(pattern):
        token = TOKEN.match(pattern, position)
        if token is None or (token.lastgroup == "repeat" and before not in REPEATABLE):
            raise UnsupportedRuleError(f"pattern {pattern!r} from character {position + 1}")
        # Python's "$" also matches before a newline at the end.
        translated.append(r"\Z" if token.lastgroup == "end" else token.group())
        before = token.lastgroup
        position = token.end()
    source = "".join(translated)
    try:
        re.compile(source)
    except re.error as error:
        raise UnsupportedRuleError(f"pattern {pattern!r}: {error}") from error
    return source
