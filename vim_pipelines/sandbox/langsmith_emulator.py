"""A loopback LangSmith that takes traces: `GET /info` and `POST /runs/multipart`, zstd-compressed or plain, and keeps the runs.

Enough for the real `langsmith` SDK to believe in it (LLM.md section 4: no open-source server accepts its ingest). The same run sent
twice is one run; parts are named `post.<id>`, `post.<id>.inputs`, `patch.<id>.outputs` and so on.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from email.parser import BytesParser
from email.policy import HTTP
from typing import Any


@dataclass
class LangSmithEmulator:
    """Runs by id as received. `status` other than 202 makes ingestion fail with it, `info_status` the probe; `delay_seconds` answers late."""

    is_zstd: bool = True
    status: int = 202
    info_status: int = 200
    delay_seconds: float = 0.0
    runs: dict[str, dict[str, Any]] = field(default_factory=dict)
    posts: int = 0
    encodings: list[str] = field(default_factory=list)

    def app(self) -> Any:
        """The Starlette application."""
        from starlette.applications import Starlette
        from starlette.requests import Request
        from starlette.responses import JSONResponse, Response
        from starlette.routing import Route

        async def info(request: Request) -> Response:
            if not request.headers.get("x-api-key"):
                return JSONResponse({"detail": "no key"}, 401)
            flags = {"zstd_compression_enabled": self.is_zstd}
            config = {
                "use_multipart_endpoint": True,
                "size_limit": 100,
                "size_limit_bytes": 20_971_520,
                "scale_up_nthreads_limit": 4,
                "scale_up_qsize_trigger": 1000,
            }
            return JSONResponse({"version": "0.15.0", "instance_flags": flags, "batch_ingest_config": config}, self.info_status)

        async def ingest(request: Request) -> Response:
            await asyncio.sleep(self.delay_seconds)
            raw = await request.body()
            self.posts += 1
            self.encodings.append(request.headers.get("content-encoding", "plain"))
            if not request.headers.get("x-api-key"):
                return JSONResponse({"detail": "no key"}, 401)
            if self.status >= 300:
                return JSONResponse({"detail": "planned fault"}, self.status)
            self.take(decoded(raw, self.encodings[-1]), request.headers["content-type"])
            return JSONResponse({"message": "Runs batch ingested"}, self.status)

        return Starlette(routes=[Route("/info", info, methods=["GET"]), Route("/runs/multipart", ingest, methods=["POST"])])

    def take(self, raw: bytes, content_type: str) -> None:
        """Keep the parts of one multipart body."""
        for name, payload in parts(raw, content_type):
            event, run_id, *rest = name.split(".")
            if event not in ("post", "patch"):
                continue
            run = self.runs.setdefault(run_id, {})
            value = json.loads(payload)
            if rest:
                run[rest[0]] = value
            else:
                run.update(value)


def decoded(raw: bytes, encoding: str) -> bytes:
    """The body without its content encoding."""
    if encoding != "zstd":
        return raw
    import zstandard

    return zstandard.ZstdDecompressor().decompressobj().decompress(raw)


def parts(raw: bytes, content_type: str) -> list[tuple[str, bytes]]:
    """Name and payload of each part of a multipart/form-data body."""
    message = BytesParser(policy=HTTP).parsebytes(b"Content-Type: " + content_type.encode() + b"\r\n\r\n" + raw)
    found = []
    for part in message.iter_parts():
        name = part.get_param("name", header="content-disposition")
        payload = part.get_payload(decode=True)
        found.append((str(name), payload if isinstance(payload, bytes) else b""))
    return found


def start_langsmith(emulator: LangSmithEmulator, *, host: str = "127.0.0.1", port: int = 0) -> Any:
    """The emulator in a thread of this process; `.url` and `.stop()`. Refuses an address that is not loopback."""
    from vim_pipelines.sandbox.emulators.run import Server

    return Server(emulator.app(), host=host, port=port)
