"""The sessions of signed-in readers: their tokens stay on the server."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from starlette.requests import Request

    from crucible_ir.exchange import AsyncExchangeClient

    #: Makes a client with the token of a reader, or without one, on the running event loop.
    Connect = Callable[[str | None], AsyncExchangeClient]

#: The most sessions, and the seconds after which one ends: without a request, and in any case.
MAX_SESSIONS: Final = 1000
IDLE_SECONDS: Final = 12 * 3600
LONGEST_SECONDS: Final = 7 * 86400


@dataclass(slots=True)
class Session:
    """A signed-in reader.

    Attributes:
        id: The random id, which the cookie has.
        client: The client that calls the exchange with the reader's token.
        begun: When the reader signed in, by the monotonic clock.
        used: When the last request came.
    """

    id: str
    client: AsyncExchangeClient
    begun: float
    used: float


class Sessions:
    """The sessions of one console, in memory.

    Args:
        connect: Makes a client.
        clock: The time in seconds.
    """

    def __init__(self, connect: Connect, clock: Callable[[], float] = time.monotonic) -> None:
        self._connect = connect
        self._clock = clock
        self._sessions: dict[str, Session] = {}
        self._anonymous: AsyncExchangeClient | None = None

    def __len__(self) -> int:
        return len(self._sessions)

    @property
    def anonymous(self) -> AsyncExchangeClient:
        """The client of readers who are not signed in."""
        if self._anonymous is None:
            self._anonymous = self._connect(None)
        return self._anonymous

    def connect(self, token: str) -> AsyncExchangeClient:
        """Return a client with a token, which no session has yet.

        Raises:
            InsecureChannelError: The token would be sent to another machine in plain text.
        """
        return self._connect(token)

    async def begin(self, client: AsyncExchangeClient) -> Session:
        """Begin a session, with an id that nobody has seen before."""
        await self._end_old()
        now = self._clock()
        session = Session(secrets.token_urlsafe(32), client, now, now)
        self._sessions[session.id] = session
        return session

    async def find(self, id_: str) -> Session | None:
        """Return a session that has not ended, and note its use."""
        session = self._sessions.get(id_)
        if session is None:
            return None
        if self._has_ended(session):
            await self.end(id_)
            return None
        session.used = self._clock()
        return session

    async def end(self, id_: str) -> None:
        """End a session, if there is one with the id."""
        session = self._sessions.pop(id_, None)
        if session is not None:
            await session.client.close()

    async def close(self) -> None:
        """End all sessions."""
        for id_ in list(self._sessions):
            await self.end(id_)
        if self._anonymous is not None:
            await self._anonymous.close()
            self._anonymous = None

    def _has_ended(self, session: Session) -> bool:
        now = self._clock()
        return now - session.used > IDLE_SECONDS or now - session.begun > LONGEST_SECONDS

    async def _end_old(self) -> None:
        """End the sessions whose time is over, and the one unused for longest if there are many."""
        for session in list(self._sessions.values()):
            if self._has_ended(session):
                await self.end(session.id)
        while len(self._sessions) >= MAX_SESSIONS:
            await self.end(min(self._sessions.values(), key=lambda each: each.used).id)


def session_cookie(request: Request) -> str:
    """Return the name of the cookie with the id of the session.

    Browsers send cookies to every port of a host: two consoles on one machine would sign each
    other's readers out if the name were the same.
    """
    port = request.url.port
    return "crucible_session" if port is None else f"crucible_session_{port}"
