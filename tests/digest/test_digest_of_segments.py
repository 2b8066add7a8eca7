"""A director who answers for some segments is told of their accounts, by the same object, and of nobody else's."""

import json
from dataclasses import fields
from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from small_marts import BEFORE, CUSTOMERS, NIGHT, add, alert, request

from vim_pipelines.approvals.people import list_people
from vim_pipelines.approvals.policy import load_policy
from vim_pipelines.reporting.digest.content import digest_of
from vim_pipelines.reporting.digest.mail import digest_html, digest_text
from vim_pipelines.reporting.digest.pictures import by_month, most_waste
from vim_pipelines.reporting.digest.sending import limits, send_digest
from vim_pipelines.reporting.digest.slack import digest_blocks
from vim_pipelines.reporting.figures import FIGURES, LEFT_OUT, read_figures, read_nights

ALL = ("enterprise", "mid_market", "smb")
NOW = datetime(2026, 6, 29, 6, 0)
URL = "https://inbox.example/vim"


@pytest.fixture
def busy(marts):
    """Work, alerts, costs, risks and trouble in every segment."""
    for number, (key, name, *_) in enumerate(CUSTOMERS, start=1):
        add(marts, "fct_approvals", request(key, "save_play", role="director" if number == 2 else "csm"))
        add(marts, "fct_alerts", alert(key))
        cost = {"account_key": key, "document": "save_play", "as_of_date": NIGHT, "calls": 1, "calls_without_price": 0, "cost_usd": Decimal("0.11") * number}
        add(marts, "fct_llm_costs", cost | {"drafts": number, "drafts_held": 1})
        add(
            marts,
            "fct_risks",
            {"account_key": key, "account_name": name, "as_of_date": NIGHT, "rule_id": f"RULE_{key}", "severity": "high", "risk_status": "open"},
        )
        add(
            marts, "fct_phase_transitions", {"account_key": key, "account_name": name, "as_of_date": NIGHT, "region": f"watch {key}", "change": "opened"}
        )  # fmt: skip
    quality = {"as_of_date": NIGHT, "status": "warn"}
    add(
        marts, "fct_data_quality", quality | {"entity": "usage_event", "metric": "quarantined", "detail": "future_timestamp", "value": 318.0},
        quality | {"entity": "ticket", "metric": "as_of_assumed", "detail": "all", "value": 1.0},
    )  # fmt: skip
    with marts.session() as session:
        session.execute("update marts.fct_account_signals set hold_reason = 'held for ' || account_key where as_of_date = ?", [NIGHT])
    return marts


def read(warehouse, *segments):
    with warehouse.session(read_only=True) as session:
        return read_figures(session, segments=segments)


def told(night):
    """All that anybody reads of it, of each form."""
    digest = digest_of(night, inbox_url=URL)
    drawn = json.dumps([by_month(night), most_waste(night)])
    return {"text": digest_text(digest), "html": digest_html(digest), "slack": json.dumps(digest_blocks(digest), ensure_ascii=False), "pictures": drawn}


def test_who_answers_for_every_segment_by_name_reads_what_the_whole_portfolio_is(busy):
    """One definition: summed over all accounts, the restricted figures are the portfolio's, down to each change and each line."""
    whole, every = read(busy), read(busy, *ALL)
    for field in fields(whole):
        if field.name not in ("segments", "data_problems", "data_problems_new"):
            assert getattr(whole, field.name) == getattr(every, field.name), field.name
    assert len(whole.changes) > len(CUSTOMERS) and whole.alerts and whole.waiting


def test_the_segments_figures_add_up_to_the_portfolios(busy):
    whole, parts = read(busy), [read(busy, segment) for segment in ALL]
    for id, *_ in FIGURES:
        for value in ("value", "before"):
            assert sum(getattr(part.figure(id), value) or 0 for part in parts) == getattr(whole.figure(id), value), (id, value)


@pytest.mark.parametrize("segment", ALL)
def test_a_limited_directors_digest_holds_no_account_name_or_sum_of_another_segment(busy, segment):
    own, whole = read(busy, segment), read(busy)
    others = [row for row in CUSTOMERS if row[2] != segment]
    foreign = [word for key, name, other, csm, *_ in others for word in (key, name, name.replace("&", "&amp;"), other)]
    foreign += {row[3] for row in others} - {row[3] for row in CUSTOMERS if row[2] == segment}
    foreign += ["318", "future_timestamp"]  # counted over all accounts
    sums = {figure.text() for figure in whole.figures if figure.kind in ("money", "usd")} - {figure.text() for figure in own.figures}
    for form, text in told(own).items():
        assert [word for word in [*foreign, *sums] if word in text] == [], form
    seen = told(own)
    assert all(key in seen["text"] and name in seen["text"] for key, name, other, *_ in CUSTOMERS if other == segment), "what is his is told"
    assert own.verdict().startswith(f"{segment}: ") and "ticket" in " ".join(own.data_problems)
    assert LEFT_OUT in seen["text"] and all(f"Of the segment {segment} alone" in seen[form] for form in ("text", "html", "slack"))
    foreign_in_whole = [word for word in foreign if word in told(whole)["text"]]
    assert len(foreign_in_whole) >= len(others), "the same words are in the portfolio's digest"


def test_an_account_without_a_segment_is_nobodys_who_is_limited(marts):
    with marts.session() as session:
        session.execute("update marts.fct_account_signals set segment = null where account_key = 'ACC-4' and as_of_date = ?", [NIGHT])
    assert read(marts, "smb").figure("accounts").value == 1 and read(marts).figure("accounts").value == 5


def test_an_account_that_moved_is_told_to_whom_it_belongs_now(marts):
    """Its figures of the night before move with it: else its arrival would read as a loss somewhere and a gain elsewhere."""
    with marts.session() as session:
        session.execute("update marts.fct_account_signals set segment = 'smb' where account_key = 'ACC-1' and as_of_date = ?", [NIGHT])
    assert read(marts, "enterprise").figure("accounts").value == 0 and read(marts, "enterprise").figure("accounts").before == 0
    assert (read(marts, "smb").figure("accounts").value, read(marts, "smb").figure("accounts").before) == (3, 3)


def test_an_account_that_is_gone_is_missed_where_it_was(marts):
    with marts.session() as session:
        session.execute("delete from marts.fct_account_signals where account_key = 'ACC-4' and as_of_date = ?", [NIGHT])
    assert (read(marts, "smb").figure("accounts").value, read(marts, "smb").figure("accounts").before) == (1, 2)


def test_a_segment_without_accounts_has_none_and_not_the_portfolio(marts):
    found = read(marts, "public_sector")
    assert found.figure("accounts").value == 0 and found.figure("waste_annual").value == 0 and found.renewals == () and found.previous == BEFORE


def send(store, settings, warehouse, **more):
    people = list_people(store)
    with warehouse.session(read_only=True) as session:
        nights = read_nights(session, limits(people, load_policy()))
    return nights, send_digest(store, settings, nights, people, now=NOW, **more)


def test_each_director_is_sent_what_is_his(store, settings, busy, mailbox, slack):
    nights, report = send(store, settings, busy)
    assert report.delivery.sent == 6 and set(nights.of_segments) == {("smb",)}
    subjects = {mail["To"].partition("<")[2].rstrip(">"): mail["Subject"] for mail in mailbox.mails}
    assert subjects["dora@vendor.example"] == f"2026-06-28: {nights.whole.verdict()}"
    assert subjects["simon@vendor.example"] == f"2026-06-28: {nights.of(['smb']).verdict()}" != subjects["dora@vendor.example"]
    [his] = [mail for mail in mailbox.mails if "simon" in mail["To"]]
    posted = json.dumps([one["blocks"] for one in slack.messages("D0SIMON")])
    for text in (his.get_payload()[0].get_payload(decode=True).decode(), posted):
        assert "Dune Energy" in text and "Alder Media" not in text and "ACC-1" not in text
    assert send(store, settings, busy)[1].delivery.sent == 0


def test_who_has_nothing_to_be_told_of_is_left_in_peace(store, settings, marts, mailbox):
    """Briar & Sons turned yellow, in another segment."""
    _, report = send(store, settings.model_copy(update={"slack_bot_token": None}), marts)
    assert sorted(mailbox.recipients) == ["dora@vendor.example", "elif@vendor.example"]
    assert report.skipped == ("simon is not told: nothing changed in smb",)


def test_a_limited_directors_address_in_the_settings_lifts_no_limit(store, settings, busy, mailbox):
    named = settings.model_copy(update={"digest_to": "Simon@vendor.example", "slack_bot_token": None})
    nights, _ = send(store, named, busy)
    his = [mail["Subject"] for mail in mailbox.mails if "simon" in mail["To"].casefold()]
    assert his == [f"2026-06-28: {nights.of(['smb']).verdict()}"]


def test_a_limit_that_was_not_read_gets_nothing_rather_than_the_portfolio(busy):
    with busy.session(read_only=True) as session:
        nights = read_nights(session, [("smb",), (), ("smb",)])
    assert set(nights.of_segments) == {("smb",)} and nights.of(()) is nights.whole
    with pytest.raises(KeyError):
        nights.of(("enterprise",))


def test_the_night_of_a_week_ago_is_compared_within_the_segments(marts_week):
    lines = {line.account_key: line for line in read(marts_week, "enterprise").renewals}
    assert set(lines) == {"ACC-1"} and lines["ACC-1"].band_week == "yellow" and lines["ACC-1"].opt_out_date == NIGHT + timedelta(days=20)


@pytest.fixture
def marts_week(tmp_path):
    from small_marts import fill, make_marts

    return fill(make_marts(tmp_path / "week.duckdb"))
