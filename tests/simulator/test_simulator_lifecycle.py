"""What the lifecycle is judged by is there, tells one story, and the planted neglect stands in the rows and nowhere else."""

from __future__ import annotations

import json
from datetime import date, datetime, timedelta
from typing import Any

import pandas as pd
import pytest

from vim_pipelines.sandbox.simulator import Parameters, Simulation, simulate
from vim_pipelines.sandbox.simulator.lifecycle_truth import STRUCTURED
from vim_pipelines.sandbox.simulator.paper import conflict_of, papers_of
from vim_pipelines.sandbox.simulator.plan import roles
from vim_pipelines.sandbox.simulator.profile import Profile, draw_profile
from vim_pipelines.sandbox.simulator.story import with_story

TODAY = date(2026, 6, 29)


@pytest.fixture(scope="module")
def world() -> Simulation:
    return simulate(seed=7, accounts=120, weeks=40)


@pytest.fixture(scope="module")
def told() -> dict[str, list[Profile]]:
    """Profiles by story, of several portfolios: profiles are drawn without simulating anything."""
    found: dict[str, list[Profile]] = {}
    for seed in range(4):
        parameters = Parameters(seed=seed)
        for role in roles(parameters):
            profile = with_story(parameters, draw_profile(parameters, role))
            if profile.story is not None:
                found.setdefault(profile.story.kind, []).append(profile)
    return found


def newest(world: Simulation, table: str, key: str) -> pd.DataFrame:
    frame = world.tables[table]
    frame = frame[frame.modified_at < datetime(2026, 6, 29)]
    return frame.sort_values([key, "modified_at"]).drop_duplicates(key, keep="last")


def test_every_story_is_told_and_only_of_ordinary_accounts(told: dict[str, list[Profile]]):
    assert set(told) == {
        "escalation_open", "crm_gap", "paper_conflict", "follow_ups_late", "churned", "sponsor_replaced", "new_product", "ebr_overdue", "renewal_late",
    }  # fmt: skip
    assert {profile.role.kind for profiles in told.values() for profile in profiles} == {"ordinary"}


def test_a_churned_customer_gave_notice_and_nothing_runs_on(told: dict[str, list[Profile]]):
    for profile in told["churned"]:
        assert profile.active_lines(TODAY) == []
        last = max(line.end for line in profile.lines)
        ended = [line for line in profile.lines if line.end == last]
        assert all(line.status == "terminated" and line.served_on is not None and line.served_on < line.end for line in ended)
        assert all(end <= last for adoption in profile.adoption for _, end in adoption.spans)


def test_a_further_product_is_used_and_the_older_ones_as_before():
    bought = 0
    for seed in range(4):
        parameters = Parameters(seed=seed)
        for role in roles(parameters):
            before = draw_profile(parameters, role)
            after = with_story(parameters, before)
            if after.tells("new_product"):
                assert after.lines[:-1] == before.lines and after.adoption[:-1] == before.adoption
                assert after.lines[-1].product not in {line.product for line in before.lines}
                bought += 1
    assert bought >= 4


def test_a_planted_contradiction_stands_in_the_newest_signed_paper_only(told: dict[str, list[Profile]]):
    for profile in told["paper_conflict"]:
        conflict = conflict_of(profile, TODAY)
        assert conflict is not None
        field, crm, said = conflict
        assert field in ("notice_days", "seats", "auto_renew") and crm != said
        plain = [paper for paper in papers_of(profile, TODAY) if paper.start <= TODAY]
        by_start = {line.start: line for line in reversed(profile.lines)}
        assert all(paper.lines[0].seats == by_start[paper.start].seats and paper.notice_days == by_start[paper.start].notice_days for paper in plain[:-1])


def test_contracts_say_in_words_what_the_crm_says(world: Simulation):
    """Each agreement names the last day of its lines and their seats; four hands write dates in three ways."""
    documents = newest(world, "documents", "document_key")
    papers = documents[(documents.document_kind == "contract") & documents.document_key.str.contains("-C")]
    lines = newest(world, "contract_lines", "contract_line_key")
    checked = 0
    for paper in papers.itertuples():
        begun = lines[(lines.account_key == paper.account_key) & (lines.start_date == paper.authored_on + timedelta(days=1))]
        for line in begun.itertuples():
            end = line.end_date
            names = (end.isoformat(), f"{end.day} {end:%B} {end.year}", f"{end:%B} {end.day}, {end.year}")
            assert any(name in paper.body for name in names), paper.document_key
            checked += 1
    assert checked > 100
    assert papers.body.str.startswith("SUBSCRIPTION AGREEMENT").any() and papers.body.str.startswith("ORDER FORM").any()
    assert papers.body.str.startswith("CONTRACT FOR").any() and papers.body.str.contains("Dear ").any()


def test_a_follow_up_is_created_on_the_day_of_a_held_meeting_and_completed_after(world: Simulation):
    tasks, meetings = newest(world, "tasks", "task_key"), newest(world, "meetings", "meeting_key").set_index("meeting_key")
    follow_ups = tasks[tasks.task_kind == "follow_up"]
    held = meetings.loc[follow_ups.meeting_key]
    assert len(follow_ups) > 300 and (held.status == "held").all()
    assert (held.held_at.dt.date.to_numpy() == follow_ups.created_on.to_numpy()).all()
    done = tasks[tasks.completed_on.notna()]
    assert (done.completed_on >= done.created_on).all() and (done.status == "done").all()
    late = follow_ups[(follow_ups.status == "open") & (follow_ups.due_date < TODAY - timedelta(days=1))]
    assert 0 < late.account_key.nunique() < follow_ups.account_key.nunique()


def test_the_last_contact_is_the_last_meeting_the_person_sat_in(world: Simulation):
    contacts, meetings = newest(world, "contacts", "contact_key"), newest(world, "meetings", "meeting_key")
    customer = meetings[(meetings.status == "held") & meetings.meeting_kind.isin(["kickoff", "cadence", "ebr"])]
    last = customer.groupby("account_key").held_at.max().dt.date
    champions = contacts[(contacts.role == "champion") & contacts.last_contacted_on.notna()]
    assert len(champions) > 80
    assert all(row.last_contacted_on == last[row.account_key] for row in champions.itertuples())
    assert contacts.relationship_strength.between(1, 5).all()
    gone = contacts[contacts.left_on.notna() & contacts.last_contacted_on.notna()]
    assert (gone.last_contacted_on <= gone.left_on).all()


def test_clean_accounts_lack_nothing_that_holds_a_gate(world: Simulation):
    """A twin that is blocked by a record nobody planted would count as a false alarm of an audit that is right."""
    truth = world.lifecycle_truth
    twins = set(world.ground_truth[world.ground_truth.truth.isin(["clean_twin", "headline"])].account_key)
    held = truth[(truth.kind == "requirement") & (truth.expected == "unmet") & truth.account_key.isin(twins)]
    # Young twins have no first value and no outcome yet, and a renewal or a reference comes when it comes.
    assert set(held.name) <= {"p4_fttv", "p8_value_quantified", "p8_ebr", "p9_early_renewal", "p10_reference"}
    wrong = truth[(truth.kind.isin(["handoff_field", "neglect"])) & truth.expected.isin(["missing", "unmet"]) & truth.account_key.isin(twins)]
    assert wrong.empty


def test_what_the_truth_calls_missing_is_in_no_row(world: Simulation):
    """Counted anew from the tables: sponsors by role, kickoffs by meeting, notice periods by line."""
    truth = world.lifecycle_truth
    assert set(truth[truth.kind == "requirement"].name) == set(STRUCTURED)

    def unmet(name: str) -> set[str]:
        return set(truth[(truth.name == name) & (truth.expected == "unmet")].account_key)

    contacts, meetings = newest(world, "contacts", "contact_key"), newest(world, "meetings", "meeting_key")
    with_kickoff = set(meetings[(meetings.meeting_kind == "kickoff") & (meetings.status == "held")].account_key)
    assert unmet("p3_kickoff") and not unmet("p3_kickoff") & with_kickoff
    active = contacts[contacts.is_active.astype(bool)]
    with_both = set(active[active.role == "sponsor"].account_key) & set(active[active.role == "champion"].account_key)
    assert unmet("p2_champion_alignment") and not unmet("p2_champion_alignment") & with_both
    gaps = truth[(truth.kind == "handoff_field") & (truth.name == "sla_tier") & (truth.expected == "missing")].account_key
    lines = newest(world, "contract_lines", "contract_line_key")
    assert len(gaps) and lines[lines.account_key.isin(gaps)].sla_tier.isna().all()


def test_phases_of_the_truth_are_explained(world: Simulation):
    phases = world.lifecycle_truth.query("kind == 'phase'")
    assert {"1", "3", "4", "8", "11"} <= set(phases.expected)
    for row in phases.itertuples():
        details: dict[str, Any] = json.loads(row.parameters)
        assert row.expected in ("10", "11") or details["blocked_by"].startswith(f"p{row.expected}_")
