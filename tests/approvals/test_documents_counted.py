"""What the night's summary says of its drafts."""

from datetime import timedelta

from approval_drafts import AS_OF, make_draft

from vim_pipelines.reporting.summary import count_documents


def test_a_document_that_a_gate_held_counts_once_as_it_stands(store):
    """A model's text held back and the offline drafter's in its place were two drafts in the summary, and two held ones where both were held."""
    make_draft(store, account="A", version=1, status="held", facts="a")
    make_draft(store, account="A", version=2, status="written", facts="b")
    make_draft(store, account="B", version=1, status="held", facts="c")
    make_draft(store, account="B", version=2, status="held", facts="d")
    make_draft(store, account="C", version=1)
    make_draft(store, account="C", document="escalation_brief", version=1, as_of=AS_OF - timedelta(days=1))
    with store.session() as session:
        assert count_documents(session, AS_OF) == {"written": 2, "held": 1}
