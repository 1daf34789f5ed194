"""The one table of routes: from it come the application, its OpenAPI document and the tests of authorization."""

from collections.abc import Iterator
from typing import Final

from tallystick.api.routes.around import about, definitions, hooks, record
from tallystick.api.routes.model import Route
from tallystick.api.routes.state import changes, declare, search
from tallystick.api.routes.state.lifecycle import Reviewed, every_review
from tallystick.api.routes.state.resources import Kind
from tallystick.policy import console
from tallystick.remote import messages


def _of_kind(path: str, kind: messages.resources.Kind) -> Iterator[Route]:
    """Yield the routes that every kind of resource has."""
    noun = console.NOUNS[kind]
    of, one = Kind(kind), f"/{path}/{{name}}"
    resource = messages.resources.Resource
    yield Route(
        "GET", f"/{path}", f"{noun}:list", of.list, f"List {path}.",
        gives=messages.resources.Resources, query=messages.asked.Listing, kind=kind,
    )  # fmt: skip
    yield Route("GET", one, f"{noun}:get", of.get, f"Read a {noun} and its ETag.", gives=resource, kind=kind)
    yield Route(
        "PUT", one, f"{noun}:put", of.put, f"Create a {noun} or replace its spec.",
        gives=resource, takes=resource, query=messages.asked.Dry, kind=kind, is_versioned=True,
    )  # fmt: skip
    yield Route(
        "PATCH", one, f"{noun}:put", of.patch, f"Change parts of a {noun} (JSON Merge Patch, RFC 7396).",
        gives=resource, query=messages.asked.Dry, kind=kind, is_versioned=True, media="application/merge-patch+json",
    )  # fmt: skip
    yield Route(
        "DELETE", one, f"{noun}:delete", of.delete, f"Remove a {noun}; its history stays.",
        query=messages.asked.Dry, status=204, kind=kind, is_versioned=True,
    )  # fmt: skip
    yield Route(
        "GET", f"{one}/history", f"{noun}:history", of.history, f"Read every change of a {noun}, oldest first.",
        gives=messages.resources.Changes, query=messages.asked.Page, kind=kind,
    )  # fmt: skip


def _of_reviewed(path: str, kind: messages.resources.Kind) -> Iterator[Route]:
    noun, of = console.NOUNS[kind], Reviewed(kind)
    yield Route(
        "POST", f"/{path}/{{name}}/steps", f"{noun}:*", of.step,
        f"Take a step of the lifecycle with a {noun}, if its gates are met. Suspending needs no If-Match.",
        gives=messages.resources.Resource, takes=messages.asked.Step, query=messages.asked.Dry, kind=kind,
        is_versioned=True,
    )  # fmt: skip
    yield Route(
        "GET", f"/{path}/{{name}}/reviews", f"{noun}:reviews", of.reviews,
        f"Read the steps that were taken or refused with a {noun}.",
        gives=messages.resources.Reviews, kind=kind,
    )  # fmt: skip


_ABOUT: Final = (
    Route("GET", "/health", "", about.health, "Whether the console works.", gives=messages.told.Health, is_open=True),
    Route("GET", "/openapi.json", "", about.openapi, "This document.", is_open=True),
    Route("GET", "/whoami", "self:get", about.whoami, "Who the caller is taken for.", gives=messages.told.Whoami),
    Route(
        "GET", "/roles/check", "self:check", about.check, "Whether the caller may do something.",
        gives=messages.told.Verdict, query=messages.asked.Ability,
    ),
    Route(
        "GET", "/revision", "state:revision", about.revision, "The newest revision, and the one in force.",
        gives=messages.told.Revision,
    ),
    Route(
        "GET", "/snapshot", "state:snapshot", about.snapshot, "The state in force, its entrances and notices.",
        gives=messages.told.SnapshotView,
    ),
    Route(
        "GET", "/changes", "state:changes", changes.changes,
        "The history of everything in force, oldest first. With Accept: text/event-stream it goes on as events; "
        "Last-Event-ID goes on after one.",
        gives=messages.resources.Changes, query=messages.asked.Following, is_stream=True,
    ),
    Route(
        "GET", "/search", "state:search", search.search, "Find servers and tools: all words, and every filter.",
        gives=messages.told.Findings, query=messages.asked.Search,
    ),
    Route(
        "GET", "/tools", "state:search", search.tools, "List tools: all words, and every filter.",
        gives=messages.told.Findings, query=messages.asked.ToolSearch,
    ),
    Route(
        "GET", "/servers/{name}/tools", "server:get", search.tools_of, "List the tools of a server.",
        gives=messages.told.Findings, kind="Server",
    ),
    Route(
        "GET", "/servers/{name}/definition", "server:definition", definitions.show,
        "What a server says of itself: as approved, as seen last, and how they differ.",
        gives=messages.told.Definition, kind="Server",
    ),
    Route(
        "POST", "/servers/{name}/scan", "server:scan", definitions.scan,
        "Ask a server now what it says of itself; a difference is marked before this answers.",
        gives=messages.told.Definition, kind="Server",
    ),
    Route(
        "POST", "/plan", "state:plan", declare.plan, "What applying documents would do.",
        gives=messages.declared.Plan, takes=messages.asked.Documents,
    ),
    Route(
        "POST", "/apply", "state:*", declare.apply, "Apply documents as one change, all or none.",
        gives=messages.declared.Plan, takes=messages.asked.Documents,
    ),
    Route(
        "GET", "/export", "state:export", declare.export, "Documents of everything that the caller may read.",
        gives=messages.declared.Exported, query=messages.asked.Export,
    ),
    Route(
        "GET", "/record", "record:search", record.records, "Search the record, for oversight.",
        gives=messages.told.Records, query=messages.asked.Record,
    ),
    Route(
        "GET", "/denials", "denial:search", record.denials, "What was refused, for oversight.",
        gives=messages.told.Records, query=messages.asked.Denied,
    ),
    Route(
        "POST", "/hooks/{name}", "hook:receive", hooks.receive,
        "Where a ticketing system reports back. The signature of the message says whose it is.",
        gives=messages.told.Heard, is_open=True, takes_any=True,
    ),
    Route(
        "GET", "/reviews", "review:list", every_review, "Every step of every server and grant, for oversight.",
        gives=messages.resources.Reviews, query=messages.asked.Listing,
    ),
)  # fmt: skip

METADATA: Final = Route(
    "GET", "/.well-known/oauth-protected-resource", "", about.metadata, "Who issues tokens for the console (RFC 9728).",
    is_open=True,
)  # fmt: skip
"""Stands at the listener's root, beside the API."""

ROUTES: Final[tuple[Route, ...]] = (
    # `/roles/check` stands before `/roles/{name}`: no role can be called so.
    *_ABOUT,
    *(route for path, kind in messages.resources.PLURALS.items() for route in _of_kind(path, kind)),
    *(
        route
        for path, kind in messages.resources.PLURALS.items()
        if kind in messages.resources.REVIEWED
        for route in _of_reviewed(path, kind)
    ),
)
