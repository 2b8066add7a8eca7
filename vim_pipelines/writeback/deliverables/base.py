"""What write-back asks of a place that is no CRM: something is made there once, found again by a mark of ours, and taken back while it can be."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

from vim_pipelines.writeback.actions import Intended
from vim_pipelines.writeback.targets.base import CrmRecord, Found, Planned

#: The field by which `read` says whether it still lies as we laid it; undo compares it with what was read back after the write.
STATE = "state"


class Deliverable(ABC):
    """The place of one action. It never changes what is there: once made, it belongs to the person it was made for."""

    #: What stands in `outbox.target`.
    name: ClassVar[str]

    @property
    @abstractmethod
    def address(self) -> str:
        """Where it really goes."""

    def planned(self, write: Intended) -> Planned:
        """As it was approved. Pure; a refusal (VimError) fails the request before anything is sent."""
        return Planned(write.action, write.object_name, write.external_id, write.proposed, write.expected, write.idempotency_key)

    @abstractmethod
    def read(self, record: CrmRecord) -> Found | None:
        """What lies there under our mark; None if nothing does. Something that was made and has gone since is found, with its STATE."""

    @abstractmethod
    def create(self, record: CrmRecord) -> str:
        """Make it; returns its id there. Sent once: VIM-E015 where the answer was lost."""

    @abstractmethod
    def withdraw(self, record: CrmRecord, record_id: str) -> None:
        """Take it back: undo. One that is gone is no error."""

    @abstractmethod
    def close(self) -> None:
        """Let go of connections."""
