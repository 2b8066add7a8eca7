"""The echo of our own write-back: what we wrote to the CRM must not come back tomorrow as something that happened at the customer.

Mirror fields are on no mapping, so they make no new version (`versions.py`). A task is another matter: an approved plan makes an open task,
and read back as one it would count as the team's own care for the account, change the facts, and draw the next draft. So a task that we made is
left out while nobody has done anything about it; once somebody finished or cancelled it, that is a person's doing, and it is read like any.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from vim_pipelines.ingestion.mapping import mapped_records
from vim_pipelines.portfolio.entities import ENTITIES
from vim_pipelines.portfolio.model import EntityMap

#: What each CRM that is written to calls its own id of a record.
ID_FIELDS = {"salesforce": "Id", "hubspot": "id", "planhat": "_id"}
TASK = "task"
#: A CRM gives a new task a word of its own ('Not Started'); only these say that a person did something.
FINISHED = ("done", "cancelled")


def without_echo(entity: str, kind: str, mapping: EntityMap, records: Iterable[Mapping[str, Any]], own_ids: frozenset[str]) -> Iterator[Mapping[str, Any]]:
    """`records` of a source of `kind`, without the tasks of `own_ids` that are still open, or that the mapping gives no key of its own."""
    if entity != TASK or not own_ids or kind not in ID_FIELDS:
        yield from records
        return
    for record in records:
        if str(record.get(ID_FIELDS[kind])) not in own_ids or _is_worked_on(mapping, record):
            yield record


def _is_worked_on(mapping: EntityMap, record: Mapping[str, Any]) -> bool:
    """Whether somebody finished or cancelled it. A task without the key that the portfolio maps could not be told from others: it stays out."""
    row = next(iter(mapped_records(mapping, [record])), None)
    return row is not None and bool(row.get(ENTITIES[TASK].key)) and row.get("status") in FINISHED
