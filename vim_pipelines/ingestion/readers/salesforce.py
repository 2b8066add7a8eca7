"""Salesforce objects by `SystemModstamp`, deleted records included."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from vim_pipelines.ingestion.readers import ClientReader, NewestMoment, Reading, Record
from vim_pipelines.portfolio.model import EntityMap

if TYPE_CHECKING:
    from vim_pipelines.settings import Settings
    from vim_pipelines.vendors.salesforce import SalesforceClient

OVERLAP = timedelta(minutes=10)
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
        """Records modified since the cursor less ten minutes, which cover what a long transaction committed late. From the beginning: all there are."""
        newest = NewestMoment(cursor, self.captured_at)
        records = self.client.query_modified(mapping.object or "", self._selected(mapping), newest.newest, overlap=OVERLAP)
        return Reading(newest.watch(records, "SystemModstamp"), newest.text, is_complete=cursor is None)

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
