"""Whether the sources still speak. Pure; the threshold of each source is the mart's (marts.fct_data_quality says `stale`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from vim_pipelines.core.verdicts import Verdict


def freshness_verdict(quality: Sequence[Mapping[str, Any]]) -> Verdict:
    """`quality`: entity, metric, value and status of marts.fct_data_quality for one night."""
    ages = [row for row in quality if row["metric"] == "freshness_days" and row["value"] is not None]
    stale = sorted((row for row in ages if row["status"] == "stale"), key=lambda row: -row["value"])
    return Verdict(
        what="Every source that is fed has said something new lately",
        passed=not stale,
        why=", ".join(f"nothing new of {row['entity'].replace('_', ' ')} for {row['value']:.0f} days" for row in stale),
        fix="See in the source whether the feed stands still; what depends on it is stale, not zero, until it moves",
        rows=[{"entity": row["entity"], "days": f"{row['value']:.0f}"} for row in stale],
        figures={
            "sources_fed": sum(row["metric"] == "is_fed" and bool(row["value"]) for row in quality),
            "sources_stale": len(stale),
            "oldest_days": max((int(row["value"]) for row in ages), default=None),
        },
    )
