"""Query jobs of the emulated org: Bulk API 2.0, as far as reading goes.

Follows the 'Bulk API 2.0 and Bulk API Developer Guide' (Create a Query Job, Get Information About a Query Job, Get Results for a Query
Job, Abort a Query Job): states UploadComplete, InProgress, JobComplete, Aborted; CSV with every value quoted, empty text for null; a page of
`maxRecords` rows, `Sforce-Locator` with the word "null" at the end, `Sforce-NumberOfRecords`. Our readings, where the guide is silent: each
page repeats the header line, datetimes end in `.000Z`, results asked for too early are refused with INVALIDJOBSTATE.

A job works as long as it is asked after: each look at it while it runs counts down `looks`, so no test waits for time to pass.
"""

from __future__ import annotations

import csv
import io
import secrets
from array import array
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from vim_pipelines.sandbox.emulators.objects import Field
from vim_pipelines.sandbox.emulators.salesforce_wire import Refused
from vim_pipelines.sandbox.emulators.soql import Query

MOST_ROWS_A_PAGE = 250_000


@dataclass
class Job:
    """One query job; `rows` are the rowids of the result as it was when the job was made."""

    id: str
    text: str
    operation: str
    query: Query
    rows: array[int]
    created: str
    version: str
    looks: int
    state: str = "UploadComplete"


class QueryJobs:
    """The jobs of one org. `records` renders rows of a query as the REST API does; `looks` is how often a job answers before it is complete."""

    def __init__(self, records: Callable[[Query, array[int], str], list[dict[str, Any]]], looks: int = 2) -> None:
        self._records, self.looks = records, looks
        self._jobs: dict[str, Job] = {}

    def create(self, text: str, operation: str, query: Query, rows: array[int], created: str, version: str) -> dict[str, Any]:
        """Start a job."""
        job = Job("750VM" + secrets.token_hex(5) + "AAA", text, operation, query, rows, created, version, self.looks)
        self._jobs[job.id] = job
        return self._shown(job)

    def look(self, identity: str) -> dict[str, Any]:
        """The job as it stands."""
        job = self._job(identity)
        if job.state in ("UploadComplete", "InProgress"):
            job.state = "InProgress" if job.looks > 0 else "JobComplete"
            job.looks -= 1
        return self._shown(job)

    def abort(self, identity: str) -> dict[str, Any]:
        """End a job before its end."""
        job = self._job(identity)
        if job.state == "JobComplete":
            raise Refused(400, "INVALIDJOBSTATE", "Aborting already Completed Job not allowed")
        job.state = "Aborted"
        return self._shown(job)

    def results(self, identity: str, locator: str | None, most: str | None) -> tuple[str, dict[str, str]]:
        """A page of the result as CSV, and its headers."""
        job = self._job(identity)
        if job.state != "JobComplete":
            raise Refused(400, "INVALIDJOBSTATE", "Failed to get results for a job that is not complete")
        start = 0 if locator is None else int(locator) if locator.isdigit() and int(locator) < len(job.rows) else -1
        if start < 0:
            raise Refused(400, "INVALID_QUERY_LOCATOR", "invalid query locator")
        size = min(MOST_ROWS_A_PAGE, int(most)) if most and most.isdigit() and int(most) > 0 else MOST_ROWS_A_PAGE
        rows = job.rows[start : start + size]
        text = io.StringIO()
        writer = csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\n")
        writer.writerow([field.name for field in job.query.fields])
        for record in self._records(job.query, rows, job.version):
            writer.writerow([_text(field, record[field.name]) for field in job.query.fields])
        end = start + len(rows)
        return text.getvalue(), {"Sforce-NumberOfRecords": str(len(rows)), "Sforce-Locator": str(end) if end < len(job.rows) else "null"}

    def _job(self, identity: str) -> Job:
        if identity not in self._jobs:
            raise Refused(404, "NOT_FOUND", "The requested resource does not exist")
        return self._jobs[identity]

    def _shown(self, job: Job) -> dict[str, Any]:
        shown = {
            "id": job.id,
            "operation": job.operation,
            "object": job.query.sobject.name,
            "createdDate": job.created,
            "systemModstamp": job.created,
            "state": job.state,
            "concurrencyMode": "Parallel",
            "contentType": "CSV",
            "apiVersion": float(job.version),
            "lineEnding": "LF",
            "columnDelimiter": "COMMA",
        }
        if job.state == "JobComplete":
            shown |= {"jobType": "V2Query", "numberRecordsProcessed": len(job.rows), "retries": 0, "totalProcessingTime": 1}
        return shown


def _text(field: Field, value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if field.type == "datetime":
        return str(value).replace("+0000", "Z")
    return str(value)
