"""An issuer of JSON Web Tokens on this machine, which signs them with another library."""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

ISSUER, AUDIENCE = "https://issuer.test", "exchange"

KEY = rsa.generate_private_key(65537, 2048)
OTHER_KEY = rsa.generate_private_key(65537, 2048)
EC_KEY = ec.generate_private_key(ec.SECP256R1())


def public(key: Any, kid: str, algorithm: str) -> dict[str, Any]:
    """Return a public key as the issuer publishes it."""
    class_: Any = jwt.algorithms.get_default_algorithms()[algorithm]
    fields = class_.to_jwk(key.public_key(), as_dict=True)
    return {**fields, "kid": kid, "use": "sig", "alg": algorithm}


class Issuer:
    """Serves keys over HTTP, and counts the requests."""

    def __init__(self) -> None:
        self.keys = [public(KEY, "k1", "RS256"), public(EC_KEY, "e1", "ES256")]
        #: Writes a response instead of the one with the keys.
        self.respond: Callable[[BaseHTTPRequestHandler], None] | None = None
        self.requests = 0
        self.closing = threading.Event()
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                issuer.requests += 1
                if issuer.respond is not None:
                    return issuer.respond(self)
                return respond(self, json.dumps({"keys": issuer.keys}).encode())

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/jwks"
        serve = self._server.serve_forever
        self._thread = threading.Thread(target=serve, args=(0.02,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the responses and the server."""
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@contextmanager
def serving_keys() -> Iterator[Issuer]:
    """Run an issuer."""
    issuer = Issuer()
    try:
        yield issuer
    finally:
        issuer.close()


def respond(
    handler: BaseHTTPRequestHandler, content: bytes, status: int = 200, **headers: str
) -> None:
    """Write a response."""
    handler.send_response(status)
    for name, value in {"content-length": str(len(content)), **headers}.items():
        handler.send_header(name, value)
    handler.end_headers()
    handler.wfile.write(content)


def claims(**changed: Any) -> dict[str, Any]:
    """Return the claims of a token; a change to ``None`` leaves one out."""
    now = int(time.time())
    found = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": "trainer",
        "role": "publisher",
        "exp": now + 60,
        "nbf": now,
        **changed,
    }
    return {name: value for name, value in found.items() if value is not None}


def signed(key: Any = KEY, algorithm: str = "RS256", kid: str = "k1", **changed: Any) -> str:
    """Return a token."""
    return jwt.encode(claims(**changed), key, algorithm, headers={"kid": kid})


def by_hand(header: str, payload: str, key: Any = KEY) -> str:
    """Sign a header and a payload that a library would not write."""
    content = ".".join(encoded(part.encode()) for part in (header, payload))
    signature = key.sign(content.encode(), padding.PKCS1v15(), hashes.SHA256())
    return f"{content}.{encoded(signature)}"


def encoded(content: bytes) -> str:
    """Return base64 as tokens have it."""
    return base64.urlsafe_b64encode(content).decode().rstrip("=")
