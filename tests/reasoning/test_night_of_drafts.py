"""A night's drafts from the marts: what is written, held, reused and cut, and that a dead process pays for nothing twice."""

import os
import signal
import subprocess
import sys
import time
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from pydantic import SecretStr
from reasoning_cases import AS_OF, NOW
from sqlalchemy import delete, func, select

from vim_pipelines.core.errors import VimError
from vim_pipelines.reasoning.providers.make import make_drafter
from vim_pipelines.reasoning.run import redraft, write_drafts
from vim_pipelines.sandbox.claude_emulator import Fault
from vim_pipelines.store import open_store
from vim_pipelines.store.models import Draft, LlmCall

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def night(marts, store, settings, as_of=AS_OF, **options):
    return write_drafts(marts.warehouse, store, settings, as_of, NOW + (as_of - AS_OF), **options)


def drafts(store, **where):
    with store.session() as session:
        return list(session.scalars(select(Draft).filter_by(**where).order_by(Draft.account_key, Draft.document, Draft.version)))


def test_the_headline_night(marts, store, settings):
    marts.put(tickets=3)
    report = night(marts, store, settings)
    assert (report.written, report.held, report.reused, len(report.cut), report.cost_usd) == (3, 0, 0, 0, Decimal(0))
    plan, risk_plan, roadmap = drafts(store)
    assert [row.document for row in (plan, risk_plan, roadmap)] == ["license_optimization_plan", "risk_mitigation_plan", "value_realization_roadmap"]
    assert "$45,000" in plan.rendered_text and "$43,500" in plan.rendered_text and "23 February 2027" in roadmap.rendered_text
    assert "$" not in roadmap.rendered_text and roadmap.audience == "customer"
    assert plan.version == 1 and plan.status == "written" and plan.written_by == "offline" and plan.model is None
    assert {row["handle"]: row["shown"] for row in plan.facts}["F12"] == "150 seats"


def test_a_night_with_claude_and_its_repetition_on_both_stores(marts, claude_settings, claude, store_url):
    """The ledger and the drafts in SQLite and in PostgreSQL."""
    settings = claude_settings.model_copy(update={"store_url": store_url})
    store = open_store(settings)
    try:
        marts.put()
        assert night(marts, store, settings).outcomes == {"ok": 3}
        assert (night(marts, store, settings).reused, len(claude.journal)) == (3, 3)
        with store.session() as session:
            session.execute(delete(Draft))
        again = night(marts, store, settings)
        assert again.outcomes == {"reused": 3} and len(claude.journal) == 3 and again.cost_usd > 0
    finally:
        store.engine.dispose()


def test_evidence_goes_with_the_draft_at_most_fifty_rows_and_only_for_facts_it_may_see(marts, store, settings):
    marts.put(tickets=70)
    night(marts, store, settings)
    plan, risk_plan, roadmap = drafts(store)
    tickets = [entry for entry in risk_plan.evidence if entry["source_table"] == "base.stg_support__tickets"]
    assert len(tickets) == 1 and len(tickets[0]["rows"]) == 50 and set(tickets[0]["fact_ids"]) == {"F22", "F23"}
    assert tickets[0]["rows"][0]["ticket_key"] == "ACC-HEADLINE-000"  # the newest first
    assert not any(entry["source_table"] == "base.stg_support__tickets" for entry in plan.evidence + roadmap.evidence)
    assert {row["rule_id"] for entry in risk_plan.evidence if entry["source_table"] == "marts.fct_risks" for row in entry["rows"]} == {"MUDA_SHELFWARE"}


def test_the_same_night_twice_writes_nothing_the_second_time(marts, store, settings):
    marts.put()
    night(marts, store, settings)
    before = [(row.draft_id, row.rendered_sha256) for row in drafts(store)]
    report = night(marts, store, settings)
    assert (report.written, report.reused) == (0, 3) and [(row.draft_id, row.rendered_sha256) for row in drafts(store)] == before


def test_noise_the_next_day_is_no_news_and_a_change_is_a_new_version(marts, store, settings):
    marts.put()
    night(marts, store, settings)
    marts.put(as_of=AS_OF + timedelta(days=1), active_users_28d=51, unused_seats=149, unused_value_annual=44700)
    assert night(marts, store, settings, AS_OF + timedelta(days=1)).reused == 3
    marts.put(as_of=AS_OF + timedelta(days=2), active_users_28d=90, unused_seats=110, unused_value_annual=33000, utilization_28d="0.45")
    assert night(marts, store, settings, AS_OF + timedelta(days=2)).written == 3
    assert [row.version for row in drafts(store, document="license_optimization_plan")] == [1, 2]


def test_only_the_newest_as_of_date_may_be_drafted(marts, store, settings):
    marts.put()
    marts.put(as_of=AS_OF + timedelta(days=1))
    with pytest.raises(VimError, match="VIM-E033"):
        night(marts, store, settings)
    assert drafts(store) == []


def test_no_marts_for_the_date_is_said(marts, store, settings):
    with pytest.raises(VimError, match="VIM-E024"):
        night(marts, store, settings)


def test_a_healthy_account_gets_nothing(marts, store, settings):
    marts.put(risks=())
    report = night(marts, store, settings)
    assert report.written == 0 and drafts(store) == []


def test_what_the_week_has_no_room_for_is_listed_and_comes_when_there_is_room(marts, store, settings):
    settings = settings.model_copy(update={"weekly_capacity": 4})
    for number in range(4):
        marts.put(f"ACC-{number}", f"Customer {number}", risks=(("MUDA_SHELFWARE", "medium"),), waste_annual=10000 * (number + 1))
    report = night(marts, store, settings)
    assert report.written == 4 and len(report.cut) == 4 and all(item.is_cut for item in report.cut)
    drafted, cut = ({(row.account_key, row.document) for row in rows} for rows in (drafts(store), report.cut))
    assert not drafted & cut and len(drafted | cut) == 8
    again = night(marts, store, settings)
    assert (again.written, again.reused, len(again.cut)) == (0, 4, 4)
    for number in range(4):
        marts.put(
            f"ACC-{number}", f"Customer {number}", as_of=AS_OF + timedelta(days=7), risks=(("MUDA_SHELFWARE", "medium"),), waste_annual=10000 * (number + 1)
        )
    later = night(marts, store, settings, AS_OF + timedelta(days=7))
    assert (later.written, later.reused, len(later.cut)) == (4, 4, 0)


def test_a_run_for_some_accounts_leaves_the_others_alone(marts, store, settings):
    marts.put("ACC-1", "First")
    marts.put("ACC-2", "Other")
    night(marts, store, settings, accounts=["ACC-2"])
    assert {row.account_key for row in drafts(store)} == {"ACC-2"}


def test_an_account_without_facts_is_named_and_stops_nobody(marts, store, settings):
    marts.put("ACC-1", "First")
    with marts.warehouse.session() as session:
        session.execute("insert into marts.fct_account_signals (account_key, as_of_date, account_name, risk_band) values ('ACC-9', ?, 'Bare', 'red')", [AS_OF])
    report = night(marts, store, settings)
    assert report.written == 3 and report.without_facts == ["ACC-9"]


def test_a_draft_that_invents_numbers_is_held_with_its_findings_and_the_offline_text_takes_its_place(marts, store, claude_settings, claude):
    """The model lies in the repair too: three drafts are held, three offline ones stand in their place, and the next night asks nobody again."""
    marts.put()
    claude.mode = "liar"
    report = night(marts, store, claude_settings)
    assert (report.written, report.held, report.repaired) == (3, 3, 0) and report.findings["digit"] > 0 and len(claude.journal) == 6
    held, instead = drafts(store, document="license_optimization_plan")
    assert held.status == "held" and held.written_by == "claude" and {"gate", "stage", "what", "where"} == set(held.gate_findings[0])
    assert held.structured["repaired_findings"] and "held the model's text back" in instead.structured["source_reason"]
    assert (instead.status, instead.written_by, instead.version, instead.draft_key) == ("written", "offline", 2, held.draft_key)
    again = night(marts, store, claude_settings)
    assert (again.reused, again.written, again.held, len(claude.journal)) == (3, 0, 0, 6)
    with store.session() as session:
        assert sorted(session.scalars(select(LlmCall.purpose))) == ["draft"] * 3 + ["repair"] * 3


def test_a_repair_that_holds_is_the_draft_and_says_what_was_repaired(marts, store, claude_settings, claude):
    marts.put(risks=(("SILENCE", "high"),))  # one document
    claude.mode = "liar"
    told = []

    def lies_once(request):
        told.append(request)
        claude.mode = "good"

    report = night(marts, store, claude_settings, drafter=Watched(make_drafter(claude_settings, store, AS_OF, NOW), lies_once))
    [draft] = drafts(store)
    assert (report.written, report.held, report.repaired) == (1, 0, 1)
    assert draft.written_by == "claude" and draft.version == 1 and draft.structured["repaired_findings"]
    assert told[0].purpose == "repair" and told[0].draft_key != draft.draft_key
    message = claude.journal[-1]["body"]["messages"][0]["content"]
    assert "<findings>" in message and "digit" in message and "<held_answer>" in message


class Watched:
    """A drafter whose repairs somebody hears of before they are asked for."""

    def __init__(self, writer, before_repair):
        self.writer, self.before_repair = writer, before_repair

    def model_for(self, playbook):
        return self.writer.model_for(playbook)

    async def draft(self, request):
        if request.purpose == "repair":
            self.before_repair(request)
        return await self.writer.draft(request)

    async def aclose(self):
        await self.writer.aclose()


def test_a_refusal_is_written_offline_and_says_so_in_internal_documents_only(marts, store, claude_settings, claude):
    marts.put()
    claude.faults.append(Fault("refusal", times=9))
    report = night(marts, store, claude_settings)
    assert report.written == 3 and report.outcomes["refusal"] == 3 and sum(report.reasons.values()) == 3
    plan, _, roadmap = drafts(store)
    assert "Claude refused to write this document." in plan.rendered_text and "Claude refused" not in roadmap.rendered_text
    assert plan.structured["source_reason"] == "Claude refused to write this document" and plan.cost_usd > 0


def test_the_warehouse_is_closed_while_a_model_is_called(marts, store, settings):
    """DuckDB lets one process in: a connection held over a slow call locks everybody out."""
    import duckdb

    marts.put()
    opened = []

    class Watching:
        def model_for(self, playbook):
            return "watching"

        async def draft(self, request):
            from vim_pipelines.reasoning.providers.offline import offline_result

            with duckdb.connect(str(marts.warehouse.path)) as connection:  # fails if the night still held it in another mode
                opened.append(connection.execute("select 1").fetchone())
            return offline_result(request)

        async def aclose(self):
            pass

    night(marts, store, settings, drafter=Watching())
    assert opened == [(1,)] * 3


def test_claude_without_a_key_names_the_setting(marts, store, settings):
    marts.put()
    with pytest.raises(VimError, match="ANTHROPIC_API_KEY"):
        night(marts, store, settings.model_copy(update={"drafter": "claude"}))


def test_a_note_gives_the_next_version_from_the_stored_facts(marts, store, settings):
    marts.put()
    night(marts, store, settings)
    plan = drafts(store, document="license_optimization_plan")[0]
    marts.warehouse.path.unlink()
    new_id = redraft(store, settings, plan.draft_id, "Leave out the trend, it confuses.", NOW)
    assert redraft(store, settings, plan.draft_id, "Leave out the trend, it confuses.", NOW) == new_id
    new = drafts(store, draft_id=new_id)[0]
    assert (new.version, new.status, new.feedback) == (2, "written", "Leave out the trend, it confuses.")
    assert "Week by week" in plan.rendered_text and "Week by week" not in new.rendered_text
    assert "> Leave out the trend" in new.rendered_text and new.facts == plan.facts and new.evidence == plan.evidence


def test_after_a_replan_the_next_night_adds_nothing_of_its_own(marts, store, settings):
    """The reviewer asked for a change; an unchanged night must not bring the old text back as version 3."""
    marts.put()
    night(marts, store, settings)
    redraft(store, settings, drafts(store, document="license_optimization_plan")[0].draft_id, "shorter", NOW)
    marts.put(as_of=AS_OF + timedelta(days=1))
    assert night(marts, store, settings, AS_OF + timedelta(days=1)).reused == 3


def test_a_note_that_the_offline_drafter_cannot_follow_holds_a_customers_document(marts, store, settings):
    marts.put()
    night(marts, store, settings)
    roadmap = drafts(store, document="value_realization_roadmap")[0]
    new = drafts(store, draft_id=redraft(store, settings, roadmap.draft_id, "Mention their move to the new office.", NOW))[0]
    assert new.status == "held" and new.gate_findings[0]["gate"] == "feedback" and "office" not in new.rendered_text


def test_claude_sees_the_note_and_the_last_version(marts, store, claude_settings, claude):
    marts.put()
    night(marts, store, claude_settings)
    roadmap = drafts(store, document="value_realization_roadmap")[0]
    new = drafts(store, draft_id=redraft(store, claude_settings, roadmap.draft_id, "Speak to the sponsor first.", NOW))[0]
    message = claude.journal[-1]["body"]["messages"][0]["content"]
    assert "Speak to the sponsor first." in message and roadmap.rendered_text[:40] in message
    assert new.version == 2 and new.status == "written" and "Speak to the sponsor" not in new.rendered_text


def test_an_unknown_draft_cannot_be_drafted_again(store, settings):
    with pytest.raises(VimError, match="VIM-E040"):
        redraft(store, settings, "nothing", "note", NOW)


CHILD = """
import sys
from pathlib import Path
from datetime import date, datetime
from pydantic import SecretStr
from vim_pipelines.reasoning import drafting
from vim_pipelines.reasoning.providers.make import make_drafter
from vim_pipelines.reasoning.run import write_drafts
from vim_pipelines.settings import Settings
from vim_pipelines.store import open_store
from vim_pipelines.warehouse.duckdb import DuckDBWarehouse
home, url, mode = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
settings = Settings(home=home, anthropic_api_key=SecretStr("k"), anthropic_base_url=url)
if mode == "before-storing":  # dies after the answer is in the ledger and before the draft is stored
    def hang(*_arguments, **_options):
        Path(sys.argv[4]).write_text("ready")
        import time
        time.sleep(60)
    drafting.keep_draft = hang
write_drafts(DuckDBWarehouse(home / "warehouse.duckdb"), open_store(settings), settings, date(2026, 6, 28), datetime(2026, 6, 29, 6), accounts=["ACC-HEADLINE"])
"""


def start_and_kill(home, claude, mode, is_ready):
    child = subprocess.Popen([sys.executable, "-c", CHILD, str(home), claude.url, mode, str(home / "ready")], cwd=Path(__file__).resolve().parents[2])
    deadline = time.monotonic() + 60
    while not is_ready() and child.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    assert child.poll() is None, "the child ended before it could be killed"
    os.kill(child.pid, signal.SIGKILL)
    assert child.wait(10) == -signal.SIGKILL


def test_a_kill_between_the_answer_and_the_draft_is_not_paid_for_again(marts, store, claude_settings, claude, tmp_path):
    marts.put(risks=(("SILENCE", "high"),))  # one document
    start_and_kill(tmp_path, claude, "before-storing", (tmp_path / "ready").exists)
    assert len(claude.journal) == 1 and drafts(store) == []
    report = night(marts, store, claude_settings)
    assert len(claude.journal) == 1 and report.outcomes == {"reused": 1} and drafts(store)[0].written_by == "claude"


def test_a_kill_during_the_call_leaves_a_row_and_the_next_night_tries_once_more(marts, store, claude_settings, claude, tmp_path):
    marts.put(risks=(("SILENCE", "high"),))
    claude.faults.append(Fault("delay", seconds=20))
    start_and_kill(tmp_path, claude, "calling", lambda: len(claude.journal) == 1)
    with store.session() as session:
        assert session.scalars(select(LlmCall.status)).all() == ["started"]
    report = night(marts, store, claude_settings)
    with store.session() as session:
        assert session.scalars(select(LlmCall.status).order_by(LlmCall.attempt)).all() == ["error", "ok"]
        assert session.scalar(select(func.count()).select_from(Draft)) == 1
    assert report.outcomes == {"ok": 1}


def test_a_secret_is_never_stored(marts, store, claude_settings, claude):
    marts.put()
    night(marts, store, claude_settings.model_copy(update={"anthropic_api_key": SecretStr("revoked")}))
    with store.session() as session:
        rows = session.scalars(select(LlmCall)).all()
        assert rows and all("revoked" not in str(vars(row)) for row in rows)
        assert {row.status for row in rows} == {"error"}
