"""The pages of the REST API: its OpenAPI document, and the table of routes for people."""

import json
from collections.abc import Iterator

from tallystick.api import openapi
from tallystick.api.routes import ROUTES, Route
from tallystick.policy import console

_INTRO = """# REST API

Everything below `/api/v1` of the console, on its own listener (`console.listen_port`), never on the gateway's. The
[OpenAPI document](openapi.json) has every message; the console serves it at `/api/v1/openapi.json`.

## How to ask

- **Who.** `Authorization: Bearer <access token>` whose audience is the console's public URL (a token for the gateway
  is refused here, and one for the console there). On the unix socket `<state>/run/console.sock` no token is needed:
  callers are the operator, who owns everything.
- **What.** JSON, at most 1 MiB, read strictly: a key that is written twice, an unknown field or an unknown parameter
  is refused. `PATCH` takes a JSON Merge Patch (RFC 7396) as `application/merge-patch+json`.
- **Changes.** What exists is changed with the `ETag` that it was read with, as `If-Match`: without it the answer is
  428, with an old one 412. `?dry_run=true` says what would happen and changes nothing; `?take_over=true` has what
  another owner holds; `?why=` is kept in the history. An answer of success means that the change is on record and in
  force.
- **Twice.** A POST with an `Idempotency-Key` that is sent again within a day is done once and answered alike.
- **Lists.** At most 500 items a page; `next` is the cursor of the next one, with the same filters.
- **Following.** `GET /api/v1/changes` with `Accept: text/event-stream` tells every change as it comes in force. The
  id of an event is its revision: `Last-Event-ID` goes on after it, and no change is lost.
- **Refusals.** Problem details (RFC 9457) with `code`, `reasons` ([reason codes](reasons.md)), and where it helps
  `errors`, `unmet` and `version`. Every refusal is on record, under the route `console`.

## Roles

A [Role](resources.md) gives people, groups and agents one of six roles in a tenant, or everywhere. A plain name is
one of the role's own tenant; `<issuer>#<name>` names somebody of another one. Who acts for a person has the person's
role only where the role names the agent too. A firm's own policies may `forbid` more:
`Action::"console/<noun>:<verb>"`.



"""


def openapi_text() -> str:
    """The OpenAPI document, as it is published."""
    return json.dumps(openapi.document(ROUTES), indent=1, ensure_ascii=False) + "\n"


def api_page(mark: str) -> str:
    """The routes by noun, and who may use them."""
    lines = [mark + _INTRO + "| action | " + " | ".join(openapi.ROLES) + " |\n| --- |" + " --- |" * len(openapi.ROLES)]
    lines += [
        *_rights(),
        "",
        "What a developer puts, deletes or submits is a draft: what is approved is not theirs to change.",
    ]
    lines += ["Tenants and issuers take a role everywhere.\n", "## Routes\n"]
    lines += ["| route | action | what it does |\n| --- | --- | --- |", *map(_row, ROUTES), ""]
    return "\n".join(lines)


def _rights() -> Iterator[str]:
    for action in sorted(console.ACTIONS):
        allowed = openapi.allowed(action)
        yield f"| `{action}` | " + " | ".join("yes" if role in allowed else "" for role in openapi.ROLES) + " |"


def _row(route: Route) -> str:
    action = f"`{route.action}`" if route.action else ""
    return f"| `{route.method} {openapi.API}{route.path}` | {action} | {route.summary} |"
