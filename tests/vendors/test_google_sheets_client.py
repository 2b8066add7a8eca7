"""Google Sheets: the signed login, cells as values, exact dates, the header contract, and nothing of the key in any error."""

from __future__ import annotations

import json
import shutil
import stat
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from vendor_sandbox import Control, Waits, control_of, make_sandbox, set_clock

from vim_pipelines.core.errors import VimError
from vim_pipelines.ingestion.readers import MappedFieldError
from vim_pipelines.ingestion.readers.google_sheets import GoogleSheetsReader, from_serial, header_columns, records
from vim_pipelines.portfolio.entities import ENTITIES
from vim_pipelines.portfolio.model import EntityMap
from vim_pipelines.sandbox.emulators.google_sheets import KEY_FILE, SPREADSHEET_ID, TABS
from vim_pipelines.sandbox.emulators.run import Running, start_emulators
from vim_pipelines.sandbox.google_sheets_seed import SEEDS, seed_google_sheets
from vim_pipelines.settings import load_settings
from vim_pipelines.vendors.google_sheets import (
    GoogleSheetsClient,
    ServiceAccountKey,
    Tab,
    cell_name,
    client_from_settings,
    column_letters,
    datetime_to_serial,
    read_key_file,
    serial_to_datetime,
    whole_range,
)
from vim_pipelines.vendors.http import Limiter, TransportOptions, VendorError


@pytest.fixture(scope="module")
def seeded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = make_sandbox(tmp_path_factory.mktemp("sheets") / "sandbox")
    seed_google_sheets(directory / "source", directory / "google_sheets.db")
    with start_emulators(directory, ("google_sheets",)):
        pass  # makes the key once for all tests
    return directory


@pytest.fixture
def served(seeded: Path, tmp_path: Path) -> Iterator[Running]:
    shutil.copytree(seeded, tmp_path / "sandbox")
    with start_emulators(tmp_path / "sandbox", ("google_sheets",)) as started:
        yield started


@pytest.fixture
def control(served: Running) -> Control:
    return control_of(served.url("google_sheets"))


@pytest.fixture
def sheets(served: Running, options: TransportOptions) -> Iterator[GoogleSheetsClient]:
    with client_from_settings(served.settings(load_settings()), options=options) as client:
        yield client


# ---- reading


def test_the_tabs_are_told_with_their_size_and_time_zone(sheets: GoogleSheetsClient) -> None:
    spreadsheet = sheets.spreadsheet()
    assert [tab.title for tab in spreadsheet.tabs] == list(TABS) and spreadsheet.time_zone == "Etc/GMT"
    assert spreadsheet.tab("Accounts").rows > 5 and spreadsheet.tab("Nothing") is None  # type: ignore[union-attr]


def test_cells_come_as_values_and_rows_are_ragged(sheets: GoogleSheetsClient) -> None:
    tabs = [sheets.spreadsheet().tab(title) for title in ("Contracts", "Accounts")]
    values = sheets.values([tab for tab in tabs if tab])
    header, first, second = values["Contracts"]
    assert header == list(TABS["Contracts"])
    assert first[:13] == ["CON-1", "ACC-00001", "core", 200, None, 300, "USD", 46023, None, 60, True, "Active", None], "46023 is 2026-01-01"
    assert second[3] == 0 and second[11] == "Draft" and len(values["Accounts"]) == 5
    assert values["Accounts"][1][11] == 60000.5 and values["Accounts"][3][1] == "O'Neil \\ Söhne"


def test_a_row_that_a_person_edits_is_dated_by_the_sheets_script(sheets: GoogleSheetsClient, control: Control) -> None:
    """And its own column is what was typed there; a row ends with its last cell that is not empty."""

    def lines() -> list[list[Any]]:
        return sheets.values([tab for tab in sheets.spreadsheet().tabs if tab.title == "Contracts"])["Contracts"][1:]

    before = lines()
    control("POST", "edit", {"tab": "Contracts", "cell": "D2", "value": 7})
    control("POST", "edit", {"tab": "Contracts", "cell": "R3", "value": None})
    after = lines()
    assert (before[0][3], after[0][3]) == (200, 7) and after[0][17] == 46202.25 > before[0][17], "2026-06-29 06:00, the sandbox's now"
    assert len(before[1]) == 18 and after[1] == before[1][:12] and after[2:] == before[2:]


def test_the_next_day_is_shown_once_it_has_come(sheets: GoogleSheetsClient, tmp_path: Path) -> None:
    set_clock(tmp_path / "sandbox", datetime(2026, 6, 30, 6))
    rows = sheets.values([sheets.spreadsheet().tabs[0]])["Accounts"]
    assert len(rows) == 6 and rows[1][1] == "Customer 1 renamed"


def test_a_tab_that_is_quoted_and_one_that_does_not_exist(sheets: GoogleSheetsClient, control: Control) -> None:
    control("POST", "rename", {"tab": "Accounts", "to": "Bob's accounts"})
    tab = sheets.spreadsheet().tabs[0]
    assert whole_range(tab) == f"'Bob''s accounts'!A1:Z{tab.rows}" and len(sheets.values([tab])["Bob's accounts"]) == 5
    with pytest.raises(VendorError, match=r"VIM-E013 .*400 INVALID_ARGUMENT. Unable to parse range: 'Accounts'!A1:B2"):
        sheets.values([Tab("Accounts", 2, 2)])


def test_an_answer_that_lacks_a_tab_is_an_error_and_no_empty_tab() -> None:
    def short(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json={"access_token": "t"} if request.url.path == "/token" else {"spreadsheetId": "s"})

    client = GoogleSheetsClient(_key(), "s", "http://127.0.0.1:1", "http://127.0.0.1:1/token", options=_over(short))
    with pytest.raises(VendorError, match="answered no ranges to 1"):
        client.values([Tab("A", 1, 1)])


def test_the_quota_without_retry_after_is_backed_off_from(sheets: GoogleSheetsClient, control: Control, waits: Waits) -> None:
    control("POST", "limits", {"requests_per_minute": 1})
    sheets.spreadsheet()
    with pytest.raises(VendorError, match="VIM-E014 .*over its request limit after 4 attempts"):
        sheets.spreadsheet()
    assert len(waits.seconds) == 3


# ---- the login


def test_a_token_that_ended_is_fetched_again_once(sheets: GoogleSheetsClient, control: Control) -> None:
    sheets.spreadsheet()
    control("POST", "expire_tokens")
    sheets.spreadsheet()
    assert [entry["path"] for entry in control("GET", "requests")].count("/token") == 2
    control("POST", "faults", {"path": "/v4/", "status": 401, "times": 9})
    with pytest.raises(VendorError, match="VIM-E011 Google refused our access token"):
        sheets.spreadsheet()


def test_a_token_is_kept_for_its_hour(served: Running, options: TransportOptions, control: Control) -> None:
    from dataclasses import replace

    now = [datetime.now(UTC)]
    with client_from_settings(served.settings(load_settings()), options=replace(options, now=lambda: now[0])) as client:
        for hours in (-0.95, -0.5, 0.0, 0.05):
            now[0] = datetime.now(UTC) + timedelta(hours=hours)
            client.spreadsheet()
    assert [entry["path"] for entry in control("GET", "requests")].count("/token") == 2


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"private_key": "other"}, "invalid_grant: Invalid JWT Signature"),
        ({"client_email": "nobody@example.com"}, "account not found"),
        ({"now": timedelta(hours=-3)}, "reasonable timeframe"),
    ],
)
def test_a_refused_key_is_one_message_without_the_key(change: dict[str, Any], said: str, served: Running, options: TransportOptions, tmp_path: Path) -> None:
    from dataclasses import replace

    key = read_key_file(tmp_path / "sandbox" / KEY_FILE, "GOOGLE_SHEETS_KEY_FILE")
    key = replace(key, **{name: value for name, value in change.items() if name == "client_email"})
    key = replace(key, private_key=_pem()) if "private_key" in change else key
    options = replace(options, now=lambda: datetime.now(UTC) + change["now"]) if "now" in change else options
    url = served.url("google_sheets")
    with GoogleSheetsClient(key, SPREADSHEET_ID, url, f"{url}/token", options=options) as client:
        with pytest.raises(VendorError, match="VIM-E011") as caught:
            client.spreadsheet()
        assert said in str(caught.value)
        _shows_no_key(key, str(caught.value), repr(client), repr(key), repr(client.__dict__))


def test_a_private_key_that_is_none_shows_nothing_of_itself() -> None:
    key = ServiceAccountKey("a@b", "-----BEGIN PRIVATE KEY-----\nc2VjcmV0LWtleS1ieXRlcw==\n-----END PRIVATE KEY-----\n")
    client = GoogleSheetsClient(key, "s", "http://127.0.0.1:1", "http://127.0.0.1:1/token", options=_over(lambda request: httpx.Response(500)))
    with pytest.raises(VimError, match="VIM-E002 .*private key cannot be used") as caught:
        client.spreadsheet()
    _shows_no_key(key, str(caught.value), repr(caught.value.__context__ if not caught.value.__suppress_context__ else ""))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "No such file"),
        ("not json secret-123", "It is not JSON"),
        ('{"type": "authorized_user", "refresh_token": "secret-123"}', "not the key of a service account"),
        ('{"type": "service_account", "client_email": "a@b", "private_key": ""}', "It has no private_key"),
    ],
)
def test_a_key_file_that_is_none_is_one_message_without_its_content(content: str | None, said: str, tmp_path: Path) -> None:
    file = tmp_path / "key.json"
    if content is not None:
        file.write_text(content)
    with pytest.raises(VimError, match="VIM-E002 .*GOOGLE_SHEETS_KEY_FILE") as caught:
        read_key_file(file, "GOOGLE_SHEETS_KEY_FILE")
    assert said in str(caught.value) and "secret-123" not in str(caught.value)


def test_a_key_file_cannot_send_us_elsewhere() -> None:
    """A file with another token_uri would carry off a signed assertion."""
    key = ServiceAccountKey("a@b", _pem(), token_uri="https://evil.example/token")
    client = GoogleSheetsClient(key, "s", options=_over(lambda request: httpx.Response(200, json={"access_token": "t"})))
    with pytest.raises(VendorError, match="VIM-E016 .*evil.example"):
        client.spreadsheet()


def test_a_spreadsheet_that_is_not_shared_says_with_whom_to_share_it(sheets: GoogleSheetsClient, control: Control) -> None:
    control("POST", "share", {"is_shared": False})
    with pytest.raises(VendorError, match=r"VIM-E013 .*PERMISSION_DENIED.*Share the spreadsheet with sandbox@value-in-motion"):
        sheets.spreadsheet()


def test_a_wrong_id_names_its_setting(served: Running, options: TransportOptions) -> None:
    settings = served.settings(load_settings()).model_copy(update={"google_sheets_spreadsheet_id": "not-the-id"})
    with client_from_settings(settings, options=options) as client, pytest.raises(VendorError, match="404 .*GOOGLE_SHEETS_SPREADSHEET_ID"):
        client.spreadsheet()


def test_the_settings_that_are_missing_are_named() -> None:
    with pytest.raises(VimError, match="VIM-E001 .*GOOGLE_SHEETS_SPREADSHEET_ID"):
        client_from_settings(load_settings())


def test_the_sandboxs_key_is_for_its_owner_only(seeded: Path) -> None:
    assert stat.S_IMODE((seeded / KEY_FILE).stat().st_mode) == 0o600


# ---- dates


@pytest.mark.parametrize(
    ("serial", "moment"),
    [
        (0, datetime(1899, 12, 30)),
        (2.5, datetime(1900, 1, 1, 12)),
        (33.625, datetime(1900, 2, 1, 15)),
        (46202, datetime(2026, 6, 29)),
        (46202.25, datetime(2026, 6, 29, 6)),
        (46202.99998842593, datetime(2026, 6, 29, 23, 59, 59)),
        (46202.999999988425, datetime(2026, 6, 29, 23, 59, 59, 999000)),
    ],
)
def test_serial_numbers_are_the_moments_of_googles_own_examples(serial: float, moment: datetime) -> None:
    assert serial_to_datetime(serial) == moment


@given(st.datetimes(datetime(1970, 1, 1), datetime(2099, 12, 31)))
def test_every_millisecond_survives_the_way_to_a_serial_number_and_back(moment: datetime) -> None:
    """A fraction of a day is a double; multiplied carelessly, every second second was one short."""
    moment = moment.replace(microsecond=moment.microsecond // 1000 * 1000)
    assert serial_to_datetime(datetime_to_serial(moment)) == moment
    # The fraction as a spreadsheet computes it, with one rounding more.
    days, rest = divmod(moment - datetime(1899, 12, 30), timedelta(days=1))
    assert serial_to_datetime(days + rest / timedelta(days=1)) == moment


def test_a_moment_is_meant_in_the_spreadsheets_time_zone_and_a_day_in_none() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    assert from_serial(46202.25, "timestamp", berlin) == datetime(2026, 6, 29, 4)
    assert from_serial(46023.25, "timestamp", berlin) == datetime(2026, 1, 1, 5)
    assert from_serial(46202.0, "date", berlin) == date(2026, 6, 29) and from_serial(46202.9, "date", berlin) == date(2026, 6, 29)


@pytest.mark.parametrize("cell", [2026, -1, True, "2026-06-29", "soon", 1e9, 20260629])
def test_what_is_no_plausible_date_is_left_for_coercion_to_set_aside(cell: Any) -> None:
    assert from_serial(cell, "date", ZoneInfo("Etc/GMT")) is cell


# ---- the header contract

HEADER = ["Line ID", "Account ID", "Seats", None, "Notes", "Notes"]
ROWS: list[list[Any]] = [HEADER, ["L1", "A1", 10, "scratch"], [], [None, None], ["L2", None, 0], ["L3"]]


def test_rows_become_records_without_their_empty_cells() -> None:
    assert list(records("T", ROWS, ["Line ID", "Account ID", "Seats"])) == [
        {"Line ID": "L1", "Account ID": "A1", "Seats": 10},
        {"Line ID": "L2", "Seats": 0},
        {"Line ID": "L3"},
    ]


def test_spaces_around_a_header_do_not_matter() -> None:
    assert list(records("T", [["Line ID ", " Seats"], ["L1", 3]], ["Line ID", " Seats"])) == [{"Line ID": "L1", " Seats": 3}]


def test_a_column_that_moved_with_its_header_is_still_that_column() -> None:
    assert list(records("T", [["Seats", "Line ID"], [3, "L1"]], ["Line ID", "Seats"])) == [{"Line ID": "L1", "Seats": 3}]


@pytest.mark.parametrize(
    ("rows", "code", "said"),
    [
        ([], "VIM-E012", "Row 1 has no header at all"),
        ([["Line ID", "Seat"], ["L1", 3]], "VIM-E012", "Cell B1 says 'Seat'"),
        ([["Line ID", "", "Other"], ["L1", 3]], "VIM-E012", "Cell B1 is blank, and there are values below it"),
        ([["Line ID"], ["L1", 3]], "VIM-E012", "Cell B1 is blank"),
        ([["Line ID", "Seats", "Seats"]], "VIM-E017", "in the cells B1 and C1"),
        ([["Customers of 2026"], [], ["Line ID", "Seats"], ["L1", 3]], "VIM-E012", "stands in cell B3, not in row 1. Remove the 2 rows above"),
        ([["Line ID", "Licences"], ["L1", 3]], "VIM-E012", "Row 1 has Line ID, Licences"),
    ],
)  # fmt: skip
def test_a_header_that_is_not_there_exactly_once_says_what_stands_there(rows: list[list[Any]], code: str, said: str) -> None:
    with pytest.raises(MappedFieldError) as caught:
        header_columns("Lines", [[None if cell == "" else cell for cell in row] for row in rows], ["Line ID", "Seats"])
    problem = next(item for item in (caught.value, *caught.value.others) if item.field == "Seats")
    assert problem.code == code and said in str(problem) and "Lines" in str(problem)


def test_all_wrong_headers_are_told_not_only_the_first() -> None:
    with pytest.raises(MappedFieldError) as caught:
        header_columns("Lines", [["A", "B", "B"]], ["Line ID", "B", "A", "Seats"])
    assert [caught.value.field, *(item.field for item in caught.value.others)] == ["Line ID", "B", "Seats"]


def test_doubled_and_blank_headers_that_nobody_maps_are_no_concern() -> None:
    assert header_columns("T", ROWS, ["Seats"]) == {"Line ID": 0, "Account ID": 1, "Seats": 2}


def test_a_row_that_was_cleared_is_no_row_although_the_script_dated_that(sheets: GoogleSheetsClient, monkeypatch: pytest.MonkeyPatch) -> None:
    fields = {"task_key": "Task ID", "subject": "Subject"}
    mapping = EntityMap.model_validate({"source": "crm", "object": "Tasks", "known_at": "Last Changed", "fields": fields})
    tab: list[list[Any]] = [["Task ID", "Subject", "Last Changed"], ["T1", "Call", 46202.25], [None, None, 46202.5], [None, "no key", 46202.5]]
    monkeypatch.setattr(sheets, "values", lambda tabs: {"Tasks": tab})
    found = [*GoogleSheetsReader(sheets, datetime(2026, 6, 29, 6)).read("task", mapping, None).records]
    assert found == [
        {"Task ID": "T1", "Subject": "Call", "Last Changed": datetime(2026, 6, 29, 6)},
        {"Subject": "no key", "Last Changed": datetime(2026, 6, 29, 12)},
    ]


@pytest.mark.parametrize(("index", "letters"), [(0, "A"), (25, "Z"), (26, "AA"), (701, "ZZ"), (702, "AAA")])
def test_columns_are_lettered_as_in_a_sheet(index: int, letters: str) -> None:
    assert column_letters(index) == letters and cell_name(2, index) == f"{letters}3"


def test_the_seed_covers_every_column_of_every_entity_it_maps() -> None:
    for seed in SEEDS:
        assert {column.name for column in ENTITIES[seed.entity].columns} == set(seed.columns) and len(seed.columns) + 1 == len(TABS[seed.tab]), seed.entity


# ---- small things


def _over(answer: Any) -> TransportOptions:
    return TransportOptions(transport=httpx.MockTransport(answer), limiter=Limiter(1e9, 10**6), sleep=lambda seconds: None)


_MADE: list[str] = []


def _pem() -> str:
    if not _MADE:
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric import rsa

        made = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        _MADE.append(made.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()).decode())
    return _MADE[0]


def _key() -> ServiceAccountKey:
    return ServiceAccountKey("a@b", _pem())


def _shows_no_key(key: ServiceAccountKey, *texts: str) -> None:
    lines = [line for line in key.private_key.splitlines() if line and not line.startswith("-----")]
    for text in texts:
        assert not any(line in text for line in lines), "a line of the private key"
        assert "PRIVATE KEY" not in text and json.dumps(key.private_key)[1:40] not in text
