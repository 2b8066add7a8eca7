"""One thing that write-back needs in a CRM, and the two questions that a CRM is asked: what is there, and may this be made."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import ClassVar, Literal, Self

#: `missing`: it is not there. `wrong`: it is there and does not fit (another type, too short). `closed`: it is there and may not be written.
State = Literal["ok", "missing", "wrong", "closed"]


@dataclass(frozen=True)
class Need:
    """One record type (`field` empty) or field in the CRM's own names. `is_optional`: needed only to decide in the CRM, not to write."""

    object_name: str
    field: str
    state: State = "ok"
    text: str = ""
    is_optional: bool = False

    @property
    def name(self) -> str:
        """`Account.VIM_Phase__c`, or the object alone."""
        return f"{self.object_name}.{self.field}" if self.field else self.object_name


class Provisioner(ABC):
    """One CRM, through its client; a context manager that closes its connections. Methods raise what the vendor's client raises."""

    #: Who can make what `make` cannot, and how: one line.
    by_hand: ClassVar[str]

    @property
    @abstractmethod
    def address(self) -> str:
        """Where things are really made: what the sandbox's loopback rule is asked about."""

    @abstractmethod
    def needs(self) -> list[Need]:
        """Everything that write-back needs, each with its state. Reads only."""

    @abstractmethod
    def make(self, missing: Sequence[Need]) -> Iterator[str]:
        """Make what is missing, and give the name of each thing when it is there. Never edits or deletes. VIM-E161 where the CRM refuses."""

    @abstractmethod
    def close(self) -> None:
        """Close the connections."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()
