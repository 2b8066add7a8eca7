"""The figures of a night against marts whose sums fit on paper."""

from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from small_marts import BEFORE, NIGHT, WEEK_AGO, add, alert, request

from vim_pipelines.core.errors import VimError
from vim_pipelines.reporting.figures import TO_WRITE, figure_sql, read_figures


def read(warehouse, night=None):
    with warehouse.session(read_only=True) as session:
        return read_figures(session, night)


def test_every_figure_is_the_sum_of_the_rows_that_its_query_lists(marts):
    """A number that links to rows which add up to something else is worse than no link."""
    add(
        marts,
        "fct_llm_costs",
        {
            "account_key": "ACC-1",
            "document": "save_play",
            "as_of_date": NIGHT,
            "calls": 2,
            "calls_without_price": 0,
            "cost_usd": Decimal("0.25"),
            "drafts": 1,
            "drafts_held": 1,
        },
    )
    found = read(marts)
    with marts.session(read_only=True) as session:
        for figure in found.figures:
            parts = [row["part"] for row in session.rows(figure_sql(figure.id, found.as_of_date)) if row["part"] is not None]
            assert sum(parts) == figure.value, figure.id
            assert figure.value, figure.id
    texts = {figure.id: figure.text() for figure in found.figures}
    assert texts == {
        "accounts": "5", "waste_annual": "$42,000.50", "unused_value_annual": "$48,900.50", "accounts_red": "1", "accounts_yellow": "1", "accounts_unknown": "1",
        "arr_at_risk": "$120,000", "opt_out_value": "$198,000", "tickets_open": "10", "drafts": "1", "drafts_held": "1", "cost_usd": "$0.25",
    }  # fmt: skip


def test_what_is_not_known_is_said_beside_the_sum_and_never_counted_as_nothing(marts):
    with marts.session() as session:
        session.execute("update marts.fct_renewals set line_value_annual_portfolio = null where account_key = 'ACC-1'")
        session.execute("update marts.fct_portfolio_daily set waste_annual = null where as_of_date = ?", [NIGHT])
    found = read(marts)
    assert found.figure("arr_at_risk").text() == "unknown"  # the only red account's value
    assert found.figure("opt_out_value").value == Decimal(78_000) and "1 contract line " in found.figure("opt_out_value").note
    assert found.figure("waste_annual").text() == "unknown" and "1 account " in found.figure("waste_annual").note
    assert found.figure("waste_annual").change is None and found.figure("waste_annual").change_text() == ""
    assert next(line for line in found.renewals if line.account_key == "ACC-1").value_annual is None


def test_a_call_without_a_price_makes_the_cost_unknown(marts):
    add(
        marts,
        "fct_llm_costs",
        {
            "account_key": "ACC-1",
            "document": "save_play",
            "as_of_date": NIGHT,
            "calls": 1,
            "calls_without_price": 1,
            "cost_usd": None,
            "drafts": 1,
            "drafts_held": 0,
        },
    )
    assert read(marts).figure("cost_usd").text() == "unknown"


def test_the_opt_out_of_today_is_in_the_table_and_in_its_sum(marts):
    with marts.session() as session:
        session.execute("update marts.fct_renewals set days_to_opt_out = 0 where account_key = 'ACC-4' and as_of_date = ?", [NIGHT])
    found = read(marts)
    assert found.renewals[0].account_key == "ACC-4"
    assert found.figure("opt_out_value").value == sum(line.value_annual for line in found.renewals) == Decimal(207_600)


def test_the_renewals_say_what_a_director_asks(marts):
    add(
        marts,
        "fct_approvals",
        request("ACC-1", "save_play", night=WEEK_AGO),
        request("ACC-1", "training_nudge", state="approved", by="ada", decided=datetime(2026, 6, 29)),
        request("ACC-2", "success_plan", state="rejected"),
    )
    add(marts, "fct_alerts", alert("ACC-3", night=BEFORE))
    lines = {line.account_key: line for line in read(marts).renewals}
    assert list(lines) == ["ACC-1", "ACC-2", "ACC-5", "ACC-3"]  # ACC-4's opt-out lies beyond two quarters
    alder = lines["ACC-1"]
    assert (alder.plan, alder.plan_state, alder.owner) == ("save_play", "pending", "Ada Moss")  # the nudge is newer, and no plan
    assert (alder.value_annual, alder.waste_annual, alder.days_to_opt_out, alder.days_unacknowledged) == (Decimal(120_000), Decimal(30_000), 20, 7)
    assert alder.change_text("USD") == "yellow to red, +21.0 points, +$5,000 waste"
    assert lines["ACC-2"].plan_state == TO_WRITE and lines["ACC-2"].days_unacknowledged is None
    assert lines["ACC-3"].days_unacknowledged == 1 and lines["ACC-3"].change_text("USD") == "no change"
    assert lines["ACC-5"].waste_annual is None and lines["ACC-5"].risk_band == "unknown"


def test_without_a_night_a_week_ago_the_change_is_unknown(marts_of):
    assert {line.change_text("USD") for line in read(marts_of("two_nights")).renewals} == {"unknown"}


def test_changes_name_bands_risks_phases_overlays_and_decisions(marts):
    risk = {"account_name": "Alder Media", "account_key": "ACC-1", "risk_status": "open"}
    add(
        marts,
        "fct_risks",
        risk | {"as_of_date": BEFORE, "rule_id": "MURI_SLA", "severity": "medium"},
        risk | {"as_of_date": NIGHT, "rule_id": "NOTICE_SERVED", "severity": "critical"},
        risk | {"as_of_date": NIGHT, "rule_id": "CHANCE", "severity": "low", "risk_status": "held_back"},
    )
    add(marts, "fct_phase_transitions", {"account_key": "ACC-3", "account_name": "Cedar Health", "as_of_date": NIGHT, "region": "risk", "change": "opened"})
    add(marts, "fct_approvals", request("ACC-4", "save_play", night=BEFORE, state="approved", by="dora", decided=datetime(2026, 6, 29, 8)))
    with marts.session() as session:
        session.execute("update marts.fct_account_state set phase = 5, phase_name = 'Next' where account_key = 'ACC-4' and as_of_date = ?", [NIGHT])
    found = {(change.account_key, change.what, change.before, change.now) for change in read(marts).changes}
    assert found == {
        ("ACC-2", "risk band", "green", "yellow"),
        ("ACC-1", "MURI_SLA", "medium", "none"),
        ("ACC-1", "NOTICE_SERVED", "none", "critical"),
        ("ACC-4", "phase", "Value Activation", "Next"),
        ("ACC-3", "risk", "closed", "open"),
        ("ACC-4", "save play", "pending", "approved"),
    }


def test_who_must_decide_and_for_how_long(marts):
    add(
        marts,
        "fct_approvals",
        request("ACC-1", "save_play", night=WEEK_AGO),
        request("ACC-2", "save_play"),
        request("ACC-1", "risk_mitigation_plan", role="director"),
        request("ACC-3", "success_plan", state="approved", by="ben", decided=datetime(2026, 6, 29)),
    )
    ada, directors = read(marts).waiting
    assert (ada.person, ada.items, ada.value_annual, ada.oldest_days, ada.asked_tonight) == ("Ada Moss", 2, Decimal(168_000), 7, 1)
    assert (directors.person, directors.items, directors.value_annual) == ("director", 1, Decimal(120_000))


def test_a_past_night_is_told_as_it_stood_the_morning_after(marts):
    add(
        marts,
        "fct_approvals",
        request("ACC-1", "save_play", night=WEEK_AGO, state="approved", by="dora", decided=datetime(2026, 6, 25)),
        request("ACC-2", "save_play", night=NIGHT),
    )
    add(marts, "fct_alerts", alert("ACC-3", night=WEEK_AGO, acknowledged=datetime(2026, 6, 27)))
    then = read(marts, WEEK_AGO)
    assert [(one.person, one.items) for one in then.waiting] == [("Ada Moss", 1)] and len(then.alerts) == 1
    assert then.previous is None and then.changes == ()
    now = read(marts)
    assert [(one.person, one.items) for one in now.waiting] == [("Ada Moss", 1)] and now.alerts == ()


def test_a_night_without_news_is_quiet_and_old_trouble_does_not_make_noise(marts):
    stale = {"entity": "ticket", "metric": "freshness_days", "detail": "", "value": 9.0, "status": "stale"}
    add(marts, "fct_data_quality", *[stale | {"as_of_date": night} for night in (BEFORE, NIGHT)])
    assert not read(marts).is_quiet  # Briar & Sons turned yellow
    with marts.session() as session:
        session.execute("update marts.fct_health_scores set previous_band = risk_band")
    quiet = read(marts)
    assert quiet.is_quiet and quiet.data_problems == ("ticket: nothing new for 9 days",) and quiet.data_problems_new == ()
    assert "nothing changed since the night before" in quiet.verdict()
    add(marts, "fct_alerts", alert("ACC-1", night=WEEK_AGO))
    assert read(marts).is_quiet  # raised a week ago
    add(marts, "fct_alerts", alert("ACC-1", "notice_served"))
    assert not read(marts).is_quiet


def test_money_that_moves_by_more_than_its_daily_breath_is_news(marts):
    with marts.session() as session:
        session.execute("update marts.fct_health_scores set previous_band = risk_band")
        session.execute("update marts.fct_portfolio_daily set waste_annual = 43000 where as_of_date = ?", [NIGHT])
    assert read(marts).is_quiet
    with marts.session() as session:
        session.execute("update marts.fct_portfolio_daily set waste_annual = 60000 where as_of_date = ?", [NIGHT])
    assert not read(marts).is_quiet


def test_a_copy_from_before_the_mart_of_alerts_still_reads(marts):
    with marts.session() as session:
        session.execute("drop table marts.fct_alerts")
    assert read(marts).alerts == ()


def test_a_date_that_was_not_audited_is_refused(marts_of):
    with pytest.raises(VimError, match="VIM-E024"):
        read(marts_of("week"), NIGHT + timedelta(days=1))
    with pytest.raises(VimError, match="VIM-E024"):
        read(marts_of("empty"))


def test_each_figure_says_of_itself_what_is_not_in_it(marts):
    """An account in its first month has no right-size gap and unused seats all the same: one note for both figures was wrong for one of them."""
    with marts.session() as session:
        session.execute("update marts.fct_account_signals set waste_annual = null, money_status = 'insufficient' where account_key = 'ACC-4'")
        session.execute("update marts.fct_account_signals set tickets_open = null where account_key in ('ACC-1', 'ACC-2')")
        session.execute("update marts.fct_portfolio_daily set accounts_money_measured = 3")
    with marts.session(read_only=True) as session:
        night = read_figures(session)
        for figure in night.figures:
            missing = sum(row["part"] is None for row in session.rows(figure_sql(figure.id, night.as_of_date)))
            said = int(figure.note.split()[1]) if figure.note else 0
            assert said == missing, figure.id
    assert night.figure("waste_annual").note == "without 2 accounts whose amount is not known"
    assert night.figure("unused_value_annual").note == "without 1 account whose amount is not known"
    assert night.figure("tickets_open").note.endswith("accounts whose tickets are not known")
