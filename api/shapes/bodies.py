"""What request bodies look like, for /openapi.json: by this, routes describe the bodies that they read themselves."""

from typing import Any

from pydantic import BaseModel


def body_of(shape: type[BaseModel], *, required: bool = True) -> dict[str, Any]:
    """For a route's `openapi_extra`. What the shape is made of stands where it is used: a reference into the shape's
    own definitions would point to nowhere in the whole document."""
    schema = shape.model_json_schema()
    parts: dict[str, Any] = schema.pop("$defs", {})
    content = {"application/json": {"schema": _inlined(schema, parts)}}
    return {"requestBody": {"required": required, "content": content}}


def _inlined(schema: Any, parts: dict[str, Any]) -> Any:
    if isinstance(schema, list):
        return [_inlined(one, parts) for one in schema]
    if not isinstance(schema, dict):
        return schema
    if reference := schema.get("$ref"):
        beside = {name: value for name, value in schema.items() if name != "$ref"}
        return {**_inlined(parts[reference.removeprefix("#/$defs/")], parts), **beside}
    return {name: _inlined(value, parts) for name, value in schema.items()}
