"""Planhat's models, read as a whole every night: there is no filter by time and no list of what was deleted.

A record that the listing lacks is gone (archived end users and tasks are not listed either), so a reading is complete or it is an
error. Two things a record does not carry are joined to it: the ids of its company in other systems, and our own people.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from datetime import datetime
from itertools import islice
from typing import IO, TYPE_CHECKING, Any

from vim_pipelines.ingestion.readers import ClientReader, Reading, Record
from vim_pipelines.portfolio.model import EntityMap

if TYPE_CHECKING:
    from vim_pipelines.settings import Settings
    from vim_pipelines.vendors.planhat import PlanhatClient

#: Fields that are joined: of the record's company, and of the Planhat user in `owner`, `ownerId` or `coOwner`.
COMPANY_FIELDS = {"company.externalId": "string", "company.sourceId": "string", "company.name": "string"}
USER_FIELDS = {f"{role}.{name}": kind for role in ("owner", "coOwner") for name, kind in (("email", "email"), ("name", "string"))}
#: Where a role's user id stands: companies say `owner`, opportunities and tasks `ownerId`.
ROLES = {"owner": ("owner", "ownerId"), "coOwner": ("coOwner",)}


class PlanhatReader(ClientReader):
    """One tenant."""

    def __init__(self, client: PlanhatClient, captured_at: datetime) -> None:
        super().__init__(client, captured_at)
        self.client = client
        self._described: dict[str, dict[str, str]] = {}
        self._companies: dict[str, Record | None] | None = None
        self._users: dict[str, dict[str, str]] | None = None
        #: By model, what the mappings that were checked read of it. Several entities of one model (meetings, surveys and documents are all
        #: conversations) share one listing: read once, kept in a file without a name until the night's end.
        self._wanted: dict[str, dict[tuple[str, ...], None]] = {}
        self._spools: dict[str, IO[str]] = {}

    def close(self) -> None:
        """Close the connections and drop what was spooled."""
        super().close()
        for spool in self._spools.values():
            spool.close()

    def objects(self) -> tuple[str, ...] | None:
        """The models that the client knows."""
        from vim_pipelines.vendors.planhat import MODELS

        return tuple(MODELS)

    def fields(self, mapping: EntityMap) -> dict[str, str]:
        """Documented fields, custom fields (`custom.NAME`), what one whole record shows, and the joined ones."""
        model = mapping.object or ""
        self._wanted.setdefault(model, {})[mapping.source_fields] = None
        if model not in self._described:
            own = self.client.describe(model)
            joined = COMPANY_FIELDS if "companyId" in own else {}
            users = {name: kind for name, kind in USER_FIELDS.items() if any(place in own for place in ROLES[name.split(".")[0]])}
            self._described[model] = {**own, **joined, **users}
        return self._described[model]

    def defaults(self, mapping: EntityMap) -> dict[str, str | None]:
        """`updatedAt`; a deleted record is not listed."""
        return {"known_at": "updatedAt", "deleted": None}

    def read(self, entity: str, mapping: EntityMap, cursor: str | None) -> Reading:
        """All records of the model, whatever the cursor."""
        return Reading(self._records(mapping), lambda: None, is_complete=True)

    def sample(self, mapping: EntityMap, rows: int) -> list[Record]:
        """The first records by `_id`."""
        return [*islice(self._records(mapping), rows)]

    def _records(self, mapping: EntityMap) -> Iterator[Record]:
        from vim_pipelines.vendors.planhat import flatten

        wanted = mapping.source_fields
        companies = [name for name in wanted if name in COMPANY_FIELDS]
        users = [name for name in wanted if name in USER_FIELDS]
        for record in self._rows(mapping.object or "", wanted):
            flat = {name: _scalar(value) for name, value in flatten(record).items()}
            company = self._company(record.get("companyId")) if companies else None
            for name in companies:
                flat[name] = company.get(name.split(".")[1]) if company else None
            for name in users:
                role, field = name.split(".")
                user = self._user(next((record[place] for place in ROLES[role] if record.get(place)), None))
                flat[name] = user.get(field)
            yield flat

    def _rows(self, model: str, wanted: tuple[str, ...]) -> Iterator[Record]:
        """A model's records with at least the `wanted` fields, from Planhat or from the spool."""
        sharing = self._wanted.get(model, {})
        if len(sharing) < 2 or wanted not in sharing:
            yield from self.client.records(model, list(dict.fromkeys(_selected(wanted))))
            return
        if model not in self._spools:
            spool = tempfile.TemporaryFile("w+", encoding="utf-8")  # noqa: SIM115 - closed with the reader
            select = dict.fromkeys(name for fields in sharing for name in _selected(fields))
            for record in self.client.records(model, list(select)):
                spool.write(json.dumps(record) + "\n")
            self._spools[model] = spool
        self._spools[model].seek(0)
        for line in self._spools[model]:
            yield json.loads(line)

    def _company(self, key: Any) -> Record | None:
        """The company of a record by the lean listing; one that was made since is fetched."""
        if self._companies is None:
            self._companies = {str(company["_id"]): company for company in self.client.lean_companies()}
        if not key:
            return None
        if str(key) not in self._companies:
            self._companies[str(key)] = self.client.get("companies", str(key))
        return self._companies[str(key)]

    def _user(self, key: Any) -> dict[str, str]:
        if self._users is None:
            self._users = {}
            for user in self.client.users():
                name = " ".join(str(user[part]) for part in ("firstName", "lastName") if user.get(part))
                self._users[str(user["_id"])] = {"email": str(user.get("email") or ""), "name": name or str(user.get("nickName") or "")}
        return self._users.get(str(key), {}) if key else {}


def reader_from_settings(settings: Settings, captured_at: datetime) -> PlanhatReader:
    """The reader of the tenant that the settings name."""
    from vim_pipelines.vendors.planhat import client_from_settings

    return PlanhatReader(client_from_settings(settings), captured_at)


def _selected(fields: tuple[str, ...]) -> Iterator[str]:
    """Planhat's own fields that must be asked for to have these."""
    for name in fields:
        if name in COMPANY_FIELDS:
            yield "companyId"
        elif name in USER_FIELDS:
            yield from ROLES[name.split(".")[0]]
        else:
            yield name.split(".")[0]


def _scalar(value: Any) -> Any:
    """A list of words, as in `domains` and `tags`, as one text; anything else as it is."""
    if isinstance(value, list) and all(isinstance(item, str | int | float) for item in value):
        return ",".join(str(item) for item in value)
    return value
