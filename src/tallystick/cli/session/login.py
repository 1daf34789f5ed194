"""`tally login`, `logout`, `whoami`: who one is at a console, and at the gateway beside it."""

import json
import sys
import webbrowser
from base64 import urlsafe_b64decode
from dataclasses import replace
from pathlib import Path
from time import time  # noqa: TID251 - the command line is an edge: it runs once, and now
from typing import TYPE_CHECKING, Final

import click

from tallystick.cli.codes import NOT_SIGNED_IN, WRONG, CommandError
from tallystick.cli.connection import Connection, connected
from tallystick.cli.output import Shape, at, say, shaped
from tallystick.cli.places import config_option, state_option
from tallystick.cli.session.callback import Callback
from tallystick.cli.session.kept import Kept, file, forget, keep, kept
from tallystick.settings import places

if TYPE_CHECKING:
    from tallystick.remote import sign_in

_WHOAMI: Final = {
    "NAME": "name",
    "KIND": "kind",
    "TENANT": "tenant",
    "ROLES": "held",
    "GROUPS": "groups",
    "CLIENT": "client",
    "ISSUER": "issuer",
    "CONSOLE": "console",
}


@click.command()
@config_option
@state_option
@click.option("--as", "person", help="DEVELOPMENT only: be a person of development-people.yaml on this machine.")
@click.option("--token-stdin", "piped", is_flag=True, help="Take an access token for the console from standard input.")
@click.option("--gateway", default="", help="The gateway for `tally call`. [default: the one that the console names]")
@click.option("--issuer", default="", help="Sign in there. [default: the console's only issuer]")
@click.option("--client-id", default="", help="The id of `tally` at the issuer. [default: it registers itself]")
@click.option("--ca-file", default="", help="Certificates (PEM) that vouch for console, gateway and issuer.")
@click.option("--no-browser", is_flag=True, help="Only print the address to open.")
@click.argument("url", required=False)
def login(url: str | None, person: str | None, **given: object) -> None:
    """Sign in at a console, for this and the following commands.

    URL is the console. A browser is opened; the tokens are kept in a file that only you can read.
    """
    options = {name: str(value) for name, value in given.items() if isinstance(value, str)}
    if person is not None:
        config, state = given["config"], given["state"]
        where = (config, state) if isinstance(config, Path) and isinstance(state, Path) else places()[:2]
        signed = _as(person, where, url or "", options["gateway"])
    elif not (url or places().url):
        message = "sign in where? Name the console: tally login https://..."
        raise CommandError(WRONG, message)
    elif given["piped"]:
        signed = _piped((url or places().url).rstrip("/"), options)
    else:
        signed = _through_browser((url or places().url).rstrip("/"), options, is_shown=not given["no_browser"])
    keep(signed)
    say(f"signed in at {signed.console}" + (f", and at {signed.gateway}" if signed.gateway else ""))


def _as(person: str, where: tuple[Path, Path], url: str, gateway: str) -> Kept:
    from tallystick.settings import Settings, parse_settings, read_directory  # noqa: PLC0415 - loaded when asked
    from tallystick.wiring import Places, token_for  # noqa: PLC0415 - loaded when it is asked

    config, state = where
    files = read_directory(config)
    settings = None if isinstance(files, tuple) else parse_settings(files)
    if not isinstance(settings, Settings):
        raise CommandError(WRONG, f"{config} is no configuration directory: name it with --config")
    console = (url or places().url or settings.console.public_url).rstrip("/")
    beside = (gateway or places().gateway or settings.gateway.public_url).rstrip("/")
    mine = Places(config, state)
    signed = Kept(console=console, gateway=beside, issuer="development")
    tokens = [token_for(mine, person, beside, audience) for audience in (console, beside)]
    return _with(signed, tokens[0], tokens[1])


def _piped(console: str, options: dict[str, str]) -> Kept:
    token = sys.stdin.read().strip()
    if not token or " " in token:
        raise CommandError(WRONG, "standard input holds no token")
    signed = Kept(console=console, gateway=options["gateway"].rstrip("/"), ca_file=options["ca_file"])
    audience = at(_claims(token), "aud")
    audiences: list[object] = list(audience) if isinstance(audience, list) else [audience]  # pyright: ignore[reportUnknownArgumentType] - JSON
    # A token that is for the gateway as well serves `tally call`, too.
    return _with(signed, token, token if signed.gateway in audiences else "")


def _through_browser(console: str, options: dict[str, str], *, is_shown: bool) -> Kept:
    from tallystick.remote import sign_in  # noqa: PLC0415 - loaded when it is asked

    ca_file = options["ca_file"] or None
    told = sign_in.protected(console, ca_file)
    resource = told.resource.rstrip("/")
    if resource != console:
        message = f"the console at {console} calls itself {resource}: sign in there. Run: tally login {resource}"
        raise CommandError(NOT_SIGNED_IN, message)
    gateway = (options["gateway"] or told.gateway).rstrip("/")
    issuer = sign_in.issuer_of(_chosen(options["issuer"], told.authorization_servers), ca_file)
    audiences = [resource, *([gateway] if gateway else [])]
    with Callback() as callback:
        begun = sign_in.begin(issuer, callback.url, audiences, options["client_id"], ca_file)
        say(f"Sign in at:\n  {begun.page}")
        if is_shown and sys.stdout.isatty():
            webbrowser.open(begun.page)
        tokens = sign_in.finish(issuer, begun, callback.wait(), resource, ca_file)
    signed = Kept(
        console=resource,
        gateway=gateway,
        issuer=issuer.issuer,
        token_endpoint=issuer.token_endpoint,
        client_id=begun.client_id,
        ca_file=options["ca_file"],
    )
    return _both(signed, tokens)


def _chosen(wanted: str, offered: list[str]) -> str:
    if wanted and wanted not in offered:
        raise CommandError(WRONG, f"the console takes no tokens of {wanted}; of: {', '.join(offered) or 'nobody'}")
    if not wanted and len(offered) != 1:
        listed = ", ".join(offered) or "none"
        raise CommandError(
            WRONG, f"the console takes tokens of several issuers or none ({listed}): choose with --issuer"
        )
    return wanted or offered[0]


def _both(signed: Kept, first: "sign_in.Tokens") -> Kept:
    """Return the sign-in with a token for each of console and gateway: one token is never for both."""
    until = str(time() + first.expires_in)
    signed = replace(signed, console_token=first.access_token, console_until=until, refresh=first.refresh_token)
    if not signed.gateway or not signed.refresh:
        return signed
    from tallystick.remote import sign_in  # noqa: PLC0415 - loaded when it is asked

    other = sign_in.renew(
        signed.token_endpoint, signed.client_id, signed.refresh, signed.gateway, signed.ca_file or None
    )
    return replace(
        signed,
        gateway_token=other.access_token,
        gateway_until=str(time() + other.expires_in),
        refresh=other.refresh_token or signed.refresh,
    )


def _with(signed: Kept, console: str, gateway: str) -> Kept:
    return replace(
        signed,
        console_token=console,
        console_until=_until(console),
        gateway_token=gateway,
        gateway_until=_until(gateway),
    )


def _until(token: str) -> str:
    found = at(_claims(token), "exp")
    return str(found if isinstance(found, (int, float)) else time() + 300 if token else 0)


def _claims(token: str) -> object:
    """Return the claims of a token, to know its end; whether it is valid is for the console to say."""
    parts = token.split(".")
    try:
        return json.loads(urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (ValueError, IndexError):
        return {}


@click.command()
def logout() -> None:
    """Forget who signed in on this account."""
    say("signed out" if forget() else f"nobody was signed in (there is no {file()})")


@click.command()
@connected
@shaped
def whoami(console: Connection, shape: Shape) -> None:
    """Say who the console takes you for, and which roles you have."""
    from tallystick.remote import plain  # noqa: PLC0415 - loaded when it is asked

    found = console.client().whoami()
    held = [f"{one.role} in {one.tenant or 'every tenant'}" for one in found.roles]
    shape.one({**plain(found), "held": held, "console": console.place}, _WHOAMI)
    if not held and kept().console == console.place:
        say("You have no role here: ask an owner to run `tally role grant ROLE person=" + found.name + "`.")
