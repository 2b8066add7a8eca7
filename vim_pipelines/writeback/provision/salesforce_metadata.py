"""Salesforce metadata of what write-back needs, from `writeback.fields`: as source files for `sf project deploy start`, and as a package to deploy. Pure.

Salesforce keeps custom fields of a Task under the object Activity, and permissions on them under Task. A field that is required has no field
permission, and the deployment of one fails. Format: 'Metadata API Developer Guide', CustomObject, CustomField, PermissionSet.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from xml.sax.saxutils import escape

from vim_pipelines.writeback.fields import RECORDS, FieldDefinition, RecordDefinition

VERSION = "66.0"
PERMISSION_SET = "VIM_Integration"
NAMESPACE = "http://soap.sforce.com/2006/04/metadata"
#: Read by the ready portfolio file; objects and fields of your own are granted by you.
READ_ONLY = ("Contact", "Contract", "Opportunity")
HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n'

Element = tuple[str, "str | list[Element]"]


def home_of(record: RecordDefinition) -> str:
    """The object under which the metadata of its fields stands."""
    return "Activity" if record.name == "Task" else record.name


def source_files() -> dict[str, str]:
    """Path (under `deploy/crm/salesforce`) to text: the project in source format."""
    files = {
        "sfdx-project.json": '{\n  "packageDirectories": [{"path": "force-app", "default": true}],\n  "namespace": "",\n'
        f'  "sourceApiVersion": "{VERSION}"\n}}\n',
        "manifest/package.xml": package_xml(_everything()),
    }
    base = "force-app/main/default"
    for record in RECORDS.values():
        folder = f"{base}/objects/{home_of(record)}"
        if record.is_ours:
            files[f"{folder}/{record.name}.object-meta.xml"] = _xml("CustomObject", _object(record))
        for item in record.ours():
            files[f"{folder}/fields/{item.name}.field-meta.xml"] = _xml("CustomField", _field(item))
    files[f"{base}/permissionsets/{PERMISSION_SET}.permissionset-meta.xml"] = permission_set()
    return files


def package_files(objects: Collection[str], fields: Collection[tuple[str, str]], *, with_permission_set: bool) -> dict[str, str]:
    """Path to text of a package in metadata format with only these objects (canonical names), (object, field) pairs, and the permission set or not."""
    files: dict[str, str] = {}
    members: list[tuple[str, str]] = []
    for record in RECORDS.values():
        wanted = [item for item in record.ours() if (record.name, item.name) in fields or record.name in objects]
        if not wanted and record.name not in objects:
            continue
        body = [("fields", _field(item)) for item in wanted]
        files[f"objects/{home_of(record)}.object"] = _xml("CustomObject", [*body, *(_object(record) if record.name in objects else [])])
        members += [("CustomObject", record.name)] if record.name in objects else []
        members += [("CustomField", f"{home_of(record)}.{item.name}") for item in wanted]
    if with_permission_set:
        files[f"permissionsets/{PERMISSION_SET}.permissionset"] = permission_set()
        members.append(("PermissionSet", PERMISSION_SET))
    files["package.xml"] = package_xml(members)
    return files


def package_xml(members: Iterable[tuple[str, str]]) -> str:
    """The manifest of (type, name) pairs."""
    by_type: dict[str, list[str]] = {}
    for kind, name in members:
        by_type.setdefault(kind, []).append(name)
    types: list[Element] = [("types", [*(("members", name) for name in names), ("name", kind)]) for kind, names in by_type.items()]
    return _xml("Package", [*types, ("version", VERSION)])


def permission_set() -> str:
    """Reads what is mapped, writes the project's objects and fields and Task, and nothing else."""
    elements: list[Element] = [
        ("description", "Value-in-Motion: reads what is mapped, writes only its own records, its own fields, and tasks."),
    ]
    for record in sorted(RECORDS.values(), key=lambda item: item.name):
        for item in sorted(record.ours(), key=lambda item: item.name):
            if not item.is_required:
                may_edit = "false" if item.writer == "person" else "true"
                elements.append(("fieldPermissions", [("editable", may_edit), ("field", f"{record.name}.{item.name}"), ("readable", "true")]))
    elements += [("hasActivationRequired", "false"), ("label", "Value-in-Motion Integration")]
    writes = {"Account": (False, True, False), "Task": (True, True, True), "VIM_Draft__c": (True, True, True)}
    for name in sorted({*READ_ONLY, *writes}):
        create, edit, delete = writes.get(name, (False, False, False))
        if name == "Task":
            continue  # tasks have no object permission: 'Edit Tasks' is a user permission
        grants = {"allowCreate": create, "allowDelete": delete, "allowEdit": edit, "allowRead": True, "modifyAllRecords": False}
        elements.append(("objectPermissions", [*((key, str(value).lower()) for key, value in grants.items()), ("object", name), ("viewAllRecords", "true")]))
    elements += [("userPermissions", [("enabled", "true"), ("name", right)]) for right in ("ApiEnabled", "EditTask")]
    return _xml("PermissionSet", elements)


def _everything() -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for record in RECORDS.values():
        found += [("CustomObject", record.name)] if record.is_ours else []
        found += [("CustomField", f"{home_of(record)}.{item.name}") for item in record.ours()]
    return [*found, ("PermissionSet", PERMISSION_SET)]


def _object(record: RecordDefinition) -> list[Element]:
    return [
        ("deploymentStatus", "Deployed"),
        ("description", record.description),
        ("label", record.label),
        ("nameField", [("displayFormat", "VIM-{000000}"), ("label", f"{record.label} Number"), ("type", "AutoNumber")]),
        ("pluralLabel", record.plural),
        ("sharingModel", "Read"),
    ]


def _field(item: FieldDefinition) -> list[Element]:
    elements: dict[str, str | list[Element]] = {"fullName": item.name, "label": item.label, "description": item.description}
    if item.kind == "text":
        elements |= {"length": str(item.length), "required": _flag(item.is_required), "type": "Text"}
        elements |= {"externalId": "true", "unique": "true", "caseSensitive": "false"} if item.is_unique else {}
    elif item.kind == "long_text":
        elements |= {"length": str(item.length), "type": "LongTextArea", "visibleLines": "20"}
    elif item.kind in ("number", "money"):
        elements |= {"precision": "18", "required": "false", "scale": "2", "type": "Number" if item.kind == "number" else "Currency"}
    elif item.kind == "choice":
        values: list[Element] = [
            ("value", [("fullName", value), ("default", "false"), ("label", value.replace("_", " ").capitalize())]) for value in item.values
        ]
        elements |= {"required": "false", "type": "Picklist"}
        elements |= {"valueSet": [("restricted", "true"), ("valueSetDefinition", [("sorted", "false"), *values])]}
    elif item.kind == "account":
        elements |= {"deleteConstraint": "Restrict", "referenceTo": "Account", "relationshipLabel": "VIM Drafts", "relationshipName": "VIM_Drafts"}
        elements |= {"required": _flag(item.is_required), "type": "Lookup"}
    else:
        elements |= {"required": "false", "type": {"moment": "DateTime", "date": "Date", "email": "Email"}[item.kind]}
    return list(elements.items())


def _flag(value: bool) -> str:
    return "true" if value else "false"


def _xml(root: str, elements: Iterable[Element]) -> str:
    return f'{HEAD}<{root} xmlns="{NAMESPACE}">\n{_lines(elements, 1)}</{root}>\n'


def _lines(elements: Iterable[Element], depth: int) -> str:
    indent = "    " * depth
    parts = []
    for name, value in elements:
        inner = escape(value) if isinstance(value, str) else f"\n{_lines(value, depth + 1)}{indent}"
        parts.append(f"{indent}<{name}>{inner}</{name}>\n")
    return "".join(parts)
