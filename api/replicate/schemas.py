"""A model's JSON Schema as the OpenAPI schema of a version, which forms and clients are made from."""

from typing import Any

from models.entry import Entry

_KEPT = ("title", "description", "default", "minimum", "maximum", "multipleOf", "minLength", "maxLength", "enum")
_OUTPUT = {"type": "array", "items": {"type": "string", "format": "uri"}, "title": "Output"}
_STATUSES = ["starting", "processing", "succeeded", "canceled", "failed"]


def openapi_schema(entry: Entry) -> dict[str, Any]:
    """OpenAPI 3.0, with the members that their own versions have."""
    rules = entry.input.get("properties", {})
    properties = {name: _property(name, rule, order) for order, (name, rule) in enumerate(rules.items())}
    schemas: dict[str, Any] = {
        "Input": {"title": "Input", "type": "object", "properties": properties},
        "Output": _OUTPUT,
        "Status": {"title": "Status", "type": "string", "enum": _STATUSES},
    }
    if entry.input.get("required"):
        schemas["Input"]["required"] = entry.input["required"]
    return {
        "openapi": "3.0.2",
        "info": {"title": entry.name, "version": entry.version},
        "paths": {},
        "components": {"schemas": schemas},
    }


def _property(name: str, rule: Any, order: int) -> dict[str, Any]:
    """OpenAPI 3.0 knows one type a property, and says null beside it."""
    rule = rule if isinstance(rule, dict) else {}
    kinds = rule.get("type", [])
    named = [kind for kind in (kinds if isinstance(kinds, list) else [kinds]) if kind != "null"]
    shown = {key: rule[key] for key in _KEPT if key in rule} | {"x-order": order}
    shown.setdefault("title", name.replace("_", " ").capitalize())
    if "enum" in shown:
        shown["enum"] = [value for value in shown["enum"] if value is not None]
    if named:
        shown["type"] = named[0]
    if len(named) < (len(kinds) if isinstance(kinds, list) else 1) or None in rule.get("enum", ()):
        shown["nullable"] = True
    if rule.get("format") == "media":
        shown["format"] = "uri"
    return shown
