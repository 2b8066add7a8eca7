"""The calendar of the night: as-of dates as Dagster partitions, and the one reading of 'which date is this run for'."""

from datetime import date

import dagster as dg

#: Accounts are rows, never partitions; a partition is an as-of date.
AS_OF_PARTITIONS = dg.DailyPartitionsDefinition(start_date="2015-01-01", timezone="UTC")


def as_of_date(context: dg.AssetExecutionContext | dg.AssetCheckExecutionContext) -> date:
    """The as-of date that a step of the night works for."""
    return date.fromisoformat(context.partition_key)
