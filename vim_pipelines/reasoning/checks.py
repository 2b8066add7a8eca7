"""Evidence behind the drafts, in Dagster."""

import dagster as dg

from vim_pipelines.check_results import result_of
from vim_pipelines.schedule import as_of_date


@dg.asset_check(
    asset=["ops", "drafts"],
    name="evidence_is_complete",
    description="Every fact of every draft of the night names the table or the rows that it comes from, so that a reader can check each sentence.",
    required_resource_keys={"store"},
)
def evidence_is_complete(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
    """Read the night's drafts from the ledger and count the facts without a source."""
    from sqlalchemy import select

    from vim_pipelines.reasoning.evidence_coverage import evidence_verdict
    from vim_pipelines.store.models import Draft

    columns = (Draft.draft_id, Draft.account_key, Draft.document, Draft.facts, Draft.evidence)
    with context.resources.store.reading() as session:
        rows = session.execute(select(*columns).where(Draft.as_of_date == as_of_date(context)).order_by(Draft.account_key)).mappings().all()
    return result_of(evidence_verdict(rows))
