"""A verdict as Dagster shows it: the sentence on top, what to do and which rows below it, numbers that plot over the nights."""

import dagster as dg

from vim_pipelines.core.verdicts import Verdict


def result_of(verdict: Verdict, severity: dg.AssetCheckSeverity = dg.AssetCheckSeverity.WARN) -> dg.AssetCheckResult:
    """The check's result. A failed one carries why, fix and rows as metadata of their own."""
    said: dict[str, dg.MetadataValue] = {}
    if not verdict.passed:
        said = {"why": dg.MetadataValue.text(verdict.why), "fix": dg.MetadataValue.text(verdict.fix)}
        if verdict.rows:
            said["rows"] = dg.MetadataValue.md(verdict.table())
    return dg.AssetCheckResult(passed=verdict.passed, severity=severity, description=verdict.text(), metadata={**verdict.numbers(), **said})
