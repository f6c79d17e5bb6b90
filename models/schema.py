"""A model's input schema: what clients may leave out, what is media, and what was wrong, field by field."""

import json
from collections.abc import Mapping
from typing import Any

import jsonschema_rs

from jobs.errors import FieldFault


def allow_null(schema: dict[str, Any]) -> None:
    """Make explicit what JSON clients do anyway: an optional property may be sent as null."""
    required = schema.get("required", [])
    for name, rule in schema.get("properties", {}).items():
        if name not in required and isinstance(rule, dict):
            _widen(rule)


def media_inputs(schema: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """The properties of `format = "media"`, each with the media types it accepts.

    Raises:
        ValueError: one is no text, or says no types.
    """
    found: dict[str, tuple[str, ...]] = {}
    for name, rule in schema.get("properties", {}).items():
        if isinstance(rule, dict) and rule.get("format") == "media":
            types = rule.get("x-media")
            if "string" not in kinds(rule) or not types or not all(isinstance(one, str) for one in types):
                raise ValueError(f'input.properties.{name}: media has type = "string" and x-media = [media types]')
            found[name] = tuple(types)
    return found


def plain(value: Any, rule: Any) -> Any:
    """JSON Schema calls 128.0 an integer; a pipeline does not."""
    whole = isinstance(value, float) and value.is_integer() and "integer" in kinds(rule)
    return int(value) if whole else value


def kinds(rule: Any) -> list[str]:
    """The JSON types that a property may have."""
    named = rule.get("type", []) if isinstance(rule, dict) else []
    return named if isinstance(named, list) else [named]


def field_faults(fault: jsonschema_rs.ValidationError) -> list[FieldFault]:
    """What the schema has to say, by fields named `input.…`."""
    path = ["input", *(str(part) for part in fault.instance_path)]
    kind = fault.kind
    if isinstance(kind, jsonschema_rs.ValidationErrorKind.Required):
        return [FieldFault(".".join([*path, str(kind.property)]), "This field is required.")]
    if isinstance(kind, jsonschema_rs.ValidationErrorKind.AdditionalProperties):
        return [FieldFault(".".join([*path, name]), "There is no such field.") for name in kind.unexpected]
    if isinstance(kind, jsonschema_rs.ValidationErrorKind.Enum):
        return [FieldFault(".".join(path), f"Must be one of {json.dumps(kind.options)}.")]
    message = fault.message
    return [FieldFault(".".join(path), message if len(message) <= 300 else f"{message[:300]}…")]


def _widen(rule: dict[str, Any]) -> None:
    if "const" in rule:
        rule["enum"] = [rule.pop("const")]
    if "type" in rule:
        named = kinds(rule)
        rule["type"] = named if "null" in named else [*named, "null"]
    if "enum" in rule and None not in rule["enum"]:
        rule["enum"] = [*rule["enum"], None]
    if "oneOf" in rule:  # exactly one must match, and null may match one already
        rule["anyOf"] = [*rule.get("anyOf", []), {"oneOf": rule.pop("oneOf")}]
    if "anyOf" in rule:
        rule["anyOf"] = [*rule["anyOf"], {"type": "null"}]
