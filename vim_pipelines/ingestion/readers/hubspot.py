"""HubSpot objects: all of them by the list on the first night and once a week, in between by search from the last modification time on.

Search alone would lose records: it never shows what was archived, merged or purged, and HubSpot does not say that a change of an
association moves the modification time. Archived records are therefore listed every night, and the weekly reading of everything ends
what is no longer there.

A record's company and owner are not among its properties in HubSpot. `company.PROPERTY` names a property of the associated company (the
primary one; without one, that with the lowest id), `owner.email`, `owner.firstName`, `owner.lastName` those of its owner.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING, Any

from vim_pipelines.ingestion.coerce import to_timestamp
from vim_pipelines.ingestion.mapping import mapped_records
from vim_pipelines.ingestion.readers import ClientReader, NewestMoment, Reading, Record
from vim_pipelines.portfolio.entities import ENTITIES
from vim_pipelines.portfolio.model import EntityMap

if TYPE_CHECKING:
    from vim_pipelines.settings import Settings
    from vim_pipelines.vendors.hubspot import HubSpotClient

#: What the API says of every record beside its properties, with the type words of its properties.
OWN_FIELDS = {"id": "string", "createdAt": "datetime", "updatedAt": "datetime", "archived": "bool", "archivedAt": "datetime"}
OWNER_FIELDS = ("id", "email", "firstName", "lastName")
COMPANY, OWNER, OWNER_PROPERTY = "company.", "owner.", "hubspot_owner_id"
FULL_EVERY = timedelta(days=7)
#: Records whose companies are asked for together; HubSpot takes 1,000 ids in a request.
TOGETHER = 1000


class HubSpotReader(ClientReader):
    """One account. Companies and owners are asked for once a night."""

    def __init__(self, client: HubSpotClient, captured_at: datetime) -> None:
        super().__init__(client, captured_at)
        self.client = client
        self._described: dict[str, dict[str, Record]] = {}
        self._companies: dict[tuple[str, ...], dict[str, Record]] = {}
        self._owners: dict[str, Record] | None = None

    def objects(self) -> tuple[str, ...] | None:
        """None: an account has objects of its own."""
        return None

    def fields(self, mapping: EntityMap) -> dict[str, str]:
        """The object's properties, those of its company and owner, and what the API says beside them."""
        found = {name: str(item["type"]) for name, item in self._properties(mapping.object or "").items()}
        company = {} if _is_company(mapping.object) else {COMPANY + name: str(item["type"]) for name, item in self._properties("companies").items()}
        owner = {OWNER + name: "string" for name in OWNER_FIELDS} if OWNER_PROPERTY in found else {}
        return {**found, **OWN_FIELDS, **company, **owner}

    def defaults(self, mapping: EntityMap) -> dict[str, str | None]:
        """Every object has them; what was archived is told apart, by `Reading.deleted`."""
        return {"known_at": "updatedAt", "deleted": "archived"}

    def read(self, entity: str, mapping: EntityMap, cursor: str | None) -> Reading:
        """Records modified or archived since the cursor; everything there is on the first night and when the last full reading is a week old."""
        since, full_at = _parsed(cursor)
        is_full = since is None or full_at is None or self.captured_at - full_at >= FULL_EVERY
        newest = NewestMoment(None if since is None else since.isoformat(), self.captured_at)
        asked, name = self._asked(mapping), mapping.object or ""
        records = self.client.records(name, asked) if is_full or since is None else self.client.modified(name, asked, since)

        def next_cursor() -> str | None:
            moment = newest.text()
            full = self.captured_at if is_full else full_at
            return None if moment is None or full is None else f"{moment} {full.isoformat()}"

        def deleted() -> dict[str, datetime]:
            return self._archived(entity, mapping, None if is_full else since)

        return Reading(newest.watch(self._resolved(mapping, records), "updatedAt"), next_cursor, is_complete=is_full, deleted=deleted)

    def sample(self, mapping: EntityMap, rows: int) -> list[Record]:
        """The records with the lowest ids."""
        return list(self._resolved(mapping, islice(self.client.records(mapping.object or "", self._asked(mapping)), rows)))

    # ---- inside

    def _archived(self, entity: str, mapping: EntityMap, since: datetime | None) -> dict[str, datetime]:
        """Entity keys of records that were archived (since `since`, less the overlap), each with its moment.

        Only their end is taken from them: HubSpot does not say whether an archived record keeps its associations, so its content is
        what was read while it lived.
        """
        from vim_pipelines.vendors.hubspot import OVERLAP

        column, ends = ENTITIES[entity].key, dict[str, datetime]()
        for record in self.client.records(mapping.object or "", self._asked(mapping), archived=True):
            moment = to_timestamp(record.get("archivedAt") or record["updatedAt"])
            if not record.get("archived") or (since is not None and moment < since - OVERLAP):
                continue
            for row in mapped_records(mapping, [_flat(record)]):
                if row[column]:
                    ends[str(row[column])] = max(moment, ends.get(str(row[column]), moment))
        # Who was made anew under the same key lives on. A full reading holds him; after a search he must be asked for.
        for key in self._alive(entity, mapping, sorted(ends)) if since is not None else ():
            ends.pop(key, None)
        return ends

    def _alive(self, entity: str, mapping: EntityMap, keys: list[str]) -> set[str]:
        """Those of `keys` that a living record has."""
        rule, name = mapping.fields[ENTITIES[entity].key], mapping.object or ""
        if not keys or rule.field is None or rule.field in OWN_FIELDS or rule.model_fields_set != {"field"}:
            return set()  # HubSpot never gives an id twice, and what a rule makes of several fields cannot be asked for
        if self._properties(name).get(rule.field, {}).get("hasUniqueValue"):
            found = self.client.get_many(name, keys, [rule.field], id_property=rule.field)
        else:
            found = [record for key in keys for record in self.client.find(name, rule.field, key, [rule.field])]
        return {str(record["properties"][rule.field]) for record in found}

    def _asked(self, mapping: EntityMap) -> list[str]:
        names = [name for name in mapping.source_fields if name not in OWN_FIELDS and not name.startswith((COMPANY, OWNER))]
        return [*names, OWNER_PROPERTY] if any(name.startswith(OWNER) for name in mapping.source_fields) and OWNER_PROPERTY not in names else names

    def _resolved(self, mapping: EntityMap, records: Iterable[dict[str, Any]]) -> Iterator[Record]:
        """Records as flat rows, with the fields of company and owner that the mapping names."""
        company = tuple(name.removeprefix(COMPANY) for name in mapping.source_fields if name.startswith(COMPANY))
        owner = [name for name in mapping.source_fields if name.startswith(OWNER)]
        waiting = iter(records)
        while part := list(islice(waiting, TOGETHER)):
            companies = self._companies_of(mapping.object or "", part, company) if company else {}
            for record in part:
                row = _flat(record)
                row |= {COMPANY + name: companies.get(record["id"], {}).get(name) for name in company}
                if owner:
                    person = self._all_owners().get(record["properties"].get(OWNER_PROPERTY) or "", {})
                    row |= {name: person.get(name.removeprefix(OWNER)) for name in owner}
                yield row

    def _companies_of(self, name: str, records: list[dict[str, Any]], properties: tuple[str, ...]) -> dict[str, Record]:
        """Of each record's id the properties of its company."""
        associated = self.client.associated(name, "companies", [record["id"] for record in records])
        chosen = {key: next((item.id for item in items if item.is_primary), items[0].id) for key, items in associated.items()}
        known = self._companies.setdefault(properties, {})
        missing = sorted({identity for identity in chosen.values() if identity not in known})
        known |= {item["id"]: item["properties"] for item in self.client.get_many("companies", missing, properties)}
        return {key: known[identity] for key, identity in chosen.items() if identity in known}

    def _all_owners(self) -> dict[str, Record]:
        if self._owners is None:
            # Those that left still own what they did.
            self._owners = {str(item["id"]): item for archived in (True, False) for item in self.client.owners(archived=archived)}
        return self._owners

    def _properties(self, name: str) -> dict[str, Record]:
        if name not in self._described:
            self._described[name] = {str(item["name"]): item for item in self.client.describe(name)}
        return self._described[name]


def reader_from_settings(settings: Settings, captured_at: datetime) -> HubSpotReader:
    """The reader of the account that the settings name."""
    from vim_pipelines.vendors.hubspot import client_from_settings

    return HubSpotReader(client_from_settings(settings), captured_at)


def _parsed(cursor: str | None) -> tuple[datetime | None, datetime | None]:
    """A cursor is two moments: the newest modification seen, and when everything was read last."""
    if not cursor:
        return None, None
    newest, _, full = cursor.partition(" ")
    return datetime.fromisoformat(newest), datetime.fromisoformat(full) if full else None


def _is_company(name: str | None) -> bool:
    return name in ("companies", "company", "0-2")


def _flat(record: Record) -> dict[str, Any]:
    return {**record["properties"], **{name: record.get(name) for name in OWN_FIELDS}}
