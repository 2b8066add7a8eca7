"""What a CRM must have before the first write: shipped as files from one definition, and made in an org that has nothing of ours."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import httpx
import pytest
from approval_drafts import ask_and_approve
from orgs import ORGS
from stores import settings_for

from vim_pipelines.core.errors import VimError
from vim_pipelines.doctor import mend
from vim_pipelines.store import open_store
from vim_pipelines.vendors.http import RetryPolicy, TransportOptions, VendorError
from vim_pipelines.writeback import fields
from vim_pipelines.writeback.actions import WRITABLE
from vim_pipelines.writeback.apply import write_back
from vim_pipelines.writeback.provision import provisioner_of
from vim_pipelines.writeback.provision.files import deploy_files
from vim_pipelines.writeback.provision.salesforce_metadata import package_files
from vim_pipelines.writeback.targets import hubspot, planhat
from vim_pipelines.writeback.targets.salesforce import KEY, LINK

DEPLOY = Path(__file__).resolve().parents[2] / "deploy" / "crm"
SPACE = "{http://soap.sforce.com/2006/04/metadata}"
OPTIONS = TransportOptions(timeout_seconds=5, retry=RetryPolicy(attempts=2, base_seconds=0.01))
METADATA_TYPES = {
    "text": "Text", "long_text": "LongTextArea", "number": "Number", "money": "Currency", "moment": "DateTime", "date": "Date", "email": "Email",
    "choice": "Picklist", "account": "Lookup",
}  # fmt: skip


def text(root, name):
    return root.findtext(f"{SPACE}{name}")


# --- the files --------------------------------------------------------------------------------------------------------


def test_the_folder_holds_what_the_definition_says_and_nothing_else() -> None:
    """After a change of `writeback/fields.py`: python -m vim_pipelines.writeback.provision.files deploy/crm"""
    found = {str(path.relative_to(DEPLOY)): path.read_text(encoding="utf-8") for path in DEPLOY.rglob("*") if path.is_file() and path.name != "README.md"}
    assert found == deploy_files()


def test_every_field_that_is_written_has_its_file_with_type_and_length() -> None:
    ours = {(record.name, item.name): item for record in fields.RECORDS.values() for item in record.ours()}
    written = {(name, field) for name, names in WRITABLE.items() for field in names if field.endswith("__c")} | {("VIM_Draft__c", KEY), ("VIM_Draft__c", LINK)}
    assert written <= set(ours)
    for (name, field), item in ours.items():
        home = "Activity" if name == "Task" else name
        root = ElementTree.parse(DEPLOY / f"salesforce/force-app/main/default/objects/{home}/fields/{field}.field-meta.xml").getroot()
        assert (root.tag, text(root, "fullName"), text(root, "type")) == (f"{SPACE}CustomField", field, METADATA_TYPES[item.kind])
        assert text(root, "length") == (str(item.length) if item.kind in ("text", "long_text") else None)
        assert [value.findtext(f"{SPACE}fullName") for value in root.iter(f"{SPACE}value")] == list(item.values)
    key = ElementTree.parse(DEPLOY / f"salesforce/force-app/main/default/objects/VIM_Draft__c/fields/{KEY}.field-meta.xml").getroot()
    assert (text(key, "externalId"), text(key, "unique")) == ("true", "true")


def test_the_permission_set_grants_exactly_what_is_written() -> None:
    """Edit on one field too many, and the approval of the field list means nothing."""
    root = ElementTree.parse(DEPLOY / "salesforce/force-app/main/default/permissionsets/VIM_Integration.permissionset-meta.xml").getroot()
    granted = {text(item, "field"): text(item, "editable") for item in root.iter(f"{SPACE}fieldPermissions")}
    ours = {f"{record.name}.{item.name}": item for record in fields.RECORDS.values() for item in record.ours()}
    assert set(granted) == {name for name, item in ours.items() if not item.is_required}, "a required field cannot have a field permission"
    assert {name for name, editable in granted.items() if editable == "false"} == {"Task.VIM_Decision__c", "Task.VIM_Decision_Note__c"}
    objects = {text(item, "object"): item for item in root.iter(f"{SPACE}objectPermissions")}
    assert {name for name, item in objects.items() if text(item, "allowCreate") == "true"} == {"VIM_Draft__c"}
    assert {name for name, item in objects.items() if text(item, "allowEdit") == "true"} == {"VIM_Draft__c", "Account"}
    assert all(text(item, "modifyAllRecords") == "false" for item in objects.values())


def test_the_manifest_names_every_component() -> None:
    root = ElementTree.parse(DEPLOY / "salesforce/manifest/package.xml").getroot()
    named = {item.text for item in root.iter(f"{SPACE}members")}
    assert named == {"VIM_Draft__c", "VIM_Integration"} | {
        f"{'Activity' if record.name == 'Task' else record.name}.{item.name}" for record in fields.RECORDS.values() for item in record.ours()
    }


def test_hubspot_and_planhat_have_one_field_for_each_of_the_mirror() -> None:
    properties = json.loads((DEPLOY / "hubspot/properties.companies.json").read_text())["inputs"]
    assert [item["name"] for item in properties] == list(hubspot.MIRROR.values())
    custom = json.loads((DEPLOY / "planhat/customfields.json").read_text())
    assert [f"custom.{item['name']}" for item in custom] == list(planhat.MIRROR.values())
    assert all(item["description"] for item in properties)


def test_a_package_holds_only_what_is_missing() -> None:
    """A deployment writes over what is there: a field that somebody made longer would shrink."""
    files = package_files([], [("Account", "VIM_Phase__c")], with_permission_set=False)
    assert set(files) == {"objects/Account.object", "package.xml"}
    assert "VIM_Phase__c" in files["objects/Account.object"] and "VIM_Risk_Band__c" not in files["objects/Account.object"]
    assert "<nameField>" not in files["objects/Account.object"]


# --- the CRMs ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def bare(own_crms):
    """The three CRMs without anything of ours."""
    own_crms["salesforce"].control("org", {"bare": True})
    for item in fields.mirror():
        own_crms["hubspot"].control("schema", {"object": "companies", "field": item.hubspot_name, "change": "remove"})
        own_crms["planhat"].control("schema", {"object": "companies", "field": f"custom.{item.planhat_name}", "change": "remove"})
    return own_crms


@pytest.fixture
def store_url(tmp_path):
    return f"sqlite:///{tmp_path / 'operations.db'}"


@pytest.fixture(params=ORGS)
def org(bare, request):
    return bare[request.param]


def states(org, settings):
    with org.target(settings, OPTIONS) as target:
        return {need.name: need.state for need in provisioner_of(org.name, target.client).needs()}


def test_an_org_without_anything_of_ours_gets_it_once_and_can_be_written_to(org, store_url, tmp_path, now) -> None:
    settings = settings_for(store_url, tmp_path, write_mode="live", write_target=org.name, **org.credentials)
    before = states(org, settings)
    missing = {name for name, state in before.items() if state == "missing"}
    assert len(missing) == (23 if org.name == "salesforce" else 5) and not {"wrong", "closed"} & set(before.values())
    made = list(mend(settings))
    assert len(made) >= 5 and all(line.startswith(f"{org.name}: made ") for line in made)
    assert set(states(org, settings).values()) == {"ok"}
    requests = [item for item in org.requests() if item["method"] not in ("GET", "HEAD")]
    assert list(mend(settings)) == [f"{org.name}: nothing is missing"]
    again = [item for item in org.requests() if item["method"] not in ("GET", "HEAD") and "oauth2" not in item["path"]]
    assert len(again) == len([item for item in requests if "oauth2" not in item["path"]]), "a second run sends no write"
    store = open_store(settings)
    with org.target(settings, OPTIONS) as crm:
        account = org.new_account(crm.client)
        request_id = ask_and_approve(store, account)
        assert write_back(store, crm, request_id, settings=settings, now=now).state == "verified"
        assert crm.update_many({account: crm.mirror_fields({"VIM_Risk_Band__c": "red", "VIM_Phase__c": "4 Value"})})[account].outcome == "done"
    store.engine.dispose()


def test_a_field_of_another_type_is_told_and_left_alone(bare, store_url, tmp_path) -> None:
    """Somebody made it, and has data in it."""
    changes = {
        "salesforce": ("Account", "VIM_Risk_Score__c", "string"),
        "hubspot": ("companies", "vim_risk_score", "string"),
        "planhat": ("companies", "custom.VIM Risk Score", "text"),
    }
    for name, (object_name, field, kind) in changes.items():
        org = bare[name]
        settings = settings_for(store_url, tmp_path, write_mode="live", write_target=name, **org.credentials)
        list(mend(settings))
        if name == "planhat":
            org.control("schema", {"object": object_name, "field": field, "change": "remove"})
            org.control("schema", {"object": object_name, "field": field, "change": "add", "type": kind})
        else:
            org.control("schema", {"object": object_name, "field": field, "change": "retype", "type": kind})
        found = states(org, settings)[f"{object_name}.{field.removeprefix('custom.')}"]
        assert found == "wrong", name
        assert list(mend(settings)) == [f"{name}: nothing is missing"]


def test_a_text_serves_for_a_choice(bare, store_url, tmp_path) -> None:
    """The risk band was a text before there was a list of its values; every value can be written to it."""
    org = bare["hubspot"]
    settings = settings_for(store_url, tmp_path, write_mode="live", write_target="hubspot", **org.credentials)
    list(mend(settings))
    org.control("schema", {"object": "companies", "field": "vim_risk_band", "change": "retype", "type": "string"})
    assert states(org, settings)["companies.vim_risk_band"] == "ok"


def test_a_field_that_is_hidden_from_us_is_not_deployed_over(bare, store_url, tmp_path) -> None:
    org = bare["salesforce"]
    settings = settings_for(store_url, tmp_path, write_mode="live", write_target="salesforce", **org.credentials)
    list(mend(settings))
    org.control("org", {"hide": [["Account", "VIM_Phase__c"]]})
    writes = len([item for item in org.requests() if "deployRequest" in item["path"]])
    with pytest.raises(VimError, match=r"VIM-E161 Account.VIM_Phase__c is in the org.*permission set"):
        list(mend(settings))
    assert len([item for item in org.requests() if "deployRequest" in item["path"]]) == writes


def test_without_the_right_nothing_is_made_and_the_way_by_hand_is_named(bare, store_url, tmp_path) -> None:
    org = bare["salesforce"]
    settings = settings_for(store_url, tmp_path, write_mode="off", write_target="salesforce", **org.credentials)
    org.control("org", {"bare": True, "may_customize": False})
    try:
        with pytest.raises(VimError, match=r"VIM-E161.*sf project deploy start"):
            list(mend(settings))
        assert states(org, settings)["VIM_Draft__c"] == "missing"
    finally:
        org.control("org", {"may_customize": True})


def test_the_sandbox_makes_fields_on_this_machine_only(store_url, tmp_path) -> None:
    settings = settings_for(store_url, tmp_path, write_target="planhat", planhat_base_url="https://api.planhat.com", planhat_api_token="x")
    with pytest.raises(VimError, match="VIM-E052"):
        list(mend(settings))


def test_a_malformed_package_is_refused_as_a_whole(bare) -> None:
    """The emulator's own promise: half a package would hide a mistake of ours."""
    org = bare["salesforce"]
    from vim_pipelines.settings import Settings

    with org.target(Settings(**org.credentials), OPTIONS) as target, pytest.raises(VendorError, match="VIM-E013"):
        target.client.deploy(b"not a zip")
    assert httpx.get(f"{org.credentials['salesforce_base_url']}/_sandbox/writes", trust_env=False).status_code == 200
