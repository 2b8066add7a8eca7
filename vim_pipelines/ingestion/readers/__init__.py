"""How ingestion reads a CRM or support system, whichever vendor's it is: one small interface, one module per kind of system.

Ingestion once asked `if kind == "salesforce"` in five places; a second CRM would have made it ten. A reader knows its vendor's
paging, cursors and deletions; what becomes of the records is the same for all.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self, cast

from vim_pipelines.core.errors import VimError
from vim_pipelines.ingestion.coerce import CLOCK_TOLERANCE, to_timestamp
from vim_pipelines.portfolio.model import EntityMap

if TYPE_CHECKING:
    from vim_pipelines.settings import Settings
    from vim_pipelines.vendors.client import VendorClient

Record = Mapping[str, Any]

#: The systems' names as people write them.
VENDOR_NAMES = {"salesforce": "Salesforce", "hubspot": "HubSpot", "planhat": "Planhat", "zendesk": "Zendesk", "google_sheets": "Google Sheets"}


def _none_deleted() -> Mapping[str, datetime]:
    return {}


@dataclass(frozen=True)
class Reading:
    """The records of one entity since a cursor.

    `next_cursor` is asked once all records are consumed, and so is `deleted`: entity keys of records that the source says are
    gone, with the moment (naive UTC), where it tells so apart from the records. `is_complete` says that the records are all that
    the source holds: what raw holds beyond them is ended. A page that fails raises; it never makes a reading shorter.
    """

    records: Iterable[Record]
    next_cursor: Callable[[], str | None]
    is_complete: bool = False
    deleted: Callable[[], Mapping[str, datetime]] = _none_deleted


class MappedFieldError(VimError):
    """A mapped field that is in the source, but not as it must be, or is not there for a reason that the reader knows better than anybody.

    `field` is its name in the source; whoever knows the portfolio file adds the line of the mapping. `others` are further such errors of
    the same object: a check of the file tells them all.
    """

    def __init__(self, code: str, what: str, *, field: str = "", why: str = "", fix: str = "") -> None:
        super().__init__(code, what, why=why, fix=fix)
        self.field = field
        self.others: tuple[MappedFieldError, ...] = ()


class SystemReader(Protocol):
    """One system, read for one night. Every method raises the vendor's VimError."""

    def objects(self) -> tuple[str, ...] | None:
        """What `object:` of the portfolio file may name; None if only the vendor knows, and `fields` asks."""

    def fields(self, mapping: EntityMap) -> dict[str, str]:
        """The object's fields, name to the vendor's word for the type, from the vendor's own description. VimError if there is no such object."""

    def defaults(self, mapping: EntityMap) -> dict[str, str | None]:
        """The vendor's own field for `known_at` and for `deleted`, used where the portfolio file names none; None if it has none."""

    def read(self, entity: str, mapping: EntityMap, cursor: str | None) -> Reading:
        """The records since `cursor` (None: from the beginning). `mapping` has the defaults filled in."""

    def sample(self, mapping: EntityMap, rows: int) -> list[Record]:
        """At most `rows` records, for a check of the portfolio file; which ones is the vendor's choice."""

    def close(self) -> None:
        """Close the connections."""


class ClientReader:
    """What the readers over one vendor client share. `captured_at` (naive UTC) is when this night reads."""

    def __init__(self, client: VendorClient, captured_at: datetime) -> None:
        self._client, self.captured_at = client, captured_at

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._client.close()


class NewestMoment:
    """Remembers the newest modification time that passed by, to be the next cursor.

    One that lies in the future, as from a vendor's clock that runs ahead, would make the cursor skip what comes after: it is not
    counted, and the record comes again.
    """

    def __init__(self, cursor: str | None, captured_at: datetime) -> None:
        self.newest = datetime.fromisoformat(cursor) if cursor else None
        self._latest = captured_at + CLOCK_TOLERANCE

    def watch(self, records: Iterable[Record], name: str) -> Iterator[Record]:
        """`records` as they are; `name` is their field with the modification time. One that cannot be read as a time is left to coercion."""
        for record in records:
            try:
                moment = to_timestamp(record.get(name)) if record.get(name) is not None else None
            except (ValueError, TypeError):
                moment = None
            if moment is not None and moment <= self._latest and (self.newest is None or moment > self.newest):
                self.newest = moment
            yield record

    def text(self) -> str | None:
        """The cursor for the next night; None if no record ever passed."""
        return self.newest.isoformat() if self.newest else None


def open_reader(kind: str, settings: Settings, captured_at: datetime) -> SystemReader:
    """The reader of a system kind, by the `reader_from_settings` of its module; VIM-E001 if one of its settings is missing."""
    module = importlib.import_module(f"vim_pipelines.ingestion.readers.{kind}")
    return cast(SystemReader, module.reader_from_settings(settings, captured_at))
