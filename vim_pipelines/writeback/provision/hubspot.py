"""HubSpot's side: five properties of the company in a group of their own. A note and a task need none.

Paths and bodies: HubSpot's reference, 'Create a batch of properties' and 'Create a property group' (crm/properties, date-based version).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from vim_pipelines.vendors.hubspot import HubSpotClient, client_from_settings
from vim_pipelines.writeback.fields import FieldDefinition, Kind, mirror
from vim_pipelines.writeback.provision.base import Need, Provisioner

if TYPE_CHECKING:
    from vim_pipelines.settings import Settings
    from vim_pipelines.vendors.http import TransportOptions

OBJECT = "companies"
GROUP = {"name": "vim", "label": "Value-in-Motion", "displayOrder": -1}
#: HubSpot's `type` and `fieldType` for each kind of the mirror.
TYPES: dict[Kind, tuple[str, str]] = {
    "text": ("string", "text"),
    "choice": ("enumeration", "select"),
    "number": ("number", "number"),
    "money": ("number", "number"),
    "moment": ("datetime", "date"),
}


def property_definition(item: FieldDefinition) -> dict[str, Any]:
    """A field as HubSpot's body for a new property."""
    kind, control = TYPES[item.kind]
    return {
        "name": item.hubspot_name,
        "label": item.label,
        "type": kind,
        "fieldType": control,
        "groupName": GROUP["name"],
        "description": item.description,
        "hasUniqueValue": item.is_unique,
        "formField": False,
        "options": [{"label": value.capitalize(), "value": value, "displayOrder": place, "hidden": False} for place, value in enumerate(item.values)],
    }


def definitions() -> list[dict[str, Any]]:
    """All of them, in order."""
    return [property_definition(item) for item in mirror()]


class HubSpotProvisioner(Provisioner):
    """One account."""

    by_hand: ClassVar[str] = "Give the service key crm.schemas.companies.write for as long as it takes, or make them by hand from deploy/crm/hubspot"

    def __init__(self, client: HubSpotClient) -> None:
        self.client = client

    @property
    def address(self) -> str:
        """The API's address."""
        return str(self.client.http.base_url)

    def close(self) -> None:
        """Close the client."""
        self.client.close()

    def needs(self) -> list[Need]:
        """By the account's own definitions."""
        there = {str(item["name"]): item for item in self.client.describe(OBJECT)}
        return [_need(wanted, there.get(wanted["name"])) for wanted in definitions()]

    def make(self, missing: Sequence[Need]) -> Iterator[str]:
        """The group, if it is not there, and then all properties in one call."""
        names = {need.field for need in missing}
        if not names:
            return
        if GROUP["name"] not in self.client.property_groups(OBJECT):
            self.client.create_property_group(OBJECT, GROUP)
            yield f"{OBJECT}, group {GROUP['label']}"
        for name in self.client.create_properties(OBJECT, [item for item in definitions() if item["name"] in names]):
            yield f"{OBJECT}.{name}"


def of(client: HubSpotClient) -> HubSpotProvisioner:
    """Over an open client."""
    return HubSpotProvisioner(client)


def make(settings: Settings, options: TransportOptions | None = None) -> HubSpotProvisioner:
    """Of the account that the settings name."""
    return HubSpotProvisioner(client_from_settings(settings, options=options))


def _need(wanted: dict[str, Any], there: dict[str, Any] | None) -> Need:
    if there is None:
        return Need(OBJECT, wanted["name"], "missing")
    if (wanted["type"], there.get("type")) == ("enumeration", "string"):
        return Need(OBJECT, wanted["name"])  # a text takes every value of a choice
    if there.get("type") != wanted["type"]:
        return Need(OBJECT, wanted["name"], "wrong", f"its type is {there.get('type')}, not {wanted['type']}")
    lacking = [item["value"] for item in wanted["options"] if item["value"] not in {option.get("value") for option in there.get("options") or ()}]
    if lacking:
        return Need(OBJECT, wanted["name"], "wrong", f"it lacks the options {', '.join(lacking)}")
    if (there.get("modificationMetadata") or {}).get("readOnlyValue"):
        return Need(OBJECT, wanted["name"], "closed", "its value is read-only")
    return Need(OBJECT, wanted["name"])
