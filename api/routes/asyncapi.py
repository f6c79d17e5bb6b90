"""/asyncapi.json: what is told rather than asked, as an AsyncAPI 3.0 document. Its schemas are those of the models
that the socket checks and that /openapi.json shows; nothing is described twice."""

from functools import cache
from inspect import cleandoc
from typing import Any, Literal

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, ConfigDict
from pydantic.json_schema import models_json_schema

from api.shapes import frames
from api.shapes.documents import JobDocument
from api.shapes.groups import GroupDocument
from forms.requests import JobRequest

Document = dict[str, Any]

router = APIRouter(tags=["descriptions"])

_HEARD: dict[str, type[BaseModel]] = {
    "submit": frames.Submit,
    "subscribe": frames.Subscribe,
    "unsubscribe": frames.Unsubscribe,
    "cancel": frames.Cancel,
    "ping": frames.Ping,
}
_SAID: dict[str, type[BaseModel]] = {
    "accepted": frames.Accepted,
    "job": frames.JobFrame,
    "group": frames.GroupFrame,
    "error": frames.ErrorFrame,
    "pong": frames.Pong,
}
_ANSWERS = {
    "submit": ["accepted", "error"],
    "subscribe": ["job", "group", "error"],
    "unsubscribe": ["error"],
    "cancel": ["job", "group", "error"],
    "ping": ["pong"],
}


class _WebhookBody(BaseModel):
    model_config = ConfigDict(extra="forbid")

    timestamp: str
    data: JobDocument


class JobSubmitted(_WebhookBody):
    """The job was accepted. Only webhooks of rules are told so."""

    type: Literal["job.submitted"]


class JobStarted(_WebhookBody):
    """The job runs for the first time."""

    type: Literal["job.started"]


class JobCompleted(_WebhookBody):
    """The job has come to a final state, in whichever way."""

    type: Literal["job.completed"]


class GroupCompleted(BaseModel):
    """The group has ended, in whichever way."""

    model_config = ConfigDict(extra="forbid")

    type: Literal["group.completed"]
    timestamp: str
    data: GroupDocument


_CALLED: dict[str, type[BaseModel]] = {
    "job.submitted": JobSubmitted,
    "job.started": JobStarted,
    "job.completed": JobCompleted,
    "group.completed": GroupCompleted,
}

_EVENT_FIELDS = {
    "type": "object",
    "required": ["event", "id"],
    "properties": {
        "event": {"enum": ["job", "group"]},
        "id": {"type": "string", "pattern": "^[0-9]+$", "description": "`seq`; resume with it in Last-Event-ID"},
    },
}
_SIGNATURE_HEADERS = {
    "type": "object",
    "description": "Standard Webhooks: HMAC-SHA256 over `id.timestamp.body`, one signature for each valid secret",
    "required": ["webhook-id", "webhook-timestamp", "webhook-signature"],
    "properties": {
        "webhook-id": {"type": "string", "description": "The same at every try"},
        "webhook-timestamp": {"type": "string", "pattern": "^[0-9]+$", "description": "Seconds since 1970"},
        "webhook-signature": {"type": "string", "pattern": "^v1,[A-Za-z0-9+/]+=*( v1,[A-Za-z0-9+/]+=*)*$"},
    },
}


@router.get("/asyncapi.json", include_in_schema=False)
async def show_asyncapi(request: Request) -> Response:
    """The document."""
    return JSONResponse(asyncapi_document(request.app.version))


@cache
def asyncapi_document(version: str) -> Document:
    """Everything this server tells by itself, and what it hears on its socket."""
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Safelight",
            "version": version,
            "description": "How jobs are told of the moment they change. The requests are in /openapi.json.",
        },
        "defaultContentType": "application/json",
        "servers": _servers(),
        "channels": {
            "socket": _socket(),
            "events": _events("job", JobDocument),
            "groupEvents": _events("group", GroupDocument),
            "webhook": _webhook(),
        },
        "operations": {**_socket_operations(), **_http_operations()},
        "components": {"schemas": _schemas()},
    }


def _servers() -> Document:
    here = {"host": {"default": "127.0.0.1:8000", "description": "Where this document came from"}}
    there = {"receiver": {"description": "Whoever a job names"}}
    return {
        "socket": {"host": "{host}", "protocol": "ws", "description": "wss behind TLS", "variables": here},
        "http": {"host": "{host}", "protocol": "http", "description": "https behind TLS", "variables": here},
        "receiver": {"host": "{receiver}", "protocol": "https", "variables": there},
    }


def _socket() -> Document:
    ticket = {"type": "string", "description": "From POST /v1/ws-tickets, for browsers"}
    return {
        "address": "/v1/ws",
        "description": "JSON text frames. A client that connects and subscribes anew gets the present state first.",
        "servers": [{"$ref": "#/servers/socket"}],
        "messages": {name: _message(name, model) for name, model in {**_HEARD, **_SAID}.items()},
        "bindings": {"ws": {"method": "GET", "query": {"type": "object", "properties": {"ticket": ticket}}}},
    }


def _events(kind: str, model: type[BaseModel]) -> Document:
    return {
        "address": f"/v1/{kind}s/{{id}}/events",
        "description": "Server-sent events: the present state, then every change, until a final one. The message is "
        "an event's `data`, its headers are the event's other fields.",
        "servers": [{"$ref": "#/servers/http"}],
        "parameters": {"id": {"description": f"Of the {kind}"}},
        "messages": {kind: {**_message(kind, model), "headers": _EVENT_FIELDS}},
    }


def _webhook() -> Document:
    messages = {
        _key(name): {**_message(name, model), "headers": _SIGNATURE_HEADERS} for name, model in _CALLED.items()
    }
    return {
        "address": None,
        "description": "A POST to the URL in a job's or group's `webhook`, repeated until the receiver accepts it.",
        "servers": [{"$ref": "#/servers/receiver"}],
        "messages": messages,
    }


def _message(name: str, model: type[BaseModel]) -> Document:
    return {
        "name": name,
        "summary": cleandoc(model.__doc__ or ""),
        "payload": {"$ref": f"#/components/schemas/{model.__name__}"},
    }


def _socket_operations() -> Document:
    """From this server's point of view: it receives what clients say and sends what they hear."""
    heard = {
        name: {
            "action": "receive",
            "channel": {"$ref": "#/channels/socket"},
            "messages": _references("socket", [name]),
            "reply": {"channel": {"$ref": "#/channels/socket"}, "messages": _references("socket", _ANSWERS[name])},
        }
        for name in _HEARD
    }
    return {**heard, "tell": _sending("socket", ["job", "group", "error"])}


def _http_operations() -> Document:
    return {
        "stream": {**_sending("events", ["job"]), "bindings": {"http": {"method": "GET"}}},
        "streamGroup": {**_sending("groupEvents", ["group"]), "bindings": {"http": {"method": "GET"}}},
        "call": {**_sending("webhook", [_key(name) for name in _CALLED]), "bindings": {"http": {"method": "POST"}}},
    }


def _sending(channel: str, messages: list[str]) -> Document:
    return {
        "action": "send",
        "channel": {"$ref": f"#/channels/{channel}"},
        "messages": _references(channel, messages),
    }


def _key(event: str) -> str:
    """`job.completed` is `completed`, as a job's webhook names it."""
    return event.removeprefix("job.").replace(".", "_")


def _references(channel: str, messages: list[str]) -> list[Document]:
    return [{"$ref": f"#/channels/{channel}/messages/{name}"} for name in messages]


def _schemas() -> Document:
    models: list[type[BaseModel]] = [*_HEARD.values(), *_SAID.values(), *_CALLED.values(), JobRequest]
    _, made = models_json_schema(
        [(model, "validation") for model in models], ref_template="#/components/schemas/{model}"
    )
    schemas: Document = made["$defs"]
    schemas["Submit"]["properties"]["job"] = {"$ref": "#/components/schemas/JobRequest"}
    return schemas
