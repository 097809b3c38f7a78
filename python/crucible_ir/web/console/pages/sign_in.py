"""Signing in with a token, signing out, and the theme."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from crucible_ir.exchange.client.errors import PermissionDeniedError, UnauthenticatedError
from crucible_ir.schema.types import document_members
from crucible_ir.web.console.page import Action, Goto, Page, View, Visit
from crucible_ir.web.console.rendering import THEMES
from crucible_ir.web.console.sessions import session_cookie

if TYPE_CHECKING:
    from crucible_ir.exchange import AsyncExchangeClient

#: The most characters of a token: a JSON Web Token may have some thousands.
_MAX_TOKEN = 64 * 1024


@dataclass(frozen=True, slots=True)
class SignIn:
    """The form to sign in.

    Attributes:
        problem: Why the last attempt failed; empty if there was none.
        next: The page to show afterwards.
        signed_in: Whether the reader is signed in now.
    """

    problem: str
    next: str = field(metadata={"json": False})
    signed_in: bool


async def show(visit: Visit) -> View:
    """Show the form."""
    return _view(visit, "")


def _view(visit: Visit, problem: str) -> View:
    data = SignIn(problem, visit.next_path, visit.session is not None)
    return View("Sign in", data, status=401 if problem else 200)


async def sign_in(visit: Visit) -> View | Goto:
    """Check a token with a call to the exchange, and begin a session with it."""
    token = visit.form.get("token", "").strip()
    if not token or len(token) > _MAX_TOKEN or not token.isascii() or not token.isprintable():
        return _view(visit, "Paste the token as `crucible-ir tokens create` printed it.")
    client = visit.sessions.connect(token)
    try:
        await _check(client)
    except UnauthenticatedError as error:
        await client.close()
        return _view(visit, f"The exchange rejects this token: {error}")
    except BaseException:
        await client.close()
        raise
    # A session that someone else gave to this browser ends here.
    if visit.session is not None:
        await visit.sessions.end(visit.session.id)
    session = await visit.sessions.begin(client)
    return Goto(visit.next_path, {session_cookie(visit.request): session.id})


async def _check(client: AsyncExchangeClient) -> None:
    """Make a call that any valid token may make, or by which it is at least recognized."""
    first = next(iter(document_members()))
    try:
        async for _ in client.list_documents(first, page_size=1):
            break
    except PermissionDeniedError:
        # The exchange knows the caller, who may do something else.
        return


async def sign_out(visit: Visit) -> Goto:
    """End the session."""
    if visit.session is not None:
        await visit.sessions.end(visit.session.id)
    return Goto(visit.url("sign-in"), {session_cookie(visit.request): None})


async def set_theme(visit: Visit) -> Goto:
    """Remember the theme."""
    chosen = visit.form.get("theme", "")
    return Goto(visit.next_path, {"theme": chosen if chosen in THEMES else THEMES[0]})


PAGES = (Page("/sign-in", show, "sign_in.html"),)
ACTIONS = (
    Action("/sign-in", sign_in, "sign_in.html"),
    Action("/sign-out", sign_out),
    Action("/theme", set_theme),
)
