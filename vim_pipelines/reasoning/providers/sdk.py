"""What every vendor's SDK has in common: one client, opened at the first call and closed at the end of the run."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

from vim_pipelines.reasoning.providers.calls import TIMEOUT_SECONDS

if TYPE_CHECKING:
    from vim_pipelines.settings import Settings


class SdkVendor(ABC):
    """A vendor that is called through its own SDK. `closed` is why it serves nothing more, `failures` how often in a row it gave no answer."""

    def __init__(self, settings: Settings, *, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        self.closed: str | None = None
        self.failures = 0
        self._settings, self._timeout = settings, timeout_seconds
        self._opened: Any = None

    @abstractmethod
    def open_client(self, settings: Settings, timeout_seconds: float) -> Any:
        """The SDK's asynchronous client, which repeats nothing by itself. Raises VIM-E001 without a key."""

    @property
    def client(self) -> Any:
        """The client; the first to ask opens it."""
        if self._opened is None:
            self._opened = self.open_client(self._settings, self._timeout)
        return self._opened

    async def aclose(self) -> None:
        """Close connections."""
        if self._opened is not None:
            await self._opened.close()
            self._opened = None
