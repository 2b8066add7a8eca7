"""What the emulated org can be asked and told about its own definitions: Tooling queries and metadata deployments.

Follows 'Deploy Metadata with Apex Testing Using REST' and 'Check the Status of Your Deployment Using REST Resources' (a multipart request
with the options as JSON and a zip; a status that is asked for) and the Tooling API's CustomField, CustomObject and PermissionSet. Only what a
package of objects, fields and permission sets needs; a component that is already there is written over, as Salesforce does. Our
reading: the words of a refusal, and that fields of a Task are listed under Activity. There is no field-level security: POST
`/_sandbox/org {"hide": [[object, field]]}` hides a field from `describe`; {"bare": true} gives an org without anything of ours.
"""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Mapping
from dataclasses import asdict
from email import message_from_bytes
from typing import Any
from xml.etree import ElementTree

from starlette.requests import Request
from starlette.responses import Response

from vim_pipelines.sandbox.emulators.objects import Field, SObject
from vim_pipelines.sandbox.emulators.salesforce_wire import Refused, answer
from vim_pipelines.sandbox.emulators.state import State

SPACE = "{http://soap.sforce.com/2006/04/metadata}"
KINDS = {
    "Text": "string", "LongTextArea": "textarea", "Number": "double", "Currency": "currency", "DateTime": "datetime", "Date": "date", "Email": "email",
    "Picklist": "picklist", "Lookup": "reference",
}  # fmt: skip
OURS = re.compile(r"^VIM_|^Owner_Email__c$")
QUERY = re.compile(r"^SELECT ([\w, ]+) FROM (\w+) WHERE (\w+) (?:= ('[^']*')|IN \(([^)]*)\))$")
#: `Id` prefixes of a custom object and of a deployment.
OBJECT_PREFIX, DEPLOYMENT_PREFIX = "01I", "0Af"


class OrgSchema:
    """The org's definitions, shared with the emulator by its two dictionaries. Changes are kept over a restart."""

    def __init__(self, state: State, objects: dict[str, SObject], by_lower_name: dict[str, SObject]) -> None:
        self._state, self._objects, self._by_lower_name = state, objects, by_lower_name
        self._known = dict(objects)
        self._may_customize = True
        self._hidden: dict[tuple[str, str], Field] = {}
        self._deployments: dict[str, dict[str, Any]] = {}
        self._sets: set[str] = set(json.loads(state.meta("permission_sets") or "[]"))
        for name, fields in json.loads(state.meta("definitions") or "{}").items():
            self._set(name, None if fields is None else [Field(**{**field, "values": tuple(field["values"])}) for field in fields])

    # ---- for the emulator

    async def query(self, request: Request) -> Response:
        """GET `tooling/query`: CustomField, CustomObject and PermissionSet, one condition."""
        found = QUERY.match(request.query_params.get("q", ""))
        tables = {"CustomField": self._custom_fields, "CustomObject": self._custom_objects, "PermissionSet": self._permission_sets}
        if found is None or found[2] not in tables:
            raise Refused(400, "INVALID_TYPE", "sObject type is not supported here, or the query is too rich for the sandbox")
        columns = [column.strip() for column in found[1].split(",")]
        values = {value.strip()[1:-1] for value in (found[4] or found[5]).split(",")}
        rows = [row for row in tables[found[2]]() if row[found[3]] in values]
        records = [{"attributes": {"type": found[2]}, **{column: row[column] for column in columns}} for row in rows]
        return answer({"size": len(records), "totalSize": len(records), "done": True, "queryLocator": None, "entityTypeName": found[2], "records": records})

    async def deploy(self, request: Request) -> Response:
        """POST `metadata/deployRequest`: 201, and the result by a GET."""
        if not self._may_customize:
            raise Refused(
                403, "INSUFFICIENT_ACCESS", "INSUFFICIENT_ACCESS: use of the Metadata API requires a user with the ModifyAllData or ModifyMetadata permissions"
            )
        head = f"Content-Type: {request.headers.get('Content-Type', '')}\r\n\r\n".encode()
        parts: dict[str, bytes] = {}
        for part in message_from_bytes(head + await request.body()).walk():
            name, content = part.get_param("name", header="content-disposition"), part.get_payload(decode=True)
            if isinstance(name, str) and isinstance(content, bytes):
                parts[name] = content
        try:
            options = json.loads(parts["json"])["deployOptions"]
            archive = zipfile.ZipFile(io.BytesIO(parts["file"]))
        except (KeyError, ValueError, zipfile.BadZipFile):
            raise Refused(400, "BAD_REQUEST", "Expected multipart/form-data with the parts json and file") from None
        deployment = f"{DEPLOYMENT_PREFIX}VM{len(self._deployments):010d}AAA"
        self._deployments[deployment] = self._carried_out({name: archive.read(name).decode() for name in archive.namelist()})
        body = {"validatedDeployRequestId": None, "deployOptions": options, "deployResult": {"id": deployment, "status": "Pending", "done": False}}
        return answer({"id": deployment, **body}, 201)

    async def status(self, request: Request) -> Response:
        """GET `metadata/deployRequest/ID`."""
        found = self._deployments.get(request.path_params["deployment"])
        if found is None:
            raise Refused(404, "NOT_FOUND", "The requested resource does not exist")
        result = found if request.query_params.get("includeDetails") == "true" else {name: value for name, value in found.items() if name != "details"}
        return answer({"id": request.path_params["deployment"], "deployResult": result})

    def control(self, body: Mapping[str, Any]) -> Any:
        """POST `/_sandbox/org` {bare, hide: [[object, field]], may_customize}."""
        if body.get("bare"):
            self._sets.clear()
            self._hidden.clear()
            for sobject in list(self._objects.values()):
                if sobject.name == "VIM_Draft__c":
                    self._set(sobject.name, None)
                elif any(OURS.match(field.name) for field in sobject.own_fields) and sobject.name in ("Account", "Task"):
                    self._set(sobject.name, [field for field in sobject.own_fields if not OURS.match(field.name)])
            self._keep()
        for name, field in body.get("hide", ()):
            self._hidden[name, field] = self._objects[name].fields[field]
            self._set(name, [item for item in self._objects[name].own_fields if item.name != field])
        self._may_customize = bool(body.get("may_customize", self._may_customize))
        return {"objects": sorted(self._objects), "permission_sets": sorted(self._sets)}

    # ---- inside

    def _custom_objects(self) -> list[dict[str, Any]]:
        return [{"Id": _object_id(name), "DeveloperName": name.removesuffix("__c")} for name in self._objects if name.endswith("__c")]

    def _custom_fields(self) -> list[dict[str, Any]]:
        fields = [(name, field.name) for name, sobject in self._objects.items() for field in sobject.own_fields]
        return [
            {"Id": f"00NVM{name}.{field}", "DeveloperName": field.removesuffix("__c"), "TableEnumOrId": _table(name)}
            for name, field in [*fields, *self._hidden]
            if field.endswith("__c")
        ]

    def _permission_sets(self) -> list[dict[str, Any]]:
        return [{"Id": f"0PSVM{name}", "Name": name} for name in self._sets]

    def _carried_out(self, files: Mapping[str, str]) -> dict[str, Any]:
        successes: list[dict[str, Any]] = []
        failures: list[dict[str, Any]] = []
        planned: dict[str, list[Field]] = {}
        sets: set[str] = set()
        listed = {item.text for item in ElementTree.fromstring(files.get("package.xml", "<none/>")).iter(f"{SPACE}members")}
        for path, text in files.items():
            if path == "package.xml":
                continue
            name = path.rpartition("/")[2].partition(".")[0]
            root = ElementTree.fromstring(text)
            if path.startswith("permissionsets/"):
                sets.add(name)
                successes.append({"fullName": name, "componentType": "PermissionSet", "created": name not in self._sets})
                continue
            target = "Task" if name == "Activity" else name
            known = self._objects.get(target)
            if known is None and root.find(f"{SPACE}nameField") is None:
                failures.append({"fullName": name, "problemType": "Error", "problem": "Must specify a nonempty label for the CustomObject"})
                continue
            if known is None:
                successes.append({"fullName": name, "componentType": "CustomObject", "created": True})
            own = {field.name: field for field in known.own_fields} if known else {}
            for element in root.iter(f"{SPACE}fields"):
                full = f"{name}.{_text(element, 'fullName')}"
                if full not in listed:
                    failures.append({"fullName": full, "problemType": "Error", "problem": "It is in the zip and not in package.xml"})
                    continue
                field = _field(element)
                successes.append({"fullName": full, "componentType": "CustomField", "created": field.name not in own})
                own[field.name] = field
            planned[target] = list(own.values())
        if failures:
            return {"done": True, "success": False, "status": "Failed", "details": {"componentFailures": failures, "componentSuccesses": []}}
        for target, fields in planned.items():
            self._set(target, fields)
        self._sets |= sets
        self._keep()
        return {"done": True, "success": True, "status": "Succeeded", "details": {"componentFailures": [], "componentSuccesses": successes}}

    def _set(self, name: str, fields: list[Field] | None) -> None:
        """Give an object these fields of its own, or take it away."""
        if fields is None:
            self._objects.pop(name, None)
            self._by_lower_name.pop(name.lower(), None)
            return
        for field in fields:
            self._state.add_column(name, field.name)
        changed = SObject(name, self._known[name].key_prefix, tuple(fields))
        self._objects[name] = self._by_lower_name[name.lower()] = changed

    def _keep(self) -> None:
        names = ("VIM_Draft__c", "Account", "Task")
        kept = {name: [asdict(field) for field in self._objects[name].own_fields] if name in self._objects else None for name in names}
        self._state.set_meta("definitions", json.dumps(kept))
        self._state.set_meta("permission_sets", json.dumps(sorted(self._sets)))


def _object_id(name: str) -> str:
    return f"{OBJECT_PREFIX}VM{name}"


def _table(name: str) -> str:
    return "Activity" if name == "Task" else _object_id(name) if name.endswith("__c") else name


def _text(element: ElementTree.Element, name: str) -> str:
    return element.findtext(f"{SPACE}{name}") or ""


def _field(element: ElementTree.Element) -> Field:
    kind = KINDS[_text(element, "type")]
    return Field(
        _text(element, "fullName"),
        kind,
        int(_text(element, "length") or {"email": 80, "reference": 18}.get(kind, 255)),
        required=_text(element, "required") == "true",
        external_id=_text(element, "externalId") == "true",
        unique=_text(element, "unique") == "true",
        reference_to=_text(element, "referenceTo"),
        values=tuple(_text(value, "fullName") for value in element.iter(f"{SPACE}value")),
    )
