"""`tally grant`, `tally role`, `tally policy`, `tally secret`: who may what, and what nobody may read."""

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

import click

from tallystick.cli.branch import Tree, branch
from tallystick.cli.codes import DENIED, UNKNOWN, WRONG, CommandError
from tallystick.cli.connection import Connection, connected
from tallystick.cli.control.care import Care, careful
from tallystick.cli.control.kinds import GRANT, POLICY, ROLE, SECRET, branches
from tallystick.cli.control.steps import reviews, steps, take
from tallystick.cli.output import Shape, shaped

if TYPE_CHECKING:
    from tallystick.remote import Client, Versioned

_LISTS: Final = {"person": "people", "group": "groups", "agent": "agents", "client": "clients"}
_VERDICT: Final = {"ACTION": "action", "ALLOWED": "allowed", "REASONS": "reasons", "POLICIES": "policies"}

grant = Tree(
    "grant",
    "Ask for access to toolsets and servers, give it, take it back.",
    {
        **branches(GRANT, "list", "show", "history", "rm"),
        **steps(GRANT, {"approve": "approve", "reject": "reject", "renew": "renew", "revoke": "suspend"}),
        "reviews": reviews(GRANT),
        "request": branch("Ask for access; somebody else approves it.", "control.access", "request"),
    },
)
role = Tree(
    "role",
    "See and change who has which role at the console.",
    {
        **branches(ROLE),
        "grant": branch("Give somebody a role.", "control.access", "give"),
        "revoke": branch("Take a role back.", "control.access", "take_back"),
    },
)
policy = Tree(
    "policy",
    "Look at policies, and ask what you may.",
    {
        **branches(POLICY),
        "can-i": branch("Say whether you may do something at the console.", "control.access", "can_i"),
    },
)
secret = Tree(
    "secret",
    "Set values that nobody can read again.",
    {
        **branches(SECRET, "list", "rm"),
        "set": branch(
            "Set a secret: its value comes from standard input, or is typed unseen.", "control.access", "put"
        ),
    },
)


@click.command()
@connected
@careful
@click.option("--toolset", help="The toolset that it is about.")
@click.option("--server", help="The server that it is about; or a toolset.")
@click.option("--to", "whom", multiple=True, required=True, help="person=NAME, group=NAME, agent=NAME or client=NAME.")
@click.option("--purpose", required=True, help="What for.")
@click.option("--expires", required=True, help="When it ends (RFC 3339, such as 2027-06-30T18:00:00Z).")
@click.option("--tenant", help="Whose toolset it is; left out, it is looked up.")
@click.argument("name")
def request(console: Connection, care: Care, name: str, whom: tuple[str, ...], **given: str | None) -> None:
    """Ask for access; somebody else approves it."""
    from tallystick.remote import messages  # noqa: PLC0415 - loaded when it is asked

    client = console.client()
    about = {kind: named for kind in ("toolset", "server") if (named := given[kind])}
    if len(about) != 1:
        raise CommandError(WRONG, "a grant is about one thing: --toolset NAME or --server NAME")
    tenant = given["tenant"] or _tenant_of(client, about)
    people = _people(whom)
    spec: dict[str, object] = {**about, "to": people, "purpose": given["purpose"], "expires": given["expires"]}
    metadata = messages.resources.Metadata(name, tenant)
    client.put(messages.resources.Resource("Grant", metadata, spec), None, messages.asked.Dry(care.is_dry))
    if not care.is_dry:
        take(console, care, GRANT, name, messages.asked.Step("in_review"))
    care.tell(f"grant {name} waits for a review. Somebody else runs: tally grant approve {name}")


def _tenant_of(client: "Client", about: Mapping[str, str]) -> str:
    if "toolset" in about:
        return client.get("Toolset", about["toolset"]).resource.metadata.tenant
    return client.get("Server", about["server"]).resource.metadata.tenant


def _people(whom: tuple[str, ...]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for entry in whom:
        kind, mark, name = entry.partition("=")
        if not mark or not name or kind not in _LISTS:
            raise CommandError(WRONG, f"{entry!r} is none of {', '.join(f'{known}=NAME' for known in _LISTS)}")
        found.setdefault(_LISTS[kind], []).append(name)
    return found


def _changing(name: str, says: str) -> click.Command:
    @click.command(name, help=says)
    @connected
    @careful
    @click.option("--tenant", default="", help="In this tenant; left out: everywhere.")
    @click.option("--name", "called", help="Name of the Role resource. Default: <tenant or all>-<role>.")
    @click.argument("role")
    @click.argument("whom", nargs=-1, required=True, metavar="person=NAME|group=NAME|agent=NAME...")
    def command(console: Connection, care: Care, role: str, whom: tuple[str, ...], **given: str | None) -> None:
        tenant = given["tenant"] or ""
        _change(console, care, (given["called"] or f"{tenant or 'all'}-{role}", tenant, role), _people(whom), name)

    return command


give = _changing("grant", "Give somebody a role.")
take_back = _changing("revoke", "Take a role back.")


def _change(
    console: Connection, care: Care, which: tuple[str, str, str], people: Mapping[str, list[str]], verb: str
) -> None:
    from tallystick.remote import messages  # noqa: PLC0415 - loaded when it is asked

    name, tenant, role_ = which
    client = console.client()
    known = _known(client, name)
    if known is None and verb == "revoke":
        raise CommandError(UNKNOWN, f"there is no role {name}: see tally role list")
    spec: dict[str, object] = {"role": role_} if known is None else dict(known.resource.spec)
    if spec.get("role") != role_:
        raise CommandError(WRONG, f"{name} is a role of {spec.get('role')}: name another resource with --name")
    for field, names in people.items():
        had = spec.get(field)
        held: list[object] = list(had) if isinstance(had, list) else []  # pyright: ignore[reportUnknownArgumentType] - JSON
        texts = [str(one) for one in held]
        spec[field] = sorted({*texts, *names}) if verb == "grant" else [one for one in texts if one not in names]
    how = messages.asked.Dry(care.is_dry)
    metadata = messages.resources.Metadata(name, tenant) if known is None else known.resource.metadata
    etag = None if known is None else known.etag
    if known is not None and not any(spec.get(field) for field in ("people", "groups", "agents")):
        client.delete("Role", name, known.etag, how)
        care.tell(f"nobody is left in {name}: it is removed")
        return
    client.put(messages.resources.Resource("Role", metadata, spec), etag, how)
    care.tell(f"role {name} is changed")


def _known(client: "Client", name: str) -> "Versioned | None":
    from tallystick.remote import RemoteError  # noqa: PLC0415 - loaded when it is asked

    try:
        return client.get("Role", name)
    except RemoteError as error:
        if error.code != "not_found":
            raise
        return None


@click.command("can-i")
@connected
@shaped
@click.option("--tenant", default="", help="In this tenant.")
@click.argument("action", metavar="NOUN:VERB")
@click.argument("name", required=False)
@click.pass_context
def can_i(context: click.Context, console: Connection, shape: Shape, action: str, **given: str | None) -> None:
    """Say whether you may do something at the console.

    NOUN:VERB is an action such as server:approve; NAME is what to do it with. Exit code 5: you may not.
    """
    from tallystick.remote import messages, plain  # noqa: PLC0415 - loaded when it is asked

    noun, name = action.partition(":")[0], given["name"]
    kinds: dict[str, messages.resources.Kind] = {kind.lower(): kind for kind in messages.resources.PLURALS.values()}
    kind = kinds.get(noun) if name else None
    ability = messages.asked.Ability(action, given["tenant"] or "", kind, name if kind else None)
    verdict = console.client().can(ability)
    shape.one(plain(verdict), _VERDICT)
    if not verdict.allowed:
        context.exit(DENIED)


@click.command("set")
@connected
@careful
@click.option("--tenant", default="", help="Whose it is; left out: the whole installation's.")
@click.argument("name")
def put(console: Connection, care: Care, name: str, tenant: str) -> None:
    """Set a secret: its value comes from standard input, or is typed unseen."""
    from tallystick.remote import RemoteError, messages  # noqa: PLC0415 - loaded when it is asked

    value = _value(care)
    client, etag = console.client(), None
    try:
        known = client.get("Secret", name)
    except RemoteError as error:
        if error.code != "not_found":
            raise
    else:
        etag, tenant = known.etag, tenant or known.resource.metadata.tenant
    metadata = messages.resources.Metadata(name, tenant)
    wanted = messages.resources.Resource("Secret", metadata, {"value": value})
    client.put(wanted, etag, messages.asked.Dry(care.is_dry))
    care.tell(f"secret {name} is set")


def _value(care: Care) -> str:
    if not sys.stdin.isatty():
        # A line end at the end is the shell's, not the secret's.
        value = sys.stdin.read().removesuffix("\n")
    elif care.is_silent:
        raise CommandError(WRONG, "the value comes from standard input where nobody may be asked")
    else:
        value = click.prompt("Value", hide_input=True, confirmation_prompt=True, err=True)
    if not value:
        raise CommandError(WRONG, "standard input was empty: a secret has a value")
    return value
