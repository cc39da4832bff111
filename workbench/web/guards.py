"""What stands between the network and the app: trusted hosts, own origin, content policy, upload cap.

Pure ASGI, so that a stream passes through as it comes. Knows no route and no service; see `login` for who may enter.
"""

from __future__ import annotations

import ipaddress
import json
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from workbench.errors import Problem
from workbench.web.options import LOOPBACK_NAMES, ServeOptions

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})

# Gradio's index page carries inline scripts and its components build functions from text, so scripts cannot be narrowed
# further. What matters is that nothing on a page, whatever it holds, can send data to another place.
CONTENT_POLICY = "; ".join(
    (
        "default-src 'self'",
        "script-src 'self' 'unsafe-inline' 'unsafe-eval'",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "font-src 'self' data:",
        "media-src 'self' blob:",
        "connect-src 'self'",
        "worker-src 'self' blob:",
        "form-action 'self'",
        "frame-src 'none'",
        "object-src 'none'",
        "base-uri 'self'",
    )
)
HEADERS = {
    "content-security-policy": CONTENT_POLICY,
    "referrer-policy": "same-origin",
    "x-content-type-options": "nosniff",
}


def has_own_key(scope: Scope) -> bool:
    """Whether the path belongs to the endpoint for programs, which asks each request for its API key itself."""
    return scope["type"] == "http" and str(scope["path"]).startswith("/v1/")


async def refuse(scope: Scope, receive: Receive, send: Send, status: int, problem: Problem) -> None:
    """Answer with `problem` in the form that every refusal of the API has."""
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.close", "code": 1008, "reason": problem.message[:120]})
        return
    body = json.dumps({"problems": [vars(problem)], "detail": str(problem)}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": [*headers, (b"connection", b"close")]})
    await send({"type": "http.response.body", "body": body})


class HostGuard:
    """Serves only names that are ours, which stops a foreign name from being pointed at this address."""

    def __init__(self, app: ASGIApp, options: ServeOptions) -> None:
        self.app = app
        self._names = {name.lower() for name in (*LOOPBACK_NAMES, options.host, *options.allow_hosts)}
        self._any_address = not options.loopback

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan" or self.trusts(Headers(scope=scope).get("host", "")):
            await self.app(scope, receive, send)
            return
        problem = Problem("This server does not answer to that name.", "Start it with --allow-host NAME to allow it.")
        await refuse(scope, receive, send, 421, problem)

    def trusts(self, host: str) -> bool:
        """Whether the Host header `host` names this server; a bare address cannot be a foreign name."""
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return False
        if name in self._names or "*" in self._names:
            return True
        return self._any_address and _is_address(name)


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


class OriginGuard:
    """Lets only our own pages change anything: a request with an Origin must come from the host it goes to."""

    def __init__(self, app: ASGIApp, options: ServeOptions) -> None:
        self.app = app
        self._names = {name.lower() for name in options.allow_hosts}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        changes = scope["type"] == "websocket" or (scope["type"] == "http" and scope["method"] not in SAFE_METHODS)
        if not changes or has_own_key(scope) or self.trusts(Headers(scope=scope)):
            await self.app(scope, receive, send)
            return
        problem = Problem("Another site sent this request.", "Open the workbench itself and try again there.")
        await refuse(scope, receive, send, 403, problem)

    def trusts(self, headers: Headers) -> bool:
        """No Origin is no browser page; a page's Origin has to be the Host, or a host that was allowed by name."""
        origin = headers.get("origin")
        if origin is None:
            return headers.get("sec-fetch-site") in (None, "same-origin", "none")
        try:
            parts = urlsplit(origin)
        except ValueError:
            return False
        return parts.netloc.lower() == headers.get("host", "").lower() or (parts.hostname or "") in self._names


class PolicyHeaders:
    """Adds the content policy to every answer."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
            await send(message)

        await self.app(scope, receive, send_with_headers if scope["type"] == "http" else send)


class UploadCap:
    """Ends a request whose body is larger than the cap: at once when it says so, else when it has sent too much."""

    def __init__(self, app: ASGIApp, options: ServeOptions) -> None:
        self.app = app
        self._cap = options.max_upload + 2**20  # the form around the file

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        declared = Headers(scope=scope).get("content-length", "")
        if declared.isdecimal() and int(declared) > self._cap:
            await refuse(scope, receive, send, 413, self._problem())
            return
        await self._counted(scope, receive, send)

    async def _counted(self, scope: Scope, receive: Receive, send: Send) -> None:
        received = 0
        answered = False

        async def counted_receive() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > self._cap:
                raise _TooLargeError
            return message

        async def noting_send(message: Message) -> None:
            nonlocal answered
            answered = True
            await send(message)

        try:
            await self.app(scope, counted_receive, noting_send)
        except _TooLargeError:
            if not answered:
                await refuse(scope, receive, send, 413, self._problem())

    def _problem(self) -> Problem:
        return Problem(
            f"This file is larger than the {(self._cap - 2**20) / 2**20:,.0f} MB that may be uploaded.",
            "Start the server with a larger --max-upload, or name the file by its path in a run config.",
        )


class _TooLargeError(Exception):
    """The body went over the cap."""
