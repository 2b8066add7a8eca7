"""The calendar of the night: as-of dates as Dagster partitions, and the one reading of 'which date is this run for'."""

import warnings
from datetime import date

import dagster as dg

from vim_pipelines.core.errors import VimError

# The backfill policy of a plain asset and the owners of a job are marked beta in 1.13; the warnings would stand before every first screen.
warnings.filterwarnings("ignore", category=dg.BetaWarning, message=".*backfill_policy.*")
warnings.filterwarnings("ignore", category=dg.BetaWarning, message=".*`owners`.*")

#: Accounts are rows, never partitions; a partition is an as-of date.
FIRST_AS_OF = date(2015, 1, 1)
AS_OF_PARTITIONS = dg.DailyPartitionsDefinition(start_date=FIRST_AS_OF.isoformat(), timezone="UTC")
#: A backfill runs one date after the other: state folds over time, and only one run may hold the warehouse file.
ONE_DATE_A_RUN = dg.BackfillPolicy.multi_run(max_partitions_per_run=1)


def as_of_date(context: dg.AssetExecutionContext | dg.AssetCheckExecutionContext) -> date:
    """The as-of date that a step of the night works for: the run's partition (a check has no partition of its own, its run has).

    VIM-E185 for a run that was launched without one.
    """
    partition = context.run.tags.get("dagster/partition")
    if partition is None:
        raise VimError("VIM-E185", "The run has no as-of date", why="It was launched without a partition", fix="Choose the audited date as the partition")
    return date.fromisoformat(partition)
