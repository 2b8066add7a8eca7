"""One spreadsheet of Google Sheets, read only: its tabs, and the cells of a tab as values, not as somebody's locale shows them.

A sheet that is read as it is displayed turns 1.234 into a thousand or into one and a bit, by the locale of whoever made it, and a date
into either of two days. So cells come unformatted, and dates as serial numbers, which are converted here exactly.
Contract: shared design, CONNECTORS section 6; developers.google.com/workspace/sheets/api (`spreadsheets.get`, `values.batchGet`,
'DateTimeRenderOption', 'Usage limits'); the login is `google_login`'s. Nothing is written: the scope is read-only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from fractions import Fraction
from typing import Any
from urllib.parse import quote

import httpx

from vim_pipelines.settings import Settings
from vim_pipelines.vendors.client import TokenKeeper, VendorClient, json_or_none, transport_from_settings
from vim_pipelines.vendors.google_login import ServiceAccountKey, ServiceAccountLogin, hosts_of_login, read_key_file
from vim_pipelines.vendors.http import RetryPolicy, TransportOptions, VendorError, VendorHttp

Cell = str | int | float | bool | None

API_URL = "https://sheets.googleapis.com"
KEY_SETTING = "GOOGLE_SHEETS_KEY_FILE"
SCOPE = "https://www.googleapis.com/auth/spreadsheets.readonly"
#: 60 reads in any 60 seconds for one user: 20 at once (a night of a dozen tabs) and 40 a minute after them.
PER_SECOND, BURST = 40 / 60, 20
#: The quota is refilled after a minute: seven attempts wait up to 2, 4, 8, 16, 32 and 64 seconds ('truncated exponential backoff').
RETRY = RetryPolicy(attempts=7, base_seconds=2.0, step_limit_seconds=64.0)
#: Serial number 0 is 1899-12-30.
SERIAL_EPOCH = datetime(1899, 12, 30)
MILLISECONDS_PER_DAY = 86_400_000


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
        hosts = hosts_of_login(base_url, API_URL, allowed_hosts)
        super().__init__(
            VendorHttp(
                "Google Sheets", base_url, setting="GOOGLE_SHEETS_BASE_URL", allowed_hosts=hosts, per_second=PER_SECOND, burst=BURST, options=self._options
            )
        )
        self.http.hide(key.private_key)
        self._key, self._spreadsheet_id = key, spreadsheet_id
        login = ServiceAccountLogin(key, SCOPE, KEY_SETTING, token_url or key.token_uri, self._options.now)
        self._tokens = TokenKeeper(lambda: login.fetch(self.http), self._options.now)

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
        read_key_file(settings.google_sheets_key_file, KEY_SETTING),
        settings.google_sheets_spreadsheet_id,
        settings.google_sheets_base_url,
        settings.google_sheets_token_url,
        allowed_hosts=settings.allowed_hosts.split(","),
        options=transport_from_settings(settings, options or TransportOptions(retry=RETRY)),
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
