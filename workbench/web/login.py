"""Who may enter: one user, one password, a signed cookie for pages and HTTP Basic for programs.

Knows nothing of what lies behind it. The key that signs is made at every start, so a restart asks for the login again.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import hmac
import html
import secrets
import time
from urllib.parse import parse_qs, quote

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from workbench.errors import Problem
from workbench.web.guards import has_own_key, refuse
from workbench.web.options import ServeOptions

COOKIE = "workbench_login"
VALID_SECONDS = 7 * 24 * 3600
FAILURE_SECONDS = 1.0
"""Every wrong password costs this long, one after another for all callers."""
_OPEN_PATHS = ("/ui/", "/static/fonts/")


class LoginGuard:
    """Lets nobody through who has not logged in; with no login asked for it is not put in place."""

    def __init__(self, app: ASGIApp, options: ServeOptions) -> None:
        self.app = app
        self._user = options.login or ""
        self._password = options.password or ""
        self._root = options.root_path.rstrip("/")
        self._key = secrets.token_bytes(32)
        self._one_at_a_time = asyncio.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
        elif scope["path"] == "/login" and scope["type"] == "http":
            response = await self._login(Request(scope, receive))
            await response(scope, receive, send)
        elif scope["path"].startswith(_OPEN_PATHS) or has_own_key(scope) or await self._knows(Headers(scope=scope)):
            await self.app(scope, receive, send)
        elif scope["type"] == "http" and "text/html" in Headers(scope=scope).get("accept", ""):
            target = f"{self._root}/login?next={quote(scope['path'])}"
            await RedirectResponse(target, status_code=303)(scope, receive, send)
        else:
            problem = Problem("This server asks for a login.", "Log in, or send the password by HTTP Basic.")
            await refuse(scope, receive, send, 401, problem)

    async def _login(self, request: Request) -> Response:
        target = _own_path(request.query_params.get("next", "/"))
        if request.method != "POST":
            return HTMLResponse(_page())
        fields = parse_qs((await request.body())[:4096].decode("utf-8", "replace"))
        user, password = fields.get("user", [""])[0], fields.get("password", [""])[0]
        if not await self._right(user, password):
            return HTMLResponse(_page("That name and password do not match."), status_code=401)
        answer = RedirectResponse(f"{self._root}{target}", status_code=303)
        secure = request.url.scheme == "https"
        answer.set_cookie(COOKIE, self._token(), VALID_SECONDS, httponly=True, samesite="lax", secure=secure)
        return answer

    async def _knows(self, headers: Headers) -> bool:
        for part in headers.get("cookie", "").split(";"):
            name, _, value = part.strip().partition("=")
            if name == COOKIE and self._valid(value):
                return True
        scheme, _, encoded = headers.get("authorization", "").partition(" ")
        if scheme.lower() != "basic":
            return False
        try:
            user, _, password = base64.b64decode(encoded, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return False
        return await self._right(user or self._user, password)

    async def _right(self, user: str, password: str) -> bool:
        same_user = hmac.compare_digest(user.encode(), self._user.encode())
        same_password = hmac.compare_digest(password.encode(), self._password.encode())
        if same_user and same_password:
            return True
        async with self._one_at_a_time:
            await asyncio.sleep(FAILURE_SECONDS)
        return False

    def _token(self) -> str:
        until = str(int(time.time()) + VALID_SECONDS)
        return f"{until}.{self._signature(until)}"

    def _valid(self, token: str) -> bool:
        until, _, signature = token.partition(".")
        if not hmac.compare_digest(signature.encode(), self._signature(until).encode()):
            return False
        return until.isdecimal() and int(until) > time.time()

    def _signature(self, text: str) -> str:
        return hmac.new(self._key, text.encode(), hashlib.sha256).hexdigest()


def _own_path(path: str) -> str:
    """`path` if it lies on this server, else the first page."""
    return path if path.startswith("/") and not path.startswith(("//", "/\\")) else "/"


def _page(problem: str = "") -> str:
    alert = f'<p class="problem" role="alert">{html.escape(problem)}</p>' if problem else ""
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Log in · LoRA Workbench</title><link rel="stylesheet" href="ui/login.css"></head>
<body><main><h1>LoRA Workbench</h1>{alert}
<form method="post">
<label>Name <input name="user" autocomplete="username" required autofocus></label>
<label>Password <input name="password" type="password" autocomplete="current-password" required></label>
<button>Log in</button>
</form></main></body></html>"""
