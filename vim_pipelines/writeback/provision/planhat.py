"""Planhat's side: five custom fields of the company. A note and a task need none: Planhat keeps our id on them by itself.

Body: planhat.com/developers/api, 'Custom Field' (`name`, `type`, `parent` and `isHidden` are required; `listValues` of a list).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from vim_pipelines.vendors.planhat import MODELS, PlanhatClient, client_from_settings
from vim_pipelines.writeback.fields import FieldDefinition, Kind, mirror
from vim_pipelines.writeback.provision.base import Need, Provisioner

if TYPE_CHECKING:
    from vim_pipelines.settings import Settings
    from vim_pipelines.vendors.http import TransportOptions

MODEL = "companies"
#: Planhat's word for each kind of the mirror; its `date` has a time, its `day` has none.
TYPES: dict[Kind, str] = {"text": "text", "choice": "list", "number": "number", "money": "number", "moment": "date"}


def custom_field(item: FieldDefinition) -> dict[str, Any]:
    """A field as Planhat's body for a new custom field; locked, for what people type there would be overwritten."""
    body: dict[str, Any] = {
        "name": item.planhat_name,
        "type": TYPES[item.kind],
        "parent": MODELS[MODEL][0],
        "isHidden": False,
        "isFeatured": False,
        "isShared": False,
        "isLocked": True,
    }
    return body | ({"listValues": list(item.values)} if item.values else {})


def definitions() -> list[dict[str, Any]]:
    """All of them, in order."""
    return [custom_field(item) for item in mirror()]


class PlanhatProvisioner(Provisioner):
    """One tenant."""

    by_hand: ClassVar[str] = "Give the service account the permission for custom fields, or make them in Planhat from deploy/crm/planhat"

    def __init__(self, client: PlanhatClient) -> None:
        self.client = client

    @property
    def address(self) -> str:
        """The API's address."""
        return str(self.client.http.base_url)

    def close(self) -> None:
        """Close the client."""
        self.client.close()

    def needs(self) -> list[Need]:
        """By the tenant's list of custom fields."""
        there = self.client.custom_fields(MODEL)
        return [_need(wanted, there.get(f"custom.{wanted['name']}")) for wanted in definitions()]

    def make(self, missing: Sequence[Need]) -> Iterator[str]:
        """One call a field: what was made before a refusal stays, and the next run goes on."""
        names = {need.field for need in missing}
        for body in definitions():
            if body["name"] in names:
                self.client.create_custom_field(body)
                yield f"{MODEL}.{body['name']}"


def of(client: PlanhatClient) -> PlanhatProvisioner:
    """Over an open client."""
    return PlanhatProvisioner(client)


def make(settings: Settings, options: TransportOptions | None = None) -> PlanhatProvisioner:
    """Of the tenant that the settings name."""
    return PlanhatProvisioner(client_from_settings(settings, options=options))


def _need(wanted: dict[str, Any], there: str | None) -> Need:
    if there is None:
        return Need(MODEL, wanted["name"], "missing")
    fits = there == wanted["type"] or (wanted["type"], there) == ("list", "text")  # a text takes every value of a choice
    return Need(MODEL, wanted["name"]) if fits else Need(MODEL, wanted["name"], "wrong", f"its type is {there}, not {wanted['type']}")
