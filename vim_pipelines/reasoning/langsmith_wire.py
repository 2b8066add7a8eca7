"""One connection to LangSmith, for whoever posts: traces of the night, results of evaluations.

The SDK's own defaults repeat for a minute and send from threads that hold the process's exit (measured, LLM.md section 4). Here every
request is tried once, with a short time-out, on the caller's thread; what fails is said and left.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vim_pipelines.settings import Settings

DEFAULT_ENDPOINT = "https://api.smith.langchain.com"
PROBE_SECONDS = 3.0
#: Connect and read, for each request.
TIMEOUT_MS = (2000, 5000)


class PostFailed(Exception):
    """LangSmith did not take something."""


class Wire:
    """The SDK's client without threads and without retries. Close it."""

    def __init__(self, endpoint: str, key: str) -> None:
        from langsmith import Client
        from urllib3 import Retry

        self._errors: list[str] = []
        self.client = Client(
            api_url=endpoint, api_key=key, retry_config=Retry(total=0), timeout_ms=TIMEOUT_MS, auto_batch_tracing=False, omit_traced_runtime_info=True,
            tracing_error_callback=lambda error: self._errors.append(f"{type(error).__name__}: {str(error)[:200]}"),
        )  # fmt: skip

    def tried(self, call: Callable[[], Any], *, known: tuple[type[Exception], ...] = ()) -> Any:
        """What `call` returns, or None for an error of `known`. Raises PostFailed for any other of the SDK's or the connection's."""
        from langsmith.utils import LangSmithError
        from requests import RequestException

        try:
            return call()
        except known:
            return None
        except (LangSmithError, RequestException) as error:
            raise PostFailed(f"{type(error).__name__}: {str(error)[:200]}") from None

    def ingest(self, runs: list[dict[str, Any]]) -> None:
        """Post runs. Raises PostFailed."""
        self.tried(lambda: self.client.multipart_ingest(create=runs))
        if self._errors:
            raise PostFailed(self._errors[0])

    def dataset(self, name: str, description: str) -> Any:
        """The id of the dataset `name`, made if it is not there. Raises PostFailed."""
        from langsmith.utils import LangSmithNotFoundError

        def found() -> Any:
            try:
                return self.client.read_dataset(dataset_name=name).id
            except LangSmithNotFoundError:
                return self.client.create_dataset(name, description=description).id

        return self.tried(found)

    def close(self) -> None:
        """Close connections."""
        self.client.close()


def endpoint_of(settings: Settings) -> str:
    """Where LangSmith is."""
    return (settings.langsmith_endpoint or DEFAULT_ENDPOINT).rstrip("/")


def connect(settings: Settings) -> tuple[Wire | None, str | None]:
    """A wire to the LangSmith of the settings, whose key is set; or None, and what is wrong with it."""
    assert settings.langsmith_api_key is not None
    endpoint, key = endpoint_of(settings), settings.langsmith_api_key.get_secret_value()
    problem = _probe(endpoint, key)
    return (Wire(endpoint, key), None) if problem is None else (None, problem)


def _probe(endpoint: str, key: str) -> str | None:
    """What is wrong with LangSmith, or None. One short request, because the SDK itself would try for a minute."""
    import httpx

    try:
        answer = httpx.get(f"{endpoint}/info", headers={"x-api-key": key}, timeout=PROBE_SECONDS)
    except httpx.HTTPError as error:
        return f"cannot be reached ({type(error).__name__})"
    if answer.status_code in (401, 403):
        return f"refused the key (HTTP {answer.status_code})"
    return None if answer.is_success else f"answered HTTP {answer.status_code}"
