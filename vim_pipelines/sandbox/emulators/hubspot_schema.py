"""Property groups and new properties of the emulated HubSpot account.

Follows HubSpot's reference of crm/properties (date-based): 'Create a batch of properties' (201; required: name, label, type, fieldType,
groupName), 'Create a property group' (201; 409 where the name is taken). Our reading: the batch is all or nothing, and a property whose name is
taken is HTTP 409. A property that was removed and made anew shows its old values; HubSpot would not.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from vim_pipelines.sandbox.emulators.hubspot_objects import ObjectType, Property
from vim_pipelines.sandbox.emulators.state import State

REQUIRED = ("name", "label", "type", "fieldType", "groupName")
FIELD_TYPES = {
    "string": ("text", "textarea", "file", "html", "phonenumber"),
    "number": ("number",),
    "bool": ("booleancheckbox",),
    "enumeration": ("select", "radio", "checkbox", "booleancheckbox"),
    "date": ("date",),
    "datetime": ("date",),
}


class PropertyError(Exception):
    """A refusal: HTTP status, category, message."""

    def __init__(self, status: int, category: str, message: str) -> None:
        super().__init__(message)
        self.status, self.category = status, category


class AccountSchema:
    """What was made in the account over the API; kept over a restart. `types` is the emulator's own dictionary."""

    def __init__(self, state: State, types: dict[str, ObjectType]) -> None:
        self._state, self._types = state, types
        self._groups: dict[str, list[dict[str, Any]]] = json.loads(state.meta("property_groups") or "{}")
        self.definitions: dict[str, dict[str, Any]] = json.loads(state.meta("property_definitions") or "{}")
        for key, definition in self.definitions.items():
            self._add(self._types[key.partition(".")[0]], definition)

    def groups(self, kind: ObjectType) -> list[dict[str, Any]]:
        """HubSpot's own group and those that were made."""
        own = {"name": f"{kind.singular}information", "label": f"{kind.singular.capitalize()} information", "displayOrder": 0, "archived": False}
        return [own, *self._groups.get(kind.name, [])]

    def create_group(self, kind: ObjectType, body: Mapping[str, Any]) -> dict[str, Any]:
        """A group by `name` and `label`."""
        if not body.get("name") or not body.get("label"):
            raise PropertyError(400, "VALIDATION_ERROR", "name and label are required")
        if body["name"] in {group["name"] for group in self.groups(kind)}:
            raise PropertyError(409, "CONFLICT", f"A property group named '{body['name']}' already exists")
        group = {"name": body["name"], "label": body["label"], "displayOrder": body.get("displayOrder", -1), "archived": False}
        self._groups.setdefault(kind.name, []).append(group)
        self._state.set_meta("property_groups", json.dumps(self._groups))
        return group

    def create_properties(self, kind: ObjectType, inputs: Sequence[Mapping[str, Any]]) -> None:
        """All of them or none."""
        for item in inputs:
            missing = [name for name in REQUIRED if not item.get(name)]
            if missing:
                raise PropertyError(400, "VALIDATION_ERROR", f"{', '.join(missing)} required")
            if item["fieldType"] not in FIELD_TYPES.get(item["type"], ()):
                raise PropertyError(400, "VALIDATION_ERROR", f"fieldType {item['fieldType']} does not go with type {item['type']}")
            if item["type"] == "enumeration" and not item.get("options"):
                raise PropertyError(400, "VALIDATION_ERROR", "an enumeration needs options")
            if item["groupName"] not in {group["name"] for group in self.groups(kind)}:
                raise PropertyError(400, "VALIDATION_ERROR", f"There is no property group {item['groupName']}")
            if item["name"] in kind.properties:
                raise PropertyError(409, "CONFLICT", f"A property named '{item['name']}' already exists")
        for item in inputs:
            self.definitions[f"{kind.name}.{item['name']}"] = dict(item)
            self._add(self._types[kind.name], item)
        self._state.set_meta("property_definitions", json.dumps(self.definitions))

    def shown(self, kind: ObjectType, definition: dict[str, Any]) -> dict[str, Any]:
        """A definition as the emulator shows it, with the words that it was made with."""
        made = self.definitions.get(f"{kind.name}.{definition['name']}", {})
        return definition | {name: made[name] for name in ("label", "description", "groupName", "fieldType") if name in made}

    def _add(self, kind: ObjectType, item: Mapping[str, Any]) -> None:
        options = tuple(option["value"] for option in item.get("options") or ())
        own = {one.name: one for one in kind.own} | {item["name"]: Property(item["name"], item["type"], bool(item.get("hasUniqueValue")), options=options)}
        self._state.add_column(kind.name, item["name"])
        self._types[kind.name] = replace(kind, own=tuple(own.values()))
