"""Coverage of the signals in Dagster, asked where the night's marts stand."""

import dagster as dg

from vim_pipelines.check_results import result_of
from vim_pipelines.schedule import as_of_date


@dg.asset_check(
    asset=["marts", "fct_account_signals"],
    name="signals_are_covered",
    description="Each of Muda, Mura, Muri and the score is measured for at least 60 % of the accounts. A signal of the few says nothing about the portfolio.",
    required_resource_keys={"settings"},
)
def signals_are_covered(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
    """Read tonight's signals and say which are thin."""
    from vim_pipelines.signals.coverage import SIGNALS, coverage_verdict
    from vim_pipelines.warehouse import open_warehouse

    columns = ", ".join(("account_key", "account_name", "hold_reason", *SIGNALS.values()))
    with open_warehouse(context.resources.settings).session(read_only=True) as session:
        rows = session.rows(f"select {columns} from marts.fct_account_signals where as_of_date = ? order by account_key", [as_of_date(context)])
    return result_of(coverage_verdict(rows))
