"""A loopback LangSmith that takes traces, feedback and examples: the routes that the real `langsmith` SDK calls, and no more.

`GET /info`, `POST /runs/multipart` (zstd-compressed or plain), `GET /sessions`, `POST /feedback`, `GET` and `POST /datasets`,
`POST /v1/platform/datasets/<id>/examples`, `POST /sessions` for an experiment (LLM.md section 4: no open-source server accepts its ingest). The same run sent twice is one
run; parts are named `post.<id>`, `post.<id>.inputs`, `patch.<id>.outputs` and so on. A project exists once a run named it or it was made, an
example that exists is a conflict, feedback on a run of another project or of none is refused, and so is a run on an example of a dataset
that its project does not stand on.
"""

from __future__ import annotations

import asyncio
import json
import uuid
from dataclasses import dataclass, field
from email.parser import BytesParser
from email.policy import HTTP
from typing import Any

from vim_pipelines.sandbox.model_server import start_emulator


@dataclass
class LangSmithEmulator:
    """Runs by id as received. `status` other than 202 makes ingestion fail with it, `info_status` the probe; `delay_seconds` answers late."""

    is_zstd: bool = True
    status: int = 202
    info_status: int = 200
    delay_seconds: float = 0.0
    runs: dict[str, dict[str, Any]] = field(default_factory=dict)
    feedback: dict[str, dict[str, Any]] = field(default_factory=dict)
    datasets: dict[str, dict[str, Any]] = field(default_factory=dict)
    examples: dict[str, dict[str, Any]] = field(default_factory=dict)
    projects: dict[str, dict[str, Any]] = field(default_factory=dict)
    posts: int = 0
    requests: int = 0
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
            self.requests += 1
            flags = {"zstd_compression_enabled": self.is_zstd, "dataset_examples_multipart_enabled": True}
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
            stranger = self.take(decoded(raw, self.encodings[-1]), request.headers["content-type"])
            if stranger is not None:
                return JSONResponse({"detail": f"run {stranger} is on an example that its project's dataset does not have"}, 422)
            return JSONResponse({"message": "Runs batch ingested"}, self.status)

        async def sessions(request: Request) -> Response:
            if request.method == "POST":
                await asyncio.sleep(self.delay_seconds)
                body = await request.json()
                if self.status >= 300:
                    return JSONResponse({"detail": "planned fault"}, self.status)
                if body["name"] in self.projects:
                    return JSONResponse({"detail": "a project of this name exists"}, 409)
                if body.get("reference_dataset_id") not in self.datasets:
                    return JSONResponse({"detail": "no such dataset"}, 404)
                self.projects[body["name"]] = {"tenant_id": identity("tenant"), **body, "id": identity(body["name"])}
                return JSONResponse(self.projects[body["name"]])
            name = request.query_params.get("name", "")
            if name not in self.projects and not any(run.get("session_name") == name for run in self.runs.values()):
                return JSONResponse([])
            return JSONResponse([{"id": identity(name), "name": name, "tenant_id": identity("tenant"), "reference_dataset_id": None}])

        async def give_feedback(request: Request) -> Response:
            await asyncio.sleep(self.delay_seconds)
            if self.status >= 300:
                return JSONResponse({"detail": "planned fault"}, self.status)
            body = await request.json()
            run = self.runs.get(str(body.get("run_id")))
            if run is None or body.get("session_id") != identity(str(run["session_name"])):
                return JSONResponse({"detail": "no such run in this project"}, 422)
            self.feedback[body["id"]] = body
            return JSONResponse(body)

        async def datasets(request: Request) -> Response:
            if request.method == "GET":
                return JSONResponse([row for row in self.datasets.values() if row["name"] == request.query_params.get("name")])
            body = await request.json()
            row = {"id": identity(body["name"]), "created_at": "2026-06-29T06:00:00+00:00", **body}
            if row["id"] in self.datasets:
                return JSONResponse({"detail": "a dataset of this name exists"}, 409)
            self.datasets[row["id"]] = row
            return JSONResponse(row)

        async def add_examples(request: Request) -> Response:
            if self.status >= 300:
                return JSONResponse({"detail": "planned fault"}, self.status)
            if request.path_params["dataset"] not in self.datasets:
                return JSONResponse({"detail": "no such dataset"}, 404)
            added: dict[str, dict[str, Any]] = {}
            for name, payload in parts(await request.body(), request.headers["content-type"]):
                example, _, kind = name.partition(".")
                added.setdefault(example, {"dataset_id": request.path_params["dataset"]}).update({kind: json.loads(payload)} if kind else json.loads(payload))
            if added.keys() & self.examples.keys():
                return JSONResponse({"detail": "an example of this id exists"}, 409)
            self.examples |= added
            return JSONResponse({"count": len(added), "example_ids": list(added)}, 201)

        return Starlette(routes=[
            Route("/info", info, methods=["GET"]), Route("/runs/multipart", ingest, methods=["POST"]), Route("/sessions", sessions, methods=["GET", "POST"]),
            Route("/feedback", give_feedback, methods=["POST"]), Route("/datasets", datasets, methods=["GET", "POST"]),
            Route("/v1/platform/datasets/{dataset}/examples", add_examples, methods=["POST"]),
        ])  # fmt: skip

    def take(self, raw: bytes, content_type: str) -> str | None:
        """Keep the parts of one multipart body. Returns the id of a run on an example of another dataset; then nothing is kept."""
        found = parts(raw, content_type)
        for name, payload in found:
            run = json.loads(payload) if name.startswith("post.") and name.count(".") == 1 else {}
            example = run.get("reference_example_id")
            dataset = self.projects.get(str(run.get("session_name")), {}).get("reference_dataset_id")
            if example is not None and (example not in self.examples or self.examples[example]["dataset_id"] != dataset):
                return name.removeprefix("post.")
        for name, payload in found:
            event, run_id, *rest = name.split(".")
            if event not in ("post", "patch"):
                continue
            run = self.runs.setdefault(run_id, {})
            value = json.loads(payload)
            if rest:
                run[rest[0]] = value
            else:
                run.update(value)
        return None


def identity(name: str) -> str:
    """The id of the project or dataset called `name`."""
    return str(uuid.uuid5(uuid.NAMESPACE_DNS, name))


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


start_langsmith = start_emulator
