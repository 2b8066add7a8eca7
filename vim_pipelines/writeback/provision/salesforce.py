"""Salesforce's side: the object VIM_Draft__c, the fields of Account and Task, and the permission set.

What can be made over REST: the Metadata API's resource `metadata/deployRequest`, which takes a zip (guide 'Deploy Metadata Using REST'). It
writes over what is there, so only what is missing goes into the zip; whether something is missing or merely hidden from our user is asked
of the Tooling API (`CustomField`, `CustomObject`), which field-level security does not touch. An integration user should not have the rights
for this: an administrator deploys the folder, or lends the rights for one run.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from vim_pipelines.core.errors import VimError
from vim_pipelines.vendors import soql
from vim_pipelines.vendors.http import VendorError
from vim_pipelines.vendors.salesforce import SalesforceClient, client_from_settings
from vim_pipelines.writeback.fields import RECORDS, FieldDefinition, Kind, RecordDefinition
from vim_pipelines.writeback.provision.base import Need, Provisioner
from vim_pipelines.writeback.provision.salesforce_metadata import PERMISSION_SET, home_of, package_files

if TYPE_CHECKING:
    from vim_pipelines.settings import Settings
    from vim_pipelines.vendors.http import TransportOptions

#: Words of `describe` for each kind.
TYPES: dict[Kind, str] = {
    "text": "string", "long_text": "textarea", "number": "double", "money": "currency", "moment": "datetime", "date": "date", "email": "email",
    "choice": "picklist", "account": "reference",
}  # fmt: skip


class SalesforceProvisioner(Provisioner):
    """One org."""

    by_hand: ClassVar[str] = (
        "Let an administrator run in deploy/crm/salesforce: sf project deploy start && sf org assign permset --name VIM_Integration (the permission set)"
    )

    def __init__(self, client: SalesforceClient) -> None:
        self.client = client

    @property
    def address(self) -> str:
        """The org's My Domain address."""
        return str(self.client.http.base_url)

    def close(self) -> None:
        """Close the client."""
        self.client.close()

    def needs(self) -> list[Need]:
        """By `describe`: what our user can see and write is what counts in the night."""
        found: list[Need] = []
        for record in RECORDS.values():
            found += self._of(record)
        return found

    def _of(self, record: RecordDefinition) -> Iterator[Need]:
        try:
            described = self.client.describe(record.name)
        except VendorError as error:
            if error.code != "VIM-E013" or not record.is_ours:
                raise
            yield Need(record.name, "", "missing", error.what.removesuffix("."))
            yield from (Need(record.name, item.name, "missing") for item in record.ours())
            return
        right = "createable" if record.name != "Account" else "updateable"
        if not described.get(right, True):
            yield Need(record.name, "", "closed", f"the integration user may not {'edit' if right == 'updateable' else 'create'} it")
        there = {item["name"]: item for item in described["fields"]}
        for item in record.fields:
            if item.name != "OwnerId":  # the org's own rules say who may give a task to somebody
                yield _need(record, item, there.get(item.name), right)

    def make(self, missing: Sequence[Need]) -> Iterator[str]:
        """One deployment, all of it or nothing. What is there and only hidden from our user is left out: VIM-E161 names it."""
        if not missing:
            return
        objects = {need.object_name for need in missing if not need.field}
        fields = {(need.object_name, need.field) for need in missing if need.field}
        hidden_objects, hidden_fields, has_set = self._hidden(objects, fields)
        files = package_files(objects - hidden_objects, fields - hidden_fields, with_permission_set=not has_set)
        if set(files) != {"package.xml"}:
            yield from self._deploy(files)
        hidden = sorted([*hidden_objects, *(f"{name}.{field}" for name, field in hidden_fields if name not in hidden_objects)])
        if hidden:
            raise VimError(
                "VIM-E161",
                f"{', '.join(hidden)} {'is' if len(hidden) == 1 else 'are'} in the org, but our user does not see {'it' if len(hidden) == 1 else 'them'}",
                why=f"The permission set {PERMISSION_SET} is not assigned to the user, or does not grant them",
                fix=self.by_hand,
            )

    def _hidden(self, objects: set[str], fields: set[tuple[str, str]]) -> tuple[set[str], set[tuple[str, str]], bool]:
        """What of these is in the org all the same, and whether the permission set is."""
        names = sorted({_developer_name(name) for name in objects})
        ids = {
            row["Id"]: f"{row['DeveloperName']}__c"
            for row in self.client.tooling_query(soql.select("CustomObject", ["Id", "DeveloperName"], _among("VIM_Draft")))
        }
        rows = self.client.tooling_query(
            soql.select("CustomField", ["DeveloperName", "TableEnumOrId"], _among(*sorted({_developer_name(field) for _, field in fields} or {"-"})))
        )
        there = {(ids.get(row["TableEnumOrId"], row["TableEnumOrId"]), f"{row['DeveloperName']}__c") for row in rows}
        sets = self.client.tooling_query(soql.select("PermissionSet", ["Id"], f"Name = {soql.literal(PERMISSION_SET)}"))
        hidden_fields = {(name, field) for name, field in fields if (home_of(RECORDS[name]), field) in there}
        return {name for name in ids.values() if _developer_name(name) in names}, hidden_fields, bool(sets)

    def _deploy(self, files: Mapping[str, str]) -> Iterator[str]:
        result = self.client.deploy(_zipped(files))
        details = result.get("details") or {}
        if result.get("status") != "Succeeded":
            failures = [f"{item.get('fullName')}: {item.get('problem')}" for item in _listed(details.get("componentFailures"))]
            raise VimError(
                "VIM-E161",
                "Salesforce refused the deployment; nothing was made",
                why="; ".join(failures)[:600] or str(result.get("errorMessage") or result.get("status")),
                fix=self.by_hand,
            )
        for item in _listed(details.get("componentSuccesses")):
            if item.get("fullName") and item.get("fullName") != "package.xml":
                yield str(item["fullName"])


def of(client: SalesforceClient) -> SalesforceProvisioner:
    """Over an open client."""
    return SalesforceProvisioner(client)


def make(settings: Settings, options: TransportOptions | None = None) -> SalesforceProvisioner:
    """Of the org that the settings name."""
    return SalesforceProvisioner(client_from_settings(settings, options=options))


def _need(record: RecordDefinition, item: FieldDefinition, there: Mapping[str, Any] | None, right: str) -> Need:
    is_optional = item.writer == "person"
    if there is None:
        return Need(record.name, item.name, "missing" if item.is_ours else "closed", "" if item.is_ours else "our user does not see it", is_optional)
    is_text_for_choice = item.kind == "choice" and there.get("type") == TYPES["text"]  # a text takes every value of a choice
    if item.is_ours and there.get("type") != TYPES[item.kind] and not is_text_for_choice:
        return Need(record.name, item.name, "wrong", f"its type is {there.get('type')}, not {TYPES[item.kind]}", is_optional)
    if item.kind in ("text", "long_text", "email") and int(there.get("length") or 0) < item.length:
        return Need(record.name, item.name, "wrong", f"it takes {there.get('length')} characters, not {item.length}", is_optional)
    if item.is_unique and not (there.get("externalId") and there.get("unique")):
        return Need(record.name, item.name, "wrong", "it is no unique external id", is_optional)
    if item.writer != "person" and not there.get(right, True):
        return Need(record.name, item.name, "closed", "our user may not write it", is_optional)
    return Need(record.name, item.name, is_optional=is_optional)


def _developer_name(name: str) -> str:
    return name.removesuffix("__c")


def _among(*names: str) -> str:
    return f"DeveloperName IN {soql.literal(list(names))}"


def _listed(value: Any) -> list[dict[str, Any]]:
    return value if isinstance(value, list) else [value] if isinstance(value, dict) else []


def _zipped(files: Mapping[str, str]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, text in files.items():
            archive.writestr(path, text)
    return buffer.getvalue()
