"""The emulated CRMs as the tests of write-back look into them: with the vendor's own client, and with nothing of `writeback`.

A CRM that can be written to has one class here; what is common to all (`test_targets.py`, `test_kill_others.py`) then runs on it.
"""

from __future__ import annotations

import uuid
from dataclasses import replace
from typing import Any

import httpx

from vim_pipelines.core.markup import text_of
from vim_pipelines.settings import Settings
from vim_pipelines.vendors.http import Limiter, RetryPolicy, TransportOptions
from vim_pipelines.writeback.targets.hubspot import HubSpotTarget
from vim_pipelines.writeback.targets.hubspot import make as make_hubspot
from vim_pipelines.writeback.targets.planhat import PlanhatTarget
from vim_pipelines.writeback.targets.planhat import make as make_planhat
from vim_pipelines.writeback.targets.salesforce import SalesforceTarget
from vim_pipelines.writeback.targets.salesforce import make as make_salesforce

#: Quick to give up: the emulators answer at once or not at all.
OPTIONS = TransportOptions(timeout_seconds=5, retry=RetryPolicy(attempts=2, base_seconds=0.01))


class Org:
    """One emulator in another process. `address` is the settings' name of its address."""

    name = ""
    address = ""
    #: (method, path) of the requests that create a note, create a task, and write the mirror's fields.
    note_write: tuple[str, str] = ("", "")
    task_write: tuple[str, str] = ("", "")
    mirror_write: tuple[str, str] = ("", "")
    #: The object of each in the emulator's journal.
    objects: tuple[str, ...] = ()

    def __init__(self, credentials: dict[str, str]) -> None:
        self.credentials = {name: value for name, value in credentials.items() if name.startswith(f"{self.name}_")}
        self._control = httpx.Client(base_url=credentials[self.address], trust_env=False)

    def fault(self, **plan: object) -> None:
        """Plan one fault."""
        self._control.post("/_sandbox/faults", json=plan).raise_for_status()

    def clear_faults(self) -> None:
        self._control.delete("/_sandbox/faults").raise_for_status()

    def control(self, name: str, body: object) -> None:
        """Something else of the emulator's `/_sandbox/`."""
        self._control.post(f"/_sandbox/{name}", json=body).raise_for_status()

    def writes(self) -> list[dict]:
        """Every effective write through the API so far."""
        return self._control.get("/_sandbox/writes").json()

    def requests(self) -> list[dict]:
        """Every request so far."""
        return self._control.get("/_sandbox/requests").json()

    def created(self) -> list[dict]:
        """The notes and tasks that were ever created, deleted ones included."""
        return [write for write in self.writes() if write["effect"] == "created" and write["object"] in self.objects]


class SalesforceOrg(Org):
    name, address = "salesforce", "salesforce_base_url"
    note_write, task_write, mirror_write = ("PATCH", "VIM_Draft__c/VIM_Key__c"), ("POST", "sobjects/Task$"), ("PATCH", "composite/sobjects")
    objects = ("VIM_Draft__c", "Task")
    mirror_names = ("VIM_Phase__c", "VIM_Risk_Band__c", "VIM_Risk_Score__c", "VIM_Muda_Waste__c", "VIM_Assessed_At__c")

    def target(self, settings: Settings, options: TransportOptions) -> SalesforceTarget:
        return make_salesforce(settings, "Id", options)

    def new_account(self, client: Any) -> str:
        return client.create("Account", {"Name": "Customer under test"})

    def notes(self, client: Any, account: str) -> list[dict]:
        rows = client.find("VIM_Draft__c", "Account__c", account, ["Body__c", "VIM_Key__c"])
        return [{"id": row["Id"], "text": f"{row['Body__c']}\n{row['VIM_Key__c']}"} for row in rows]

    def tasks(self, client: Any, account: str) -> list[dict]:
        rows = client.find("Task", "WhatId", account, ["Subject", "Status", "Owner_Email__c", "ActivityDate"])
        return [{"id": row["Id"], "subject": row["Subject"], "due": row["ActivityDate"], "owner": row["Owner_Email__c"]} for row in rows]

    def edit_note(self, client: Any, note_id: str, text: str) -> None:
        client.update("VIM_Draft__c", note_id, {"Body__c": text})

    def finish_task(self, client: Any, task_id: str) -> None:
        client.update("Task", task_id, {"Status": "Completed"})

    def remove_note(self, client: Any, note_id: str) -> None:
        client.delete("VIM_Draft__c", note_id)

    def mirror(self, client: Any, account: str) -> dict:
        row = client.get("Account", account, list(self.mirror_names))
        return {name: row[name] for name in self.mirror_names}

    def set_mirror(self, client: Any, account: str, band: str) -> None:
        client.update("Account", account, {"VIM_Risk_Band__c": band})


class HubSpotOrg(Org):
    name, address = "hubspot", "hubspot_base_url"
    note_write, task_write, mirror_write = ("POST", "notes/batch/create"), ("POST", "tasks/batch/create"), ("POST", "companies/batch/update")
    objects = ("notes", "tasks")
    mirror_names = ("vim_phase", "vim_risk_band", "vim_risk_score", "vim_muda_waste", "vim_assessed_at")

    def target(self, settings: Settings, options: TransportOptions) -> HubSpotTarget:
        return make_hubspot(settings.model_copy(update={"hubspot_base_url": self.credentials["hubspot_base_url"]}), "crm_account_id", options)

    def new_account(self, client: Any) -> str:
        key = f"ACC-{uuid.uuid4().hex[:10]}"
        client.upsert_many("companies", "crm_account_id", [{"crm_account_id": key, "name": "Customer under test"}])
        return key

    def company(self, client: Any, account: str) -> str:
        return client.get("companies", account, ["name"], id_property="crm_account_id")["id"]

    def _activities(self, client: Any, account: str, kind: str, properties: list[str]) -> list[dict]:
        company = self.company(client, account)
        ids = [item.id for item in client.associated("companies", kind, [company]).get(company, [])]
        return client.get_many(kind, ids, properties)

    def notes(self, client: Any, account: str) -> list[dict]:
        return [{"id": row["id"], "text": text_of(row["properties"]["hs_note_body"])} for row in self._activities(client, account, "notes", ["hs_note_body"])]

    def tasks(self, client: Any, account: str) -> list[dict]:
        rows = self._activities(client, account, "tasks", ["hs_task_subject", "hs_timestamp", "hubspot_owner_id"])
        emails = {owner["id"]: owner["email"] for owner in client.owners()}
        return [
            {
                "id": row["id"], "subject": row["properties"]["hs_task_subject"], "due": row["properties"]["hs_timestamp"][:10],
                "owner": emails.get(row["properties"]["hubspot_owner_id"]),
            }
            for row in rows
        ]  # fmt: skip

    def edit_note(self, client: Any, note_id: str, text: str) -> None:
        client.update("notes", note_id, {"hs_note_body": text})

    def finish_task(self, client: Any, task_id: str) -> None:
        client.update("tasks", task_id, {"hs_task_status": "COMPLETED"})

    def remove_note(self, client: Any, note_id: str) -> None:
        client.archive("notes", note_id)

    def mirror(self, client: Any, account: str) -> dict:
        properties = client.get("companies", account, list(self.mirror_names), id_property="crm_account_id")["properties"]
        return {name: properties[name] for name in self.mirror_names}

    def set_mirror(self, client: Any, account: str, band: str) -> None:
        client.update("companies", self.company(client, account), {"vim_risk_band": band})


class PlanhatOrg(Org):
    name, address = "planhat", "planhat_base_url"
    note_write, task_write, mirror_write = ("PUT", "/conversations"), ("PUT", "/tasks"), ("PUT", "/companies")
    objects = ("conversations", "tasks")
    mirror_names = ("VIM Phase", "VIM Risk Band", "VIM Risk Score", "VIM Muda Waste", "VIM Assessed At")

    def target(self, settings: Settings, options: TransportOptions) -> PlanhatTarget:
        free = replace(options, limiter=Limiter(1e9, 10**6))  # Planhat's 200 a minute, shared by a process, would take minutes of the tests
        return make_planhat(settings.model_copy(update={"planhat_base_url": self.credentials["planhat_base_url"]}), "externalId", free)

    def new_account(self, client: Any) -> str:
        key = f"ACC-{uuid.uuid4().hex[:10]}"
        client.upsert_many("companies", [{"externalId": key, "name": "Customer under test"}])
        return key

    def company(self, client: Any, account: str) -> dict:
        return client.get("companies", account, by="externalId")

    def _of(self, client: Any, account: str, model: str, select: tuple[str, ...]) -> list[dict]:
        return list(client.records(model, select, company_ids=[self.company(client, account)["_id"]]))

    def notes(self, client: Any, account: str) -> list[dict]:
        rows = self._of(client, account, "conversations", ("type", "description"))
        return [{"id": row["_id"], "text": text_of(row["description"])} for row in rows if row["type"] == "note"]

    def tasks(self, client: Any, account: str) -> list[dict]:
        rows = self._of(client, account, "tasks", ("action", "startTime", "ownerId"))
        emails = {user["_id"]: user["email"] for user in client.users()}
        return [{"id": row["_id"], "subject": row["action"], "due": row["startTime"][:10], "owner": emails.get(row.get("ownerId"))} for row in rows]

    def edit_note(self, client: Any, note_id: str, text: str) -> None:
        client.upsert_many("conversations", [{"_id": note_id, "description": text}])

    def finish_task(self, client: Any, task_id: str) -> None:
        client.upsert_many("tasks", [{"_id": task_id, "status": "Done"}])

    def remove_note(self, client: Any, note_id: str) -> None:
        client.delete("conversations", note_id)

    def mirror(self, client: Any, account: str) -> dict:
        custom = self.company(client, account).get("custom", {})
        return {name: custom.get(name) for name in self.mirror_names}

    def set_mirror(self, client: Any, account: str, band: str) -> None:
        client.upsert_many("companies", [{"externalId": account, "custom.VIM Risk Band": band}])


ORGS: dict[str, type] = {"salesforce": SalesforceOrg, "hubspot": HubSpotOrg, "planhat": PlanhatOrg}
