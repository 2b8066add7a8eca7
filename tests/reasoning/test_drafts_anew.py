"""A further version because a person asked for it: the same facts, another key, and a night after it that has nothing to add."""

import pytest
from reasoning_cases import AS_OF, NOW
from sqlalchemy import select

from vim_pipelines.reasoning.run import key_anew, write_drafts
from vim_pipelines.store.models import Draft

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def night(marts, store, settings, **options):
    return write_drafts(marts.warehouse, store, settings, AS_OF, NOW, **options)


def versions(store, document="risk_mitigation_plan"):
    with store.session() as session:
        return list(session.scalars(select(Draft).where(Draft.document == document).order_by(Draft.version)))


def test_anew_writes_a_version_on_the_same_facts_and_the_next_night_leaves_it(marts, store, settings):
    """The first night after a rerun must not take the version for one whose facts have changed, and write it a third time."""
    marts.put()
    night(marts, store, settings)
    assert night(marts, store, settings, accounts=["ACC-HEADLINE"], anew=True).written == 3
    first, second = versions(store)
    assert (first.version, second.version) == (1, 2)
    assert second.draft_key == key_anew(first.draft_id) != first.draft_key
    assert (again := night(marts, store, settings)).written == 0 and again.reused == 3
    night(marts, store, settings, accounts=["ACC-HEADLINE"], anew=True)
    assert [row.version for row in versions(store)] == [1, 2, 3] and len({row.draft_key for row in versions(store)}) == 3
    assert night(marts, store, settings).reused == 3


def test_anew_concerns_the_account_alone_and_changed_facts_keep_the_key_of_the_night(marts, store, settings):
    marts.put()
    marts.put("ACC-2", "Other Works")
    night(marts, store, settings)
    before = {row.draft_id for row in versions(store)}
    report = night(marts, store, settings, accounts=["ACC-2"], anew=True)
    assert report.written == 3
    assert {row.account_key for row in versions(store) if row.draft_id not in before} == {"ACC-2"}
    nightly = night(marts, store, settings, accounts=["ACC-2"])
    assert (nightly.written, nightly.reused) == (0, 3)


def test_anew_is_not_stopped_by_the_weeks_capacity(marts, store, settings):
    """It answers a person; the capacity is there so that the night does not ask for more than people can read."""
    marts.put()
    tight = settings.model_copy(update={"weekly_capacity": 1})
    assert (report := night(marts, store, tight)).written == 1 and len(report.cut) == 2
    assert night(marts, store, tight, accounts=["ACC-HEADLINE"], anew=True).written == 3


def test_a_model_is_called_again_and_is_paid_for_once(marts, claude_settings, claude, store):
    """With the key of the night the ledger would hand out the answer that nobody wanted."""
    marts.put()
    night(marts, store, claude_settings)
    night(marts, store, claude_settings, accounts=["ACC-HEADLINE"], anew=True)
    assert len(claude.journal) == 6
    night(marts, store, claude_settings)
    assert len(claude.journal) == 6
