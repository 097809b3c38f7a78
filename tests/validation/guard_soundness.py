"""Compare the guards with protovalidate on generated messages; run it for any number of them."""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import dataclass
from typing import Any

from protovalidate import collect_violations
from validation.message_cases import (
    FIRST_SECOND,
    LAST_SECOND,
    MAX_NANOS,
    MESSAGE_CLASSES,
    TIMESTAMP,
    cases,
    is_map,
)

from crucible_ir.validation.guards import GUARDS


@dataclass
class Tally:
    """The results of comparisons for one or more types.

    Attributes:
        valid: Messages without violations that the guard accepted.
        invalid: Messages with violations that the guard did not accept.
        odd: Messages without violations that are too odd for the guard to be certain.
    """

    valid: int = 0
    invalid: int = 0
    odd: int = 0

    def __add__(self, other: Tally) -> Tally:
        return Tally(self.valid + other.valid, self.invalid + other.invalid, self.odd + other.odd)

    @property
    def count(self) -> int:
        """The number of messages."""
        return self.valid + self.invalid + self.odd


def compare(name: str, seed: int, count: int) -> Tally:
    """Compare a type's guard with protovalidate on the cases of `message_cases.cases`.

    Raises:
        AssertionError: The guard accepted an invalid message, or was not certain of a valid one
            that is not odd.
    """
    guard = GUARDS[MESSAGE_CLASSES[name].DESCRIPTOR.full_name]
    tally = Tally()
    for message in cases(name, seed, count):
        certain = guard(message) is True
        broken = collect_violations(message)
        if broken:
            assert not certain, (
                f"accepted in spite of {[each.proto.rule_id for each in broken]}\n{message!r}"
            )
            tally.invalid += 1
        elif certain:
            tally.valid += 1
        else:
            assert is_odd(message), f"not certain of a valid message:\n{message!r}"
            tally.odd += 1
    return tally


def is_odd(message: Any) -> bool:
    """Return whether a Timestamp near an end of the range has invalid nanoseconds."""
    if message.DESCRIPTOR.full_name == TIMESTAMP:
        is_inside = FIRST_SECOND + 3 <= message.seconds <= LAST_SECOND - 2
        return not is_inside and not 0 <= message.nanos <= MAX_NANOS
    return any(
        is_odd(item)
        for field, value in message.ListFields()
        if field.message_type and not is_map(field)
        for item in (value if field.is_repeated else [value])
    )


def main() -> int:
    """Compare every guard and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--cases", type=int, default=5_000_000, help="how many random messages in all"
    )
    parser.add_argument("--seed", type=int, default=int(time.time()), help="default: the time")
    arguments = parser.parse_args()
    print(f"seed {arguments.seed}")
    total = Tally()
    for name in MESSAGE_CLASSES:
        started = time.perf_counter()
        tally = compare(name, arguments.seed, arguments.cases // len(MESSAGE_CLASSES))
        total += tally
        print(f"{name:<20} {tally} in {time.perf_counter() - started:.0f} s", flush=True)
    print(f"{total.count} messages: {total}; every guard is sound")
    return 0


if __name__ == "__main__":
    sys.exit(main())
