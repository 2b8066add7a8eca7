"""One spreadsheet of Google Sheets, read only: its tabs, and the cells of a tab as values, not as somebody's locale shows them.

A sheet that is read as it is displayed turns 1.234 into a thousand or into one and a bit, by the locale of whoever made it, and a date
into either of two days. So cells come unformatted, and dates as serial numbers, which are converted here exactly.
Contract: shared design, CONNECTORS section 6; developers.google.com/workspace/sheets/api (`spreadsheets.get`, `values.batchGet`,
'DateTimeRenderOption', 'Usage limits') and 'Using OAuth 2.0 for server to server applications'. Nothing is written: the scope is read-only.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from fractions import Fraction
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import httpx

from vim_pipelines.core.errors import VimError
from vim_pipelines.settings import Settings
from vim_pipelines.vendors.client import AccessToken, TokenKeeper, VendorClient, json_or_none, transport_from_settings
from vim_pipelines.vendors.http import RetryPolicy, Safety, TransportOptions, VendorError, VendorHttp

Cell = str | int | float | bool | None

API_URL, TOKEN_URL = "https://sheets.googleapis.com", "https://oauth2.googleapis.com/token"
SCOPE = "https://www.googleapis.com/auth/spreadsheets.readonly"
#: 60 reads in any 60 seconds for one user: 20 at once (a night of a dozen tabs) and 40 a minute after them.
PER_SECOND, BURST = 40 / 60, 20
#: The quota is refilled after a minute: seven attempts wait up to 2, 4, 8, 16, 32 and 64 seconds ('truncated exponential backoff').
RETRY = RetryPolicy(attempts=7, base_seconds=2.0, step_limit_seconds=64.0)
#: Google takes assertions of at most an hour.
ASSERTION_SECONDS = 3600
#: Serial number 0 is 1899-12-30.
SERIAL_EPOCH = datetime(1899, 12, 30)
MILLISECONDS_PER_DAY = 86_400_000


@dataclass(frozen=True)
class ServiceAccountKey:
    """A service account's key file, as far as it is needed. The private key is never shown."""

    client_email: str
    private_key: str = field(repr=False)
    private_key_id: str = ""
    token_uri: str = TOKEN_URL


@dataclass(frozen=True)
class Tab:
    """One tab. `rows` and `columns` are the size of its grid, empty cells included."""

    title: str
    rows: int
    columns: int


@dataclass(frozen=True)
class Spreadsheet:
    """A spreadsheet's title, the IANA time zone in which its times are meant, and its tabs in order (charts and other sheets without cells left out)."""

    title: str
    time_zone: str
    tabs: tuple[Tab, ...]

    def tab(self, title: str) -> Tab | None:
        """The tab of this title, or None. Titles are unique."""
        return next((tab for tab in self.tabs if tab.title == title), None)


class GoogleSheetsClient(VendorClient):
    """One spreadsheet, by a service account that it is shared with.

    Every method raises VendorError as `VendorHttp.send` does, and VIM-E011 (the key or its token is refused), VIM-E013 (any other
    refusal, with Google's own status and message).
    """

    def __init__(
        self,
        key: ServiceAccountKey,
        spreadsheet_id: str,
        base_url: str = API_URL,
        token_url: str | None = None,
        *,
        allowed_hosts: Sequence[str] = (),
        options: TransportOptions | None = None,
    ) -> None:
        self._options = options or TransportOptions(retry=RETRY)
        # A key file is made by Google, but it is a file: where it sends us must be on the list like any other address.
        hosts = [*allowed_hosts, *([urlsplit(TOKEN_URL).netloc] if urlsplit(base_url).netloc == urlsplit(API_URL).netloc else [])]
        super().__init__(
            VendorHttp(
                "Google Sheets", base_url, setting="GOOGLE_SHEETS_BASE_URL", allowed_hosts=hosts, per_second=PER_SECOND, burst=BURST, options=self._options
            )
        )
        self.http.hide(key.private_key)
        self._key, self._spreadsheet_id = key, spreadsheet_id
        self._token_url = token_url or key.token_uri
        self._tokens = TokenKeeper(self._fetch_token, self._options.now)

    def spreadsheet(self) -> Spreadsheet:
        """The spreadsheet's tabs, without their cells."""
        fields = "properties(title,timeZone),sheets.properties(title,sheetType,gridProperties(rowCount,columnCount))"
        body = self._get("", {"fields": fields})
        tabs = []
        for sheet in body.get("sheets") or ():
            properties = sheet.get("properties") or {}
            grid = properties.get("gridProperties")
            if grid and properties.get("sheetType", "GRID") == "GRID":
                tabs.append(Tab(str(properties["title"]), int(grid["rowCount"]), int(grid["columnCount"])))
        properties = body.get("properties") or {}
        return Spreadsheet(str(properties.get("title", "")), str(properties.get("timeZone") or "Etc/GMT"), tuple(tabs))

    def values(self, tabs: Sequence[Tab]) -> dict[str, list[list[Cell]]]:
        """The cells of whole tabs from A1 on, by title, in one answer: rows of one tab cannot move between two requests for it.

        Rows are ragged: Sheets leaves out trailing empty cells and rows; an empty cell before others is None. Numbers, dates as serial
        numbers, and truth values come as such, everything else (errors such as `#REF!` too) as text.
        """
        if not tabs:
            return {}
        query = {
            "ranges": [whole_range(tab) for tab in tabs],
            "majorDimension": "ROWS",
            "valueRenderOption": "UNFORMATTED_VALUE",
            "dateTimeRenderOption": "SERIAL_NUMBER",
        }
        answers = self._get("/values:batchGet", query).get("valueRanges")
        if not isinstance(answers, list) or len(answers) != len(tabs):
            raise VendorError(
                "VIM-E013",
                f"Google Sheets answered {len(answers) if isinstance(answers, list) else 'no'} ranges to {len(tabs)} that were asked for",
                fix="Run again; an answer that lacks a tab is not taken for an empty tab",
            )
        return {
            tab.title: [[None if cell == "" else cell for cell in row] for row in answer.get("values") or ()] for tab, answer in zip(tabs, answers, strict=True)
        }

    # ---- inside

    def _get(self, path: str, params: dict[str, Any]) -> dict[str, Any]:
        target = f"/v4/spreadsheets/{quote(self._spreadsheet_id, safe='')}{path}"
        for is_second in (False, True):
            token = self._tokens.get()
            response = self.http.send("GET", target, headers={"Authorization": f"Bearer {token.value}"}, params=params)
            if response.status_code != 401 or is_second:
                break
            self._tokens.forget(token)
        if not response.is_success:
            raise self._refusal(response)
        body = self.http.body_of(response)
        if not isinstance(body, dict):
            raise VendorError("VIM-E013", "Google Sheets answered with something that is not an object", why=self.http.scrub(response.text))
        return body

    def _fetch_token(self) -> AccessToken:
        form = {"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer", "assertion": self._assertion()}
        response = self.http.send("POST", self._token_url, safety=Safety.READ, data=form)
        body = json_or_none(response)
        if response.status_code != 200 or not isinstance(body, dict) or "access_token" not in body:
            code = str(body.get("error", "")) if isinstance(body, dict) else ""
            said = f"{code}: {body.get('error_description', '')}" if isinstance(body, dict) else f"HTTP {response.status_code}"
            raise VendorError(
                "VIM-E011",
                f"Google refused the key of the service account {self._key.client_email}",
                why=self.http.scrub(said),
                fix="Check that the key in GOOGLE_SHEETS_KEY_FILE was not deleted in the Google Cloud console, and this machine's clock",
                status=response.status_code,
                vendor_code=code,
            )
        self.http.hide(str(body["access_token"]))
        lifetime = body.get("expires_in")
        return AccessToken(str(body["access_token"]), float(lifetime) if lifetime is not None else None)

    def _assertion(self) -> str:
        """The signed claim that we are this service account, good for one hour."""
        import jwt

        now = int(self._options.now().timestamp())
        claims = {"iss": self._key.client_email, "scope": SCOPE, "aud": self._token_url, "iat": now, "exp": now + ASSERTION_SECONDS}
        try:
            text = jwt.encode(claims, self._key.private_key, algorithm="RS256", headers={"kid": self._key.private_key_id} if self._key.private_key_id else None)
        except (ValueError, TypeError, jwt.PyJWTError) as error:
            # Only the kind of error is named: its text may quote the key.
            raise _wrong_key_file(f"its private key cannot be used ({type(error).__name__})") from None
        self.http.hide(text)
        return text

    def _refusal(self, response: httpx.Response) -> VendorError:
        body = json_or_none(response)
        error = body.get("error") if isinstance(body, dict) else None
        error = error if isinstance(error, dict) else {}
        status, message = str(error.get("status", "")), self.http.scrub(str(error.get("message") or response.text))
        facts: dict[str, Any] = {"status": response.status_code, "vendor_code": status, "vendor_message": message}
        if response.status_code == 401:
            return VendorError("VIM-E011", "Google refused our access token", why=message, fix="Check the service account in the Google Cloud console", **facts)
        fix = "Correct the request's cause in the spreadsheet or the portfolio file; it was not repeated"
        if response.status_code == 403:
            fix = f"Share the spreadsheet with {self._key.client_email} as a viewer, and enable the Google Sheets API in the key's project"
        elif response.status_code == 404:
            fix = "Set GOOGLE_SHEETS_SPREADSHEET_ID to the long part of the spreadsheet's address after /d/"
        return VendorError(
            "VIM-E013", f"Google Sheets refused to show the spreadsheet with HTTP {response.status_code} {status}", why=message, fix=fix, **facts
        )


def client_from_settings(settings: Settings, *, options: TransportOptions | None = None) -> GoogleSheetsClient:
    """The client of the spreadsheet that the settings name; VIM-E001 if one of its settings is missing, VIM-E002 if the key file is none."""
    settings.require("google_sheets_base_url", "google_sheets_spreadsheet_id", "google_sheets_key_file")
    assert settings.google_sheets_spreadsheet_id and settings.google_sheets_key_file
    return GoogleSheetsClient(
        read_key_file(settings.google_sheets_key_file),
        settings.google_sheets_spreadsheet_id,
        settings.google_sheets_base_url,
        settings.google_sheets_token_url,
        allowed_hosts=settings.allowed_hosts.split(","),
        options=transport_from_settings(settings, options or TransportOptions(retry=RETRY)),
    )


def read_key_file(path: Path) -> ServiceAccountKey:
    """The key in a service account's JSON file; VIM-E002, without anything of its content, if it is none."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise _wrong_key_file(error.strerror or "it cannot be opened") from None
    except ValueError:
        raise _wrong_key_file("it is not JSON") from None
    if not isinstance(content, dict) or content.get("type") != "service_account":
        raise _wrong_key_file("it is not the key of a service account (type is not 'service_account')")
    missing = [name for name in ("client_email", "private_key") if not isinstance(content.get(name), str) or not content[name]]
    if missing:
        raise _wrong_key_file(f"it has no {' and no '.join(missing)}")
    return ServiceAccountKey(
        content["client_email"], content["private_key"], str(content.get("private_key_id") or ""), str(content.get("token_uri") or TOKEN_URL)
    )


def _wrong_key_file(reason: str) -> VimError:
    return VimError(
        "VIM-E002",
        "The file that GOOGLE_SHEETS_KEY_FILE names is of no use",
        why=reason[0].upper() + reason[1:],
        fix="Download the JSON key of the service account again from the Google Cloud console and set its path",
    )


def serial_to_datetime(serial: float) -> datetime:
    """The moment of a serial number, to the millisecond: whole days since 1899-12-30, the fraction is of a day (33.625 is 1900-02-01 15:00).

    A double holds today's serial numbers to 0.6 microseconds, so the nearest millisecond is the one that was meant. OverflowError or
    ValueError outside the calendar.
    """
    return SERIAL_EPOCH + timedelta(milliseconds=round(Fraction(serial) * MILLISECONDS_PER_DAY))


def datetime_to_serial(moment: datetime) -> float:
    """The serial number of a moment, the inverse of `serial_to_datetime` for whole milliseconds."""
    since = moment - SERIAL_EPOCH
    return float(Fraction(since // timedelta(microseconds=1), 86_400_000_000))


def column_letters(index: int) -> str:
    """Column 0 is A, 25 Z, 26 AA."""
    letters = ""
    index += 1
    while index:
        index, rest = divmod(index - 1, 26)
        letters = chr(ord("A") + rest) + letters
    return letters


def cell_name(row: int, column: int) -> str:
    """A1 notation of a cell; row and column count from 0."""
    return f"{column_letters(column)}{row + 1}"


def whole_range(tab: Tab) -> str:
    """A tab's whole grid in A1 notation, its title quoted."""
    title = tab.title.replace("'", "''")
    return f"'{title}'!A1:{cell_name(max(tab.rows, 1) - 1, max(tab.columns, 1) - 1)}"
