"""Salesforce objects by `SystemModstamp`, deleted records included."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from vim_pipelines.ingestion.readers import ClientReader, NewestMoment, Reading, Record
from vim_pipelines.portfolio.entities import ENTITIES
from vim_pipelines.portfolio.model import EntityMap

if TYPE_CHECKING:
    from vim_pipelines.settings import Settings
    from vim_pipelines.vendors.salesforce import DeletedRecords, SalesforceClient

OVERLAP = timedelta(minutes=10)
LOG_OVERLAP = timedelta(days=1)
#: `query_modified` always selects these.
OWN_FIELDS = ("Id", "SystemModstamp", "IsDeleted")


class SalesforceReader(ClientReader):
    """One org."""

    def __init__(self, client: SalesforceClient, captured_at: datetime) -> None:
        super().__init__(client, captured_at)
        self.client = client

    def objects(self) -> tuple[str, ...] | None:
        """None: an org has objects of its own."""
        return None

    def fields(self, mapping: EntityMap) -> dict[str, str]:
        """By `describe`."""
        return {item["name"]: item["type"] for item in self.client.describe(mapping.object or "")["fields"]}

    def defaults(self, mapping: EntityMap) -> dict[str, str | None]:
        """Every object has them."""
        return {"known_at": "SystemModstamp", "deleted": "IsDeleted"}

    def read(self, entity: str, mapping: EntityMap, cursor: str | None) -> Reading:
        """Records modified since the cursor less ten minutes, which cover what a long transaction committed late. From the beginning: all there are.

        Deletions come as records with IsDeleted while they are in the recycle bin, and from the delete log when they have left it. Where the
        log does not reach back to the last night, everything is read again.
        """
        since, _, covered = (cursor or "").partition("|")
        log = self._delete_log(entity, mapping, datetime.fromisoformat(covered or since)) if since else None
        is_complete = log is None
        newest = NewestMoment(since if not is_complete else None, self.captured_at)
        records = self.client.query_modified(mapping.object or "", self._selected(mapping), newest.newest, overlap=OVERLAP)
        # The vendor's clock may be off by hours, and to learn of a deletion twice does no harm.
        until = min(log.latest_covered if log else self.captured_at, self.captured_at - LOG_OVERLAP)

        def next_cursor() -> str | None:
            newest_text = newest.text()
            return f"{newest_text}|{until.isoformat()}" if newest_text else None

        return Reading(newest.watch(records, "SystemModstamp"), next_cursor, is_complete, lambda: log.moments if log else {})

    def _delete_log(self, entity: str, mapping: EntityMap, start: datetime) -> DeletedRecords | None:
        """What was deleted since `start`; None if Salesforce does not know any more. Only ids are told: nothing where the entity's key is another field."""
        from vim_pipelines.vendors.http import VendorError
        from vim_pipelines.vendors.salesforce import DeletedRecords

        key = mapping.fields[ENTITIES[entity].key]
        if key.field != "Id" or key.model_fields_set != {"field"}:
            return DeletedRecords({}, start, self.captured_at)
        try:
            found = self.client.deleted(mapping.object or "", start, max(self.captured_at, start + timedelta(minutes=2)))
        except VendorError as error:
            if error.vendor_code == "INVALID_REPLICATION_DATE":
                return None
            raise
        return None if found.earliest_available > start else found

    def sample(self, mapping: EntityMap, rows: int) -> list[Record]:
        """The records that were changed last."""
        from vim_pipelines.vendors import soql

        fields = ["Id", *self._selected(mapping), "SystemModstamp", "IsDeleted"]
        return list(self.client.query(soql.select(mapping.object or "", fields, order_by="SystemModstamp DESC", limit=rows)))

    def _selected(self, mapping: EntityMap) -> list[str]:
        return [name for name in mapping.source_fields if name not in OWN_FIELDS]


def reader_from_settings(settings: Settings, captured_at: datetime) -> SalesforceReader:
    """The reader of the org that the settings name."""
    from vim_pipelines.vendors.salesforce import client_from_settings

    return SalesforceReader(client_from_settings(settings), captured_at)
