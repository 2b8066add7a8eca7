"""A loopback emulator of one Google spreadsheet with the sandbox's customers, and of Google's token service.

Follows developers.google.com/workspace/sheets/api: `spreadsheets.get` (with `fields`; properties and grid sizes), `values.batchGet` (A1 ranges with
quoted titles, answered in the order asked with the range that was read; trailing empty cells and rows left out, cells empty in between as "";
`UNFORMATTED_VALUE` and `SERIAL_NUMBER`; the other render options are refused as not emulated), 'Usage limits' (60 reads a minute and user, 429
RESOURCE_EXHAUSTED, no Retry-After documented), google.rpc.Status error bodies, and 'OAuth 2.0 for server to server applications' (RS256 assertion
with iss, scope, aud, iat, exp of at most an hour; `invalid_grant`, `invalid_scope`; tokens of an hour).

People edit sheets, so POST `/_sandbox/edit {"tab", "cell", "value"}` is a person who types into a cell (row 1 is the header), POST
`/_sandbox/insert_rows {"tab", "count"}` one who puts blank rows above the table, POST `/_sandbox/rename {"tab", "to"}` one who renames a tab.
Each tab has a last column `Last Changed`, which a script of the spreadsheet keeps (docs/how-to/google-sheets.md: an Apps Script trigger on
edits): typing into a cell dates its row, typing into that column itself does not. What other programs change (`/_sandbox/schema`) it does not see.
The document says nothing of the grid's size after an insert; here it grows by the rows. The read limit is off unless asked for (POST
`/_sandbox/limits`) and counts real time. Of `fields` only its presence is looked at: the answer always has what the client asks for.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import time
from collections import deque
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from vim_pipelines.sandbox.emulators.faults import Sandboxed
from vim_pipelines.sandbox.emulators.state import SandboxClock, State, Table

#: The last column of each tab: when its row was last changed, in the spreadsheet's time zone.
LAST_CHANGED = "Last Changed"
#: Tab to its columns: header and type (text, number, boolean, date, datetime). The first is the key.
TABS: dict[str, dict[str, str]] = {
    "Accounts": {
        "Account ID": "text", "Name": "text", "Domain": "text", "Segment": "text", "Tier": "text", "Parent": "text", "Account Executive": "text",
        "AE Email": "text", "CSM": "text", "CSM Email": "text", "Director Email": "text", "ARR": "number", "Currency": "text", "Customer Since": "date",
        "Notice Received": "date",
    },
    "Contacts": {
        "Contact ID": "text", "Account ID": "text", "Name": "text", "Email": "text", "Title": "text", "Role": "text", "Active": "boolean", "Left On": "date",
        "Last Contacted": "date", "Strength": "number",
    },
    "Contracts": {
        "Line ID": "text", "Account ID": "text", "Product": "text", "Seats": "number", "List Price": "number", "Net Price": "number", "Currency": "text",
        "Start": "date", "End": "date", "Notice Days": "number", "Auto-Renew": "boolean", "Status": "text", "Notice Served": "date",
        "Term Months": "number", "Billing": "text", "SLA": "text", "Discount Until": "date",
    },
    "Opportunities": {
        "Opportunity ID": "text", "Account ID": "text", "Name": "text", "Type": "text", "Stage": "text", "Amount": "number", "Currency": "text",
        "Created": "date", "Close Date": "date", "Closed": "boolean", "Won": "boolean", "Owner Email": "text",
    },
    "Documents": {
        "Document ID": "text", "Account ID": "text", "Kind": "text", "Title": "text", "Text": "text", "Written On": "date", "Author Email": "text",
    },
    "Meetings": {
        "Meeting ID": "text", "Account ID": "text", "Kind": "text", "Subject": "text", "Held At": "datetime", "Status": "text", "Notes": "text",
    },
    "Tasks": {
        "Task ID": "text", "Account ID": "text", "Subject": "text", "Status": "text", "Priority": "text", "Due": "date", "Owner Email": "text",
        "Kind": "text", "Created": "date", "Completed": "date", "Meeting ID": "text",
    },
    "Surveys": {
        "Response ID": "text", "Account ID": "text", "Contact ID": "text", "Kind": "text", "Score": "number", "Comment": "text", "Answered At": "datetime",
    },
    "Milestones": {
        "Milestone ID": "text", "Account ID": "text", "Kind": "text", "Metric": "text", "Baseline": "number", "Target": "number", "Measured": "number",
        "Due": "date", "Reached": "date", "Measured On": "date", "Owner Email": "text",
    },
    "Trainings": {"Training ID": "text", "Account ID": "text", "User ID": "text", "Course": "text", "Completed At": "datetime"},
    "EBRs": {"EBR ID": "text", "Account ID": "text", "Held On": "date", "Status": "text", "Outcome": "text", "Sponsor There": "boolean"},
    "Campaigns": {
        "Campaign ID": "text", "Account ID": "text", "Kind": "text", "Campaign": "text", "Started": "date", "Ended": "date", "Users Targeted": "number",
        "Users Responded": "number",
    },
    "References": {
        "Reference ID": "text", "Account ID": "text", "Contact ID": "text", "Kind": "text", "Status": "text", "Consented": "date", "Expires": "date",
        "Given": "date",
    },
}  # fmt: skip
TABS = {tab: columns | {LAST_CHANGED: "datetime"} for tab, columns in TABS.items()}
SPREADSHEET_ID, TIME_ZONE = "sandbox-spreadsheet-of-customers", "Etc/GMT"
SERVICE_ACCOUNT = "sandbox@value-in-motion.iam.gserviceaccount.com"
KEY_FILE = "google_sheets_key.json"
SCOPES = ("https://www.googleapis.com/auth/spreadsheets.readonly", "https://www.googleapis.com/auth/spreadsheets")
TOKEN_SECONDS, WINDOW_SECONDS = 3600, 60.0
#: A new sheet has so many rows; ours has at least as many below its table.
SPARE_ROWS = 100


def column_names(tab: str) -> tuple[str, ...]:
    """The database's columns of a tab: `c0` is the key."""
    return tuple(f"c{number}" for number in range(len(TABS[tab])))


TABLES = tuple(Table(tab, "c0", column_names(tab)[1:]) for tab in TABS)


class Refused(Exception):
    """An error answer in Google's form: HTTP status, google.rpc code and message."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


class GoogleSheetsEmulator:
    """One spreadsheet and one service account whose key file is made beside the database. `app` is the ASGI application."""

    def __init__(
        self,
        database: Path,
        clock: SandboxClock,
        *,
        requests_per_minute: int | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.state = State(database, TABLES)
        self.key_file = _key_file(database.with_name(KEY_FILE))
        self._public_key = _public_key(self.key_file)
        self._clock, self._monotonic, self._now = clock, monotonic, now
        self._tokens: set[str] = set()
        self._per_minute = requests_per_minute
        self._reads: deque[float] = deque()
        self._is_shared = True
        self.app = Sandboxed(self._routes(), _fault_body, self._control)

    def credentials(self, url: str) -> dict[str, str]:
        """How a client logs in here, by the fields of `Settings`."""
        return {
            "google_sheets_base_url": url,
            "google_sheets_token_url": f"{url}/token",
            "google_sheets_spreadsheet_id": SPREADSHEET_ID,
            "google_sheets_key_file": str(self.key_file.resolve()),
        }

    def close(self) -> None:
        """Close the database."""
        self.state.close()

    def _routes(self) -> Starlette:
        app = Starlette(
            routes=[
                Route("/token", self._token, methods=["POST"]),
                Route("/v4/spreadsheets/{id}/values:batchGet", self._guarded(self._batch_get)),
                Route("/v4/spreadsheets/{id}", self._guarded(self._get)),
            ]
        )
        app.router.redirect_slashes = False
        return app

    def _guarded(self, handler: Any) -> Any:
        async def endpoint(request: Request) -> Response:
            try:
                self._admit(request)
                self._count_read()
                if request.path_params["id"] != SPREADSHEET_ID:
                    raise Refused(404, "NOT_FOUND", "Requested entity was not found.")
                if not self._is_shared:
                    raise Refused(403, "PERMISSION_DENIED", "The caller does not have permission")
                self.state.advance(self._clock.now())
                response: Response = await handler(request)
                return response
            except Refused as refusal:
                return _answer(_error(refusal.status, refusal.code, refusal.message), refusal.status)

        return endpoint

    def _admit(self, request: Request) -> None:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if not token:
            raise Refused(403, "PERMISSION_DENIED", "Method doesn't allow unregistered callers (callers without established identity).")
        if scheme.lower() != "bearer" or token not in self._tokens:
            raise Refused(401, "UNAUTHENTICATED", "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other.")

    def _count_read(self) -> None:
        if self._per_minute is None:
            return
        now = self._monotonic()
        while self._reads and self._reads[0] <= now - WINDOW_SECONDS:
            self._reads.popleft()
        if len(self._reads) >= self._per_minute:
            limit = "Quota exceeded for quota metric 'Read requests' and limit 'Read requests per minute per user' of service 'sheets.googleapis.com'."
            raise Refused(429, "RESOURCE_EXHAUSTED", limit)
        self._reads.append(now)

    # ---- the token service

    async def _token(self, request: Request) -> Response:
        import jwt

        form = dict(parse_qsl((await request.body()).decode()))
        if form.get("grant_type") != "urn:ietf:params:oauth:grant-type:jwt-bearer":
            return _answer({"error": "unsupported_grant_type", "error_description": f"Invalid grant_type: {form.get('grant_type')}"}, 400)
        try:
            # Times are judged below, by the emulator's own clock.
            claims = jwt.decode(
                str(form.get("assertion", "")),
                self._public_key,
                algorithms=["RS256"],
                audience=f"{str(request.base_url).rstrip('/')}/token",
                options={"verify_exp": False, "verify_iat": False, "require": ["iss", "scope", "aud", "iat", "exp"]},
            )
        except jwt.PyJWTError as error:
            said = "Invalid JWT Signature." if isinstance(error, jwt.InvalidSignatureError) else f"Invalid JWT: {error}"
            return _answer({"error": "invalid_grant", "error_description": said}, 400)
        if claims["iss"] != SERVICE_ACCOUNT:
            return _answer({"error": "invalid_grant", "error_description": "Invalid grant: account not found"}, 400)
        now = self._now()
        if not now - TOKEN_SECONDS <= claims["iat"] <= now + 300 or not now < claims["exp"] <= claims["iat"] + TOKEN_SECONDS:
            said = "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe. Check your iat and exp values in the JWT claim."
            return _answer({"error": "invalid_grant", "error_description": said}, 400)
        if not any(scope in SCOPES for scope in str(claims["scope"]).split()):
            return _answer({"error": "invalid_scope", "error_description": "Invalid OAuth scope or ID token audience provided."}, 400)
        token = f"ya29.{secrets.token_urlsafe(32)}"
        self._tokens.add(token)
        return _answer({"access_token": token, "expires_in": TOKEN_SECONDS - 1, "token_type": "Bearer"})

    # ---- the spreadsheet

    async def _get(self, request: Request) -> Response:
        sheets = []
        for number, tab in enumerate(TABS):
            grid = self._grid(tab)
            sheets.append(
                {
                    "properties": {
                        "sheetId": number,
                        "title": self._title(tab),
                        "index": number,
                        "sheetType": "GRID",
                        "gridProperties": {"rowCount": len(grid) + SPARE_ROWS, "columnCount": max(26, len(TABS[tab]))},
                    }
                }
            )
        properties = {"title": "Customers", "locale": "en_GB", "timeZone": self.state.meta("time_zone") or TIME_ZONE}
        return _answer({"spreadsheetId": SPREADSHEET_ID, "properties": properties, "sheets": sheets})

    async def _batch_get(self, request: Request) -> Response:
        query = request.query_params
        for name, supported in (("valueRenderOption", "UNFORMATTED_VALUE"), ("dateTimeRenderOption", "SERIAL_NUMBER"), ("majorDimension", "ROWS")):
            default = {"valueRenderOption": "FORMATTED_VALUE", "dateTimeRenderOption": "SERIAL_NUMBER", "majorDimension": "ROWS"}[name]
            if query.get(name, default) != supported:
                raise Refused(501, "UNIMPLEMENTED", f"The sandbox has {name} {supported} only")
        answers = [self._range(text) for text in query.getlist("ranges")]
        return _answer({"spreadsheetId": SPREADSHEET_ID, "valueRanges": answers})

    def _range(self, text: str) -> dict[str, Any]:
        found = re.fullmatch(r"'((?:[^']|'')+)'(?:!([A-Z]+)(\d+):([A-Z]+)(\d+))?", text) or re.fullmatch(r"([^'!]+)(?:!([A-Z]+)(\d+):([A-Z]+)(\d+))?", text)
        title = found[1].replace("''", "'") if found else ""
        tab = next((tab for tab in TABS if self._title(tab) == title), None)
        if found is None or tab is None:
            raise Refused(400, "INVALID_ARGUMENT", f"Unable to parse range: {text}")
        grid = self._grid(tab)
        if found[2]:
            top, bottom, left, right = int(found[3]) - 1, int(found[5]), _column(found[2]), _column(found[4]) + 1
            if bottom > len(grid) + SPARE_ROWS:
                raise Refused(400, "INVALID_ARGUMENT", f"Range ({text}) exceeds grid limits.")
            grid = [row[left:right] for row in grid[top:bottom]]
        rows = [_without_tail(row) for row in grid]
        while rows and not rows[-1]:
            rows.pop()
        answer: dict[str, Any] = {"range": text, "majorDimension": "ROWS"}
        return answer | ({"values": [["" if cell is None else cell for cell in row] for row in rows]} if rows else {})

    def _title(self, tab: str) -> str:
        return self.state.meta(f"title {tab}") or tab

    def _header(self, tab: str) -> list[Any]:
        stored = self.state.meta(f"header {tab}")
        return list(TABS[tab]) if stored is None else json.loads(stored)

    def _grid(self, tab: str) -> list[list[Any]]:
        """All rows of a tab as values: blank rows that were inserted, the header, the table in the order of its keys."""
        kinds = list(TABS[tab].values())
        inserted: list[list[Any]] = [[] for _ in range(int(self.state.meta(f"inserted {tab}") or 0))]
        rows = self.state.current(tab, '"IsDeleted" = 0 order by "c0"', ())
        names = column_names(tab)
        cells = [[_shown(row[name], kind) for name, kind in zip(names, kinds, strict=True)] for row in rows]
        table = [self._header(tab), *cells]
        for change in json.loads(self.state.meta(f"schema {tab}") or "[]"):
            table = _changed(table, change)
        return [*inserted, *table]

    # ---- people who edit

    def _control(self, method: str, name: str, body: Any) -> Any:
        """`/_sandbox/`: see the module; also POST limits {requests_per_minute}, POST expire_tokens, POST share {is_shared}, POST time_zone {name}, POST schema {object,
        field, change: add | remove | retype, value, template}: a person adds a column of one value at the end, deletes one, or types all its cells anew."""
        if method != "POST":
            raise KeyError(name)
        if name == "limits":
            limit = body["requests_per_minute"]
            self._per_minute = None if limit is None else int(limit)
            self._reads.clear()
            return {"requests_per_minute": self._per_minute}
        if name == "expire_tokens":
            count = len(self._tokens)
            self._tokens.clear()
            return {"expired": count}
        if name == "share":
            self._is_shared = bool(body["is_shared"])
            return {"is_shared": self._is_shared}
        if name == "time_zone":
            self.state.set_meta("time_zone", str(body["name"]))
            return body
        if name == "rename":
            self.state.set_meta(f"title {body['tab']}", str(body["to"]))
            return body
        if name == "schema":
            stored = json.loads(self.state.meta(f"schema {body['object']}") or "[]")
            self.state.set_meta(f"schema {body['object']}", json.dumps([*stored, body]))
            return {"header": self._grid(body["object"])[int(self.state.meta(f"inserted {body['object']}") or 0)]}
        if name == "insert_rows":
            self.state.set_meta(f"inserted {body['tab']}", str(int(self.state.meta(f"inserted {body['tab']}") or 0) + int(body["count"])))
            return body
        if name == "edit":
            return self._edit(str(body["tab"]), str(body["cell"]), body["value"])
        raise KeyError(name)

    def _edit(self, tab: str, cell: str, value: Any) -> Any:
        found = re.fullmatch(r"([A-Z]+)(\d+)", cell)
        if found is None:
            raise ValueError(f"{cell} is no cell")
        self.state.advance(self._clock.now())
        column, row = _column(found[1]), int(found[2]) - 1 - int(self.state.meta(f"inserted {tab}") or 0)
        if row == 0:
            header = self._header(tab)
            header += [None] * (column + 1 - len(header))
            header[column] = value
            self.state.set_meta(f"header {tab}", json.dumps(header))
            return {"header": header}
        rows = self.state.current(tab, '"IsDeleted" = 0 order by "c0" limit 1 offset ?', (row - 1,))
        stored = json.dumps({"typed": value})
        with self.state.transaction():
            stamp = self.state.next_stamp(self._clock.now())
            if value == "DELETE ROW":
                self.state.write(tab, rows[0]["c0"], "deleted", stamp, {"IsDeleted": 1})
            elif column == 0:
                raise ValueError("the sandbox keeps its keys: delete the row or edit another cell")
            else:
                names = column_names(tab)
                self.state.write(tab, rows[0]["c0"], "updated", stamp, {names[-1]: stamp, names[column]: stored})
        return {"row": rows[0]["c0"]}


def _shown(value: Any, kind: str) -> Any:
    """A stored cell as UNFORMATTED_VALUE and SERIAL_NUMBER give it. What a person typed is kept as JSON and shown as it is."""
    if value is None:
        return None
    if isinstance(value, str) and value.startswith('{"typed": '):
        return json.loads(value)["typed"]
    if kind == "boolean":
        return bool(value)
    if kind == "number":
        return int(value) if float(value).is_integer() else value
    if kind in ("date", "datetime"):
        since = datetime.fromisoformat(str(value)[:23]) - datetime(1899, 12, 30)
        days, rest = divmod(since, timedelta(days=1))
        # As a spreadsheet does it: the whole days, and the rest as a double's fraction of a day.
        return days if not rest else days + rest / timedelta(days=1)
    return value


def _changed(table: list[list[Any]], change: Mapping[str, Any]) -> list[list[Any]]:
    """A tab's header and rows after a person changed a column."""
    if change["change"] == "add":
        width = max(len(row) for row in table)
        return [[*row, *[None] * (width - len(row)), change["field"] if number == 0 else change.get("value")] for number, row in enumerate(table)]
    place = table[0].index(change["field"])
    if change["change"] == "remove":
        return [row[:place] + row[place + 1 :] for row in table]
    template = str(change.get("template", "{}"))
    return [table[0], *([*row[:place], None if row[place] is None else template.format(row[place]), *row[place + 1 :]] for row in table[1:])]


def _without_tail(row: list[Any]) -> list[Any]:
    end = len(row)
    while end and row[end - 1] in (None, ""):
        end -= 1
    return row[:end]


def _column(letters: str) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + ord(letter) - ord("A") + 1
    return number - 1


def _key_file(path: Path) -> Path:
    """The service account's key file, made on first use; two processes that start together agree on one."""
    if path.is_file():
        return path
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()).decode()
    content = {
        "type": "service_account",
        "project_id": "value-in-motion-sandbox",
        "private_key_id": secrets.token_hex(20),
        "private_key": pem,
        "client_email": SERVICE_ACCOUNT,
        "token_uri": "https://oauth2.googleapis.com/token",
    }
    part = path.with_name(f"{path.name}.{os.getpid()}")
    part.touch(mode=0o600)
    part.write_text(json.dumps(content), encoding="utf-8")
    try:
        os.link(part, path)
    except FileExistsError:
        pass
    finally:
        part.unlink()
    return path


def _public_key(path: Path) -> Any:
    from cryptography.hazmat.primitives import serialization

    return serialization.load_pem_private_key(json.loads(path.read_text(encoding="utf-8"))["private_key"].encode(), None).public_key()


def _error(status: int, code: str, message: str) -> dict[str, Any]:
    return {"error": {"code": status, "message": message, "status": code}}


def _answer(value: Mapping[str, Any], status: int = 200) -> Response:
    return Response(json.dumps(value), status, {"Content-Type": "application/json; charset=UTF-8"})


def _fault_body(status: int, code: str) -> Any:
    words = {401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED", 404: "NOT_FOUND", 429: "RESOURCE_EXHAUSTED", 500: "INTERNAL", 503: "UNAVAILABLE"}
    return _error(status, code or words.get(status, "UNKNOWN"), "planned by the sandbox")
