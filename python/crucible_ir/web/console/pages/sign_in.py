"""Signing in with a token, signing out, and the theme."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final

from crucible_ir.exchange.client.errors import UnauthenticatedError
from crucible_ir.web.console.page import Action, Goto, Page, View, Visit, recognize
from crucible_ir.web.console.rendering import THEMES
from crucible_ir.web.console.sessions import session_cookie

#: The most characters of a token: a JSON Web Token may have some thousands.
_MAX_TOKEN: Final = 64 * 1024
_TOKEN: Final = re.compile(r"[!-~]+")


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
    # As a header has it, too.
    token = visit.form.get("token", "").strip().removeprefix("Bearer ")
    if len(token) > _MAX_TOKEN or not _TOKEN.fullmatch(token):
        return _view(visit, "Paste the token as `crucible-ir tokens create` printed it.")
    client = visit.sessions.connect(token)
    try:
        await recognize(client)
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
