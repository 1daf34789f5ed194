"""The OpenAPI 3.1 document: the table of routes, the messages' own schemas, and those of the kinds' specs. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from http import HTTPStatus
from typing import Final

import msgspec

from tallystick.api.routes.model import Route
from tallystick.policy import console
from tallystick.registry import kinds
from tallystick.remote import messages
from tallystick.terms import TenantId

API: Final = "/api/v1"
_REFS: Final = "#/components/schemas/{name}"
_JSON: Final = "application/json"
_PROBLEM: Final = "application/problem+json"
_TEXT: Final[Mapping[str, object]] = {"type": "string"}
_NAME: Final[Mapping[str, object]] = {"type": "string", "pattern": "^[a-z0-9][a-z0-9-]{0,62}$"}
_ETAG: Final[Mapping[str, object]] = {"type": "string", "pattern": '^(\\*|"[0-9]+-[0-9]+")$'}
_KEY: Final[Mapping[str, object]] = {"type": "string", "pattern": "^[!-~]{1,255}$"}
_HOOK: Final[Mapping[str, object]] = {"type": "object"}
_TOLD: Final = ("owner", "version", "revision", "created", "changed")
"""Metadata that Tallystick says."""

ROLES: Final = ("owner", "admin", "operator", "reviewer", "developer", "auditor")


def document(routes: Sequence[Route]) -> dict[str, object]:
    """Return the description of all routes. It is the same for every installation."""
    paths: dict[str, dict[str, object]] = {}
    for route in routes:
        paths.setdefault(API + route.path, {})[route.method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "jsonSchemaDialect": "https://json-schema.org/draft/2020-12/schema",
        "info": {
            "title": "Tallystick console",
            "version": "v1",
            "summary": "Control state: what exists, who may use it, and in which state it is.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "security": [{"bearer": []}],
        "paths": paths,
        "components": {
            "schemas": dict(sorted(_schemas(routes).items())),
            "responses": {
                "Refused": {
                    "description": "Problem details (RFC 9457) with the reasons.",
                    "content": {_PROBLEM: {"schema": _ref("Problem")}},
                }
            },
            "securitySchemes": {
                "bearer": {
                    "type": "http",
                    "scheme": "bearer",
                    "bearerFormat": "JWT",
                    "description": "An access token whose audience is the console's public URL.",
                }
            },
        },
    }


def allowed(action: str) -> tuple[str, ...]:
    """Return the roles that may do something in their own tenant; of those everywhere only where that is what it takes.

    The policies of the roles are asked, so the document cannot say anything else than what is decided.
    """
    here = TenantId("x")
    noun = action.partition(":")[0]
    kind = next((kind for kind, name in console.NOUNS.items() if name == noun), "")
    return tuple(role for role in ROLES if console.permits(role, console.Question(action, here, kind)))


def _operation(route: Route) -> dict[str, object]:
    told: dict[str, object] = {
        "operationId": operation_id(route),
        "summary": route.summary,
        "tags": [route.path.split("/")[1]],
        "parameters": list(_parameters(route)),
        "responses": dict(_responses(route)),
    }
    if route.is_open:
        told["security"] = []
    if route.action in console.ACTIONS:
        told["x-roles"] = list(allowed(route.action))
    body = _body(route)
    return told if body is None else {**told, "requestBody": {"required": True, "content": body}}


def operation_id(route: Route) -> str:
    """Return a name that is unique in the document."""
    words = [word.strip("{}") for word in route.path.split("/") if word]
    return "_".join([route.method.lower(), *words]).replace(".", "_").replace("-", "_")


def _parameters(route: Route) -> Iterator[dict[str, object]]:
    if "{name}" in route.path:
        schema = {"type": "string", "pattern": f"^{kinds.POLICY_NAME}$"} if route.kind == "Policy" else _NAME
        yield {"name": "name", "in": "path", "required": True, "schema": schema}
    _, parts = msgspec.json.schema_components([route.query], ref_template=_REFS)
    struct = _object(parts[route.query.__name__])
    for name, schema in _object(struct.get("properties")).items():
        yield {"name": name, "in": "query", "required": name in _list(struct.get("required")), "schema": _plain(schema)}
    if route.is_versioned:
        text = "ETag of the version that the change is meant for. Needed where the resource exists."
        yield {"name": "If-Match", "in": "header", "schema": _ETAG, "description": text}
    if route.method == "GET" and route.path.endswith("{name}") and route.kind:
        yield {"name": "If-None-Match", "in": "header", "schema": _TEXT}
    if route.method == "POST" and not route.takes_any:
        text = "Sent again with the same key within a day, the request is done once and answered alike."
        yield {"name": "Idempotency-Key", "in": "header", "schema": _KEY, "description": text}


def _body(route: Route) -> dict[str, object] | None:
    if route.method == "PATCH":
        return {route.media: {"schema": {"type": "object"}}}
    if route.takes_any:
        return {_JSON: {"schema": _HOOK}}
    if route.takes is None:
        return None
    name = f"{route.kind}Wanted" if route.takes is messages.resources.Resource else route.takes.__name__
    return {_JSON: {"schema": _ref(name)}}


def _responses(route: Route) -> Iterator[tuple[str, object]]:
    success: dict[str, object] = {"description": "Done."}
    if route.gives is not None:
        name = route.kind if route.gives is messages.resources.Resource else route.gives.__name__
        content: dict[str, object] = {_JSON: {"schema": _ref(name)}}
        if route.is_stream:
            content["text/event-stream"] = {"schema": _TEXT}
        success["content"] = content
        if route.gives is messages.resources.Resource:
            success["headers"] = {"ETag": {"schema": _ETAG, "required": True}}
    yield str(route.status), success
    if route.method == "PUT":
        yield "201", {**success, "description": "Created."}
    if route.method == "GET" and route.gives is messages.resources.Resource:
        yield "304", {"description": "It is still the version of If-None-Match."}
    for status in sorted(_refusals(route)):
        yield str(int(status)), {"$ref": "#/components/responses/Refused"}


def _refusals(route: Route) -> set[HTTPStatus]:
    found = {HTTPStatus.BAD_REQUEST, HTTPStatus.FORBIDDEN, HTTPStatus.REQUEST_ENTITY_TOO_LARGE}
    found |= {HTTPStatus.INTERNAL_SERVER_ERROR, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.TOO_MANY_REQUESTS}
    found |= {HTTPStatus.UNAUTHORIZED, HTTPStatus.UNSUPPORTED_MEDIA_TYPE}
    if "{name}" in route.path:
        found |= {HTTPStatus.NOT_FOUND}
    if route.method == "POST" or route.is_versioned:
        found |= {HTTPStatus.CONFLICT, HTTPStatus.UNPROCESSABLE_ENTITY, HTTPStatus.NOT_FOUND}
    if route.is_versioned:
        found |= {HTTPStatus.PRECONDITION_FAILED, HTTPStatus.PRECONDITION_REQUIRED}
    if "cursor" in route.query.__struct_fields__:
        found |= {HTTPStatus.UNPROCESSABLE_ENTITY}
    if route.action == "server:scan":
        found |= {HTTPStatus.BAD_GATEWAY}
    return found


def _schemas(routes: Sequence[Route]) -> dict[str, object]:
    used = {kind for route in routes for kind in (route.gives, route.takes) if kind is not None}
    types = sorted({*used, messages.told.Problem}, key=lambda kind: kind.__name__)
    _, parts = msgspec.json.schema_components(types, schema_hook=_anything, ref_template=_REFS)
    schemas: dict[str, object] = {name: _plain(schema) for name, schema in parts.items()}
    metadata = _object(schemas["Metadata"])
    fields = _object(metadata["properties"])
    for name in _TOLD:
        fields[name] = {**_object(fields[name]), "readOnly": True}
    schemas["Metadata"] = {**metadata, "properties": fields}
    for kind in messages.resources.PLURALS.values():
        schemas[f"{kind}Spec"], rules = _spec(kind)
        schemas["ArgumentRule"] = rules
        schemas[f"{kind}Wanted"] = _of_kind(_object(schemas["Resource"]), kind, wanted=True)
        schemas[kind] = _of_kind(_object(schemas["Resource"]), kind, wanted=False)
    return schemas


def _spec(kind: str) -> tuple[object, object]:
    """Return the schema of a kind's spec and that of an argument rule, which stand side by side in the document."""
    schema = kinds.spec_schema(kind)
    definitions = _object(schema["$defs"])
    spec = {name: part for name, part in schema.items() if name not in {"$schema", "$defs"}}
    return _moved(spec), _moved(definitions["rule"])


def _moved(schema: object) -> object:
    if isinstance(schema, list | tuple):
        return [_moved(part) for part in _list(schema)]  # pyright: ignore[reportUnknownArgumentType] - JSON
    if not isinstance(schema, Mapping):
        return schema
    return {
        name: "#/components/schemas/ArgumentRule" if (name, part) == ("$ref", "#/$defs/rule") else _moved(part)
        for name, part in _object(schema).items()  # pyright: ignore[reportUnknownArgumentType] - JSON
    }


def _of_kind(resource: Mapping[str, object], kind: str, *, wanted: bool) -> dict[str, object]:
    """Return the schema of one kind of resource: what is sent, or what is told (of which the spec may be older)."""
    spec = _ref(f"{kind}Spec") if wanted else {"type": "object"}
    properties = {**_object(resource["properties"]), "kind": {"const": kind}, "spec": spec}
    return {**resource, "properties": properties, "title": kind, "description": kinds.KINDS[kind].doc}


def _anything(kind: type) -> dict[str, object]:
    """Return the schema of a value that may be anything."""
    if kind is object:
        return {"description": "any value"}
    raise NotImplementedError(kind)


def _ref(name: str) -> dict[str, object]:
    return {"$ref": _REFS.format(name=name)}


def _plain(value: object) -> object:
    return msgspec.to_builtins(value)


def _object(value: object) -> dict[str, object]:
    return msgspec.convert(value, dict[str, object]) if isinstance(value, Mapping) else {}


def _list(value: object) -> list[object]:
    return msgspec.convert(value, list[object]) if isinstance(value, list | tuple) else []
