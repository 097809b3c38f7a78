"""The likely fix of a violation, for mistakes that are common."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from google.protobuf.descriptor import FieldDescriptor

#: The start of the pattern of semantic versions, in the text of its rule.
_SEMANTIC_VERSION = r"`^(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)("
#: The pattern of digests, in the text of its rule.
_DIGEST = "`^[a-z0-9]+([+._-][a-z0-9]+)*:[a-zA-Z0-9=_-]+$`"
_HEXADECIMAL = re.compile(r"[0-9a-fA-F]+")
#: The algorithms of hexadecimal digests, by the number of digits.
_ALGORITHMS = {8: "mlflow", 32: "md5", 40: "sha1", 64: "sha256", 128: "sha512"}
_FRACTION = "must be greater than or equal to 0 and less than or equal to 1"
_POSITIVE = "must be greater than 0"
_NUMBERS = re.compile(r"[0-9]+(\.[0-9]+){0,2}")
#: What a comment says about the field when it is unset.
_UNSET = re.compile(r"Unset: ([^.]*)\.")

#: What people mean by 0 where the schema has another field for it.
_ZERO = {
    "crucible_ir.v1.DeploymentConfig.replicas": "to scale to zero, leave it unset and set scaling"
}


def with_advice(
    rule_id: str, text: str, value: object, field: FieldDescriptor | None = None
) -> str:
    """Return the text of a violation, with the likely fix if one is known.

    Args:
        rule_id: The id of the rule.
        text: The text of protovalidate.
        value: The value that breaks the rule.
        field: The field of the value, if the rule is that of a field.

    >>> with_advice("double.gte_lte", _FRACTION, 20.0).partition("; ")[2]
    'write 0.2 for 20%'
    >>> from crucible_ir import v1
    >>> epochs = v1.TrainingConfig.DESCRIPTOR.fields_by_name["epochs"]
    >>> with_advice("int32.gt", _POSITIVE, 0, epochs)
    'must be greater than 0, or unset (the trainer chooses)'
    """
    if rule_id == "string.pattern" and _SEMANTIC_VERSION in text:
        fix = _version_fix(value) if isinstance(value, str) else ""
        return f"must be a semantic version such as 1.2.0{fix}"
    if rule_id == "string.pattern" and _DIGEST in text:
        fix = _digest_fix(value) if isinstance(value, str) else ""
        return f"must be a digest as algorithm:encoded, such as sha256:… or sha1:…{fix}"
    if text == _FRACTION and isinstance(value, float) and 1 < value <= 100:
        return f"{text}; write {fraction(value)} for {value:.12g}%"
    if text == _POSITIVE and field is not None and isinstance(value, int | float) and value <= 0:
        return text + _zero_fix(field, value)
    return text


def fraction(percent: float) -> str:
    """Return a percentage as a fraction, in as few digits as it needs.

    >>> fraction(12.5)
    '0.125'
    """
    return f"{percent / 100:.12g}"


def _version_fix(version: str) -> str:
    bare = version[1:] if version[:1] in ("v", "V") else version
    if _NUMBERS.fullmatch(bare):
        numbers = [number.lstrip("0") or "0" for number in bare.split(".")]
        return f"; write {'.'.join([*numbers, '0', '0'][:3])}"
    return "; remove the v" if bare != version else ""


def _digest_fix(digest: str) -> str:
    algorithm, colon, encoded = digest.strip().rpartition(":")
    if _HEXADECIMAL.fullmatch(encoded) and not (colon and algorithm.islower()):
        known = algorithm.lower().replace("-", "") or _ALGORITHMS.get(len(encoded))
        if known in _ALGORITHMS.values():
            return f"; write {known}:{encoded}"
    return ""


def _zero_fix(field: FieldDescriptor, value: float) -> str:
    if value == 0 and field.full_name in _ZERO:
        return f"; {_ZERO[field.full_name]}"
    # Imported here since few messages break such a rule.
    from crucible_ir.schema.comments import comment

    unset = _UNSET.search(comment(field))
    return f", or unset ({unset[1]})" if unset else ""
