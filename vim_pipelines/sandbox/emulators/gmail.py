"""A loopback emulator of the drafts of Gmail mailboxes, and of Google's token service for a service account with domain-wide delegation.

Follows developers.google.com/workspace/gmail/api: `users.drafts` create (raw base64url RFC 2822 under `message`; answers id and message id), get (`format`
minimal, full, raw, metadata; raw only is emulated with content), list (`maxResults` up to 500, `pageToken`, `resultSizeEstimate`), delete (204, empty), send
(403 here, and written down: nobody may call it), error bodies with `errors[].reason`, 403 `rateLimitExceeded` and 429 for limits, 404 for a draft that is
none any more; and 'Using OAuth 2.0 for server to server applications' (`sub`; `unauthorized_client` for a mailbox outside the delegation).
Drafts are listed newest first, as the service does without saying so. They live in memory. POST `/_sandbox/send {"id"}` is the person who sends a draft, POST
`/_sandbox/edit {"id", "raw"}` one who rewrites it, GET `/_sandbox/drafts` all of them, POST `/_sandbox/delegate {"mailboxes"}` the admin.
"""

from __future__ import annotations

import base64
import secrets
import time
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from vim_pipelines.sandbox.emulators.faults import Sandboxed
from vim_pipelines.sandbox.emulators.google_sheets import SERVICE_ACCOUNT, TOKEN_SECONDS, Refused, _answer, _key_file, _public_key

SCOPE = "https://www.googleapis.com/auth/gmail.compose"
DOMAIN = "vendor.example"
KEY_FILE = "gmail_key.json"


class GmailEmulator:
    """The mailboxes of one domain. `app` is the ASGI application; the key file of the service account is made in `folder`."""

    def __init__(self, folder: Path) -> None:
        self.key_file = _key_file(folder / KEY_FILE)
        self._public_key = _public_key(self.key_file)
        self._tokens: dict[str, str] = {}
        self._delegated: set[str] | None = None
        #: id -> mailbox, raw bytes, in the order of creation. What was sent or deleted is gone from here.
        self.drafts: dict[str, dict[str, Any]] = {}
        self.created: list[str] = []
        self.sent: list[str] = []
        self.app = Sandboxed(self._routes(), _fault_body, self._control)

    def credentials(self, url: str) -> dict[str, str]:
        """How a client logs in here, by the fields of `Settings`."""
        return {"gmail_base_url": url, "gmail_token_url": f"{url}/token", "gmail_key_file": str(self.key_file.resolve()), "gmail_domain": DOMAIN}

    def _routes(self) -> Starlette:
        base = "/gmail/v1/users/{user}/drafts"
        app = Starlette(
            routes=[
                Route("/token", self._token, methods=["POST"]),
                Route(f"{base}/send", self._guarded(self._send), methods=["POST"]),
                Route(base, self._guarded(self._create), methods=["POST"]),
                Route(base, self._guarded(self._list), methods=["GET"]),
                Route(base + "/{id}", self._guarded(self._get), methods=["GET"]),
                Route(base + "/{id}", self._guarded(self._delete), methods=["DELETE"]),
            ]
        )
        app.router.redirect_slashes = False
        return app

    def _guarded(self, handler: Any) -> Any:
        async def endpoint(request: Request) -> Response:
            try:
                scheme, _, token = request.headers.get("Authorization", "").partition(" ")
                mailbox = self._tokens.get(token)
                if scheme.lower() != "bearer" or mailbox is None:
                    raise Refused(401, "UNAUTHENTICATED", "Request had invalid authentication credentials.")
                if request.path_params["user"] not in ("me", mailbox):
                    raise Refused(403, "PERMISSION_DENIED", f"Delegation denied for {mailbox}")
                response: Response = await handler(request, mailbox)
                return response
            except Refused as refusal:
                return _answer(_body(refusal.status, refusal.code, refusal.message), refusal.status)

        return endpoint

    async def _create(self, request: Request, mailbox: str) -> Response:
        try:
            raw = str((await request.json())["message"]["raw"])
            content = base64.b64decode(raw + "=" * (-len(raw) % 4), altchars=b"-_", validate=True)
        except (ValueError, KeyError, TypeError):
            raise Refused(400, "INVALID_ARGUMENT", "'raw' RFC822 payload message string or uploading message via /upload/* URL required") from None
        draft_id = f"r{secrets.randbits(62)}"
        self.drafts[draft_id] = {"mailbox": mailbox, "raw": content}
        self.created.append(draft_id)
        return _answer({"id": draft_id, "message": {"id": secrets.token_hex(8), "threadId": secrets.token_hex(8), "labelIds": ["DRAFT"]}})

    async def _list(self, request: Request, mailbox: str) -> Response:
        most = int(request.query_params.get("maxResults", "100"))
        if not 1 <= most <= 500:
            raise Refused(400, "INVALID_ARGUMENT", "Invalid maxResults")
        ours = [draft_id for draft_id, row in self.drafts.items() if row["mailbox"] == mailbox][::-1]
        start = int(request.query_params.get("pageToken") or 0)
        page = ours[start : start + most]
        answer: dict[str, Any] = {"resultSizeEstimate": len(ours)}
        if page:
            answer["drafts"] = [{"id": draft_id, "message": {"id": draft_id[::-1], "threadId": draft_id[::-1]}} for draft_id in page]
        if start + most < len(ours):
            answer["nextPageToken"] = str(start + most)
        return _answer(answer)

    async def _get(self, request: Request, mailbox: str) -> Response:
        row = self._own(request, mailbox)
        message: dict[str, Any] = {"id": request.path_params["id"][::-1], "labelIds": ["DRAFT"]}
        if request.query_params.get("format") == "raw":
            message["raw"] = base64.urlsafe_b64encode(row["raw"]).decode()
        return _answer({"id": request.path_params["id"], "message": message})

    async def _delete(self, request: Request, mailbox: str) -> Response:
        self._own(request, mailbox)
        del self.drafts[request.path_params["id"]]
        return Response(status_code=204)

    async def _send(self, request: Request, mailbox: str) -> Response:
        self.sent.append(mailbox)
        raise Refused(403, "PERMISSION_DENIED", "The sandbox sends nothing")

    def _own(self, request: Request, mailbox: str) -> dict[str, Any]:
        row = self.drafts.get(request.path_params["id"])
        if row is None or row["mailbox"] != mailbox:
            raise Refused(404, "NOT_FOUND", "Requested entity was not found.")
        return row

    async def _token(self, request: Request) -> Response:
        import jwt

        form = dict(parse_qsl((await request.body()).decode()))
        try:
            claims = jwt.decode(
                str(form.get("assertion", "")),
                self._public_key,
                algorithms=["RS256"],
                audience=f"{str(request.base_url).rstrip('/')}/token",
                options={"verify_exp": False, "verify_iat": False, "require": ["iss", "scope", "aud", "iat", "exp", "sub"]},
            )
        except jwt.PyJWTError as error:
            return _answer({"error": "invalid_grant", "error_description": f"Invalid JWT: {error}"}, 400)
        now, subject = time.time(), str(claims["sub"])
        if claims["iss"] != SERVICE_ACCOUNT:
            return _answer({"error": "invalid_grant", "error_description": "Invalid grant: account not found"}, 400)
        if not now - TOKEN_SECONDS <= claims["iat"] <= now + 300 or not now < claims["exp"] <= claims["iat"] + TOKEN_SECONDS:
            return _answer({"error": "invalid_grant", "error_description": "Invalid JWT: Token must be a short-lived token"}, 400)
        if claims["scope"] != SCOPE or (self._delegated is not None and subject not in self._delegated):
            said = "Client is unauthorized to retrieve access tokens using this method, or client not authorized for any of the scopes requested."
            return _answer({"error": "unauthorized_client", "error_description": said}, 401)
        if not subject.endswith(f"@{DOMAIN}"):
            return _answer({"error": "invalid_grant", "error_description": "Invalid email or User ID"}, 400)
        token = f"ya29.{secrets.token_urlsafe(32)}"
        self._tokens[token] = subject
        return _answer({"access_token": token, "expires_in": TOKEN_SECONDS - 1, "token_type": "Bearer"})

    def _control(self, method: str, name: str, body: Any) -> Any:
        if method == "GET" and name == "drafts":
            return [{"id": draft_id, "mailbox": row["mailbox"], "raw": row["raw"].decode("utf-8", "replace")} for draft_id, row in self.drafts.items()]
        if method != "POST":
            raise KeyError(name)
        if name == "send":
            self.drafts.pop(str(body["id"]))
            return body
        if name == "edit":
            self.drafts[str(body["id"])]["raw"] = str(body["raw"]).encode()
            return {"id": body["id"]}
        if name == "expire_tokens":
            self._tokens.clear()
            return {}
        if name == "delegate":
            self._delegated = set(body["mailboxes"])
            return body
        raise KeyError(name)


def _body(status: int, code: str, message: str) -> dict[str, Any]:
    reasons = {429: "rateLimitExceeded", 403: "forbidden", 404: "notFound", 401: "authError", 400: "invalidArgument"}
    return {
        "error": {
            "code": status, "message": message, "status": code,
            "errors": [{"message": message, "domain": "global", "reason": reasons.get(status, "backendError")}],
        }
    }  # fmt: skip


def _fault_body(status: int, code: str) -> Any:
    words = {401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED", 404: "NOT_FOUND", 429: "RESOURCE_EXHAUSTED", 500: "INTERNAL", 503: "UNAVAILABLE"}
    answer = _body(status, words.get(status, "UNKNOWN"), "planned by the sandbox")
    if code:
        answer["error"]["errors"][0]["reason"] = code
    return answer
