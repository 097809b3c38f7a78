"""Lints of opaque JSON, whose content the schema does not define: secrets and merge keys."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

from crucible_ir import v1
from crucible_ir.linting.findings import Problem, Severity
from crucible_ir.linting.registry import lint_for_opaque
from crucible_ir.paths import MapKey

if TYPE_CHECKING:
    from google.protobuf.struct_pb2 import Value

    from crucible_ir.schema.walk import Path

#: Last words of keys whose values are secrets. A key with a further word after it, such as
#: ``api_key_env`` or ``secret_name``, refers to a secret.
_SECRET_WORDS = frozenset(
    {"apikey", "apikeys", "passphrase", "passwd", "password", "passwords", "pwd", "secret"}
)

#: Words before "key" or "keys" that make a key name a secret.
_SECRET_KEYS = frozenset(
    {"access", "account", "api", "auth", "encryption", "private", "secret", "signing"}
)

#: Last words of keys whose values are secrets only if they look like one: a tokenizer, for
#: example, has tokens too.
_MAYBE_SECRET_WORDS = frozenset(
    {"auth", "authorization", "bearer", "credential", "credentials", "token"}
)

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")

#: The key formats of well-known services, and two generic formats.
_TOKEN = re.compile(
    r"""
      sk-[\w-]*?[A-Za-z0-9]{20,}[\w-]*                # OpenAI, Anthropic
    | hf_[A-Za-z0-9]{30,}                             # Hugging Face
    | gh[oprsu]_[A-Za-z0-9]{36,}                      # GitHub
    | github_pat_\w{22,}
    | glpat-[\w-]{20,}                                # GitLab
    | (?:AKIA|ASIA)[A-Z0-9]{16}                       # AWS
    | AIza[\w-]{35}                                   # Google
    | xox[abeprs]-[\w-]{10,}                          # Slack
    | npm_[A-Za-z0-9]{36}
    | pypi-[\w-]{50,}
    | eyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]+            # a JSON Web Token
    | (?:Bearer|Basic)\s+[\w.~+/=-]{16,}
    | -----BEGIN\ (?:[A-Z]+\ )*PRIVATE\ KEY-----.*
    """,
    re.VERBOSE | re.DOTALL,
)

#: A URI with a password.
_PASSWORD_IN_URI = re.compile(r"[A-Za-z][\w+.-]*://[^\s/:@]*:([^\s/@]+)@\S+")

#: Placeholders for secrets: a reference to a variable or a secret store, a mask, or a word that
#: describes a setting or the type of a column.
_PLACEHOLDER = re.compile(
    r"""
      \$\w+ | \$\{.*\} | %\w+%                       # $NAME, ${NAME}, %NAME%
    | <.*> | \[.*\] | \{.*\} | \(.*\)                # <token>, {{ token }}, {:system, "NAME"}
    | (?:arn|env|file|op|ssm|system|vault):.*         # vault:path
    | [*.x•-]+                                        # ****
    | \W*(?:changeme|hidden|masked|redacted|removed)\W*
    | any | auto | basic | bearer | env | keychain | keyring | none | null | vault
    | disabled | enabled | false | optional | required | true
    | binary | bool(?:ean)? | bytes | (?:large_)?string | keyword | object | str | text
    | utf8 | varchar
    """,
    re.VERBOSE | re.DOTALL | re.IGNORECASE,
)

#: The name of an environment variable.
_VARIABLE = re.compile(r"[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+")

#: The minimum length of a value that looks like a token, for keys that may name a secret.
_SHORTEST_TOKEN = 16

#: The key with which YAML 1.1 merges other mappings into one.
_MERGE_KEY = "<<"


@lint_for_opaque(
    "opaque.merge_key",
    Severity.WARNING,
    "Opaque JSON has the key `<<`: a merge key of YAML 1.1, which was not merged. YAML 1.2 has no "
    "merge keys.",
    example_type=v1.BackendRef,
    bad={"id": "gpt4", "options": {"<<": {"temperature": 0.2}, "max_tokens": 64}},
    good={"id": "gpt4", "options": {"temperature": 0.2, "max_tokens": 64}},
)
def merge_key(path: Path, value: Value) -> Problem | None:
    """Report each key ``<<``."""
    if not path or path[-1] != _MERGE_KEY:
        return None
    return Problem(
        path,
        "YAML 1.2 does not merge this key; readers see a key with this name",
        "write the merged keys in its place",
    )


@lint_for_opaque(
    "opaque.secret",
    Severity.WARNING,
    "Opaque JSON contains a value that looks like a secret. Documents are stored and shared: "
    "write the name of an environment variable instead.",
    example_type=v1.BackendRef,
    bad={"id": "gpt4", "options": {"api_key": "not-a-real-key", "temperature": 0.2}},
    good={"id": "gpt4", "options": {"api_key_env": "OPENAI_API_KEY", "temperature": 0.2}},
)
def secret(path: Path, value: Value) -> Problem | None:
    """Report each string whose key or format is that of a secret; never show it."""
    if not value.HasField("string_value"):
        return None
    key = next((part for part in reversed(path) if isinstance(part, MapKey)), "")
    reason = secrecy(key, value.string_value)
    if reason is None:
        return None
    return Problem(
        path,
        reason,
        "move it to an environment variable, write its name here, and revoke this secret",
    )


def secrecy(key: str, text: str) -> str | None:
    """Return the reason why a string looks like a secret; ``None`` if it does not.

    >>> secrecy("api_key", "not-a-real-key"), secrecy("api_key_env", "OPENAI_API_KEY")
    ('the key suggests that this is a secret', None)
    """
    text = text.strip()
    if not text or _is_placeholder(text):
        return None
    if _TOKEN.fullmatch(text):
        return "this looks like an access token"
    found = _PASSWORD_IN_URI.fullmatch(text)
    if found and not _is_placeholder(found[1]):
        return "this URI contains a password"
    if _names_secret(key) or (may_name_secret(key) and _looks_random(text)):
        return "the key suggests that this is a secret"
    return None


def _is_placeholder(text: str) -> bool:
    return bool(_VARIABLE.fullmatch(text) or _PLACEHOLDER.fullmatch(text))


def _names_secret(key: str) -> bool:
    words = _words(key)
    if not words:
        return False
    if words[-1] in _SECRET_WORDS:
        return True
    return len(words) > 1 and words[-1] in ("key", "keys") and words[-2] in _SECRET_KEYS


def may_name_secret(key: str) -> bool:
    """Return whether a key names something that may be a secret, such as a token."""
    words = _words(key)
    return bool(words) and words[-1] in _MAYBE_SECRET_WORDS


@cache
def _words(key: str) -> tuple[str, ...]:
    """Split a key into lower-case words.

    >>> _words("openaiAPIKey"), _words("x-api-key"), _words("SECRET_KEY_ENV")
    (('openai', 'api', 'key'), ('x', 'api', 'key'), ('secret', 'key', 'env'))
    """
    return tuple(word.lower() for word in _WORD.findall(key))


def _looks_random(text: str) -> bool:
    """Return whether a string is long, has no whitespace, and mixes letters and digits."""
    return (
        len(text) >= _SHORTEST_TOKEN
        and not re.search(r"\s", text)
        and any(character.isdigit() for character in text)
        and any(character.isalpha() for character in text)
    )
