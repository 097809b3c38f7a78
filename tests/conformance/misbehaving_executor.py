"""An executor that misbehaves on a message named `bad`: see `BEHAVIOURS`."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable

from crucible_ir.conformance import v1
from crucible_ir.conformance.executor import answer
from crucible_ir.conformance.frames import frame, read_frame

OUT = sys.stdout.buffer


def good(request: v1.Request) -> bytes:
    return frame(answer(request))


def write(data: bytes) -> None:
    OUT.write(data)
    OUT.flush()


def crash(request: v1.Request) -> None:
    raise RuntimeError("the executor has a bug")


def leave(request: v1.Request) -> None:
    os._exit(3)


def die(request: v1.Request) -> None:
    os.kill(os.getpid(), signal.SIGSEGV)


def hang(request: v1.Request) -> None:
    time.sleep(60)


def hang_with_a_child(request: v1.Request) -> None:
    """Start a process that keeps the pipes open, print its process id, and hang."""
    child = os.fork()
    if child:
        print(f"child {child}", file=sys.stderr, flush=True)
    time.sleep(60)


def babble(request: v1.Request) -> None:
    write(b"Evaluating ...\n" + good(request))


def babble_without_end(request: v1.Request) -> None:
    while True:
        write(b"\xff" * 65536)


def announce_too_much(request: v1.Request) -> None:
    write(b"\xff\xff\xff\xff\x0f")


def answer_half(request: v1.Request) -> None:
    write(good(request)[:-5])
    time.sleep(60)


def answer_with_noise(request: v1.Request) -> None:
    write(b"\x04" + b"\xff" * 4)


def answer_twice(request: v1.Request) -> None:
    write(good(request) * 2)


def answer_with_nothing(request: v1.Request) -> None:
    write(frame(v1.Response()))


def answer_something_else(request: v1.Request) -> None:
    write(frame(v1.Response(describe={"implementation": "?"})))


def answer_without_outcome(request: v1.Request) -> None:
    write(frame(v1.Response(evaluate={})))


def report_an_error(request: v1.Request) -> None:
    write(frame(v1.Response(executor_error="an exception unrelated to the payload")))


def close_output(request: v1.Request) -> None:
    os.close(1)
    time.sleep(60)


#: The behaviours: every function that takes a request and returns nothing.
BEHAVIOURS: dict[str, Callable[[v1.Request], None]] = {
    name: value
    for name, value in globals().items()
    if getattr(value, "__annotations__", None) == {"request": "v1.Request", "return": "None"}
}


def main(behaviour: str) -> None:
    if behaviour == "never_answer":
        time.sleep(60)
    if behaviour == "not_start":
        sys.exit("a library is missing")
    if behaviour == "not_restart":
        # A file records that it has been started before.
        try:
            open("started", "x").close()
        except FileExistsError:
            sys.exit("it starts only once")
        behaviour = "leave"
    # The first answer imports everything, so that no later answer is slow.
    answer(v1.Request(evaluate={"message_type": "crucible_ir.v1.StageDef", "json": b"{}"}))
    while (body := read_frame(sys.stdin.buffer)) is not None:
        request = v1.Request.FromString(body)
        if behaviour == "describe_wrongly":
            write(frame(v1.Response(evaluate={"decode_error": "?"})))
        elif behaviour == "not_read" and request.HasField("describe"):
            write(good(request))
            time.sleep(60)
        elif behaviour == "offer_little" and request.HasField("describe"):
            write(frame(v1.Response(describe={"implementation": "little", "aspects": [1, 3, 77]})))
        elif behaviour in BEHAVIOURS and b"bad" in request.evaluate.json:
            BEHAVIOURS[behaviour](request)
        else:
            write(good(request))
    if behaviour == "not_exit":
        time.sleep(60)
    if behaviour == "exit_with_failure":
        sys.exit(5)
    if behaviour == "exit_with_output":
        write(b"Done.")


if __name__ == "__main__":
    main(sys.argv[1])
