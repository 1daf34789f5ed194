"""Who signed in last: one file that only its owner can read, with tokens that are renewed before they end."""

import json
import os
import stat
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from time import time  # noqa: TID251 - the command line is an edge: it runs once, and now
from typing import Final

from tallystick.cli.codes import NOT_SIGNED_IN, CommandError
from tallystick.settings import places

FILE: Final = "sign-in.json"
_EARLY_S: Final = 30.0
"""Seconds before a token's end at which it is renewed: a request takes less."""
_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO


@dataclass(frozen=True, slots=True)
class Kept:
    """A sign-in. Empty texts: not there. `*_until` are seconds since the epoch, as texts."""

    console: str = ""
    gateway: str = ""
    issuer: str = ""
    token_endpoint: str = ""
    client_id: str = ""
    ca_file: str = ""
    refresh: str = ""
    console_token: str = ""
    console_until: str = "0"
    gateway_token: str = ""
    gateway_until: str = "0"

    def until(self, audience: str) -> float:
        """Return when the token for an audience ends; 0 where there is none."""
        return float(self.gateway_until if audience == self.gateway else self.console_until)


def file() -> Path:
    """Return where the sign-in is kept."""
    return places().client / FILE


def kept() -> Kept:
    """Return who signed in last; an empty one for nobody. Raises CommandError for a file that others can read."""
    place = file()
    try:
        if place.stat().st_mode & _OTHERS:
            message = f"others can read {place}, so it counts for nothing. Run: tally logout, then tally login"
            raise CommandError(NOT_SIGNED_IN, message)
        found: object = json.loads(place.read_bytes())
    except FileNotFoundError:
        return Kept()
    except (OSError, ValueError) as error:
        message = f"{place} cannot be read ({error}). Run: tally logout, then tally login"
        raise CommandError(NOT_SIGNED_IN, message) from error
    known = set(Kept.__slots__)
    members: dict[object, object] = dict(found) if isinstance(found, dict) else {}  # pyright: ignore[reportUnknownArgumentType] - JSON
    return Kept(**{str(name): str(value) for name, value in members.items() if name in known})


def keep(signed: Kept) -> None:
    """Keep a sign-in: written beside, then put in place; nobody else can read it at any time."""
    place = file()
    place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    beside = place.with_name(f".{place.name}.{os.getpid()}")
    try:
        with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:
            json.dump(asdict(signed), out)
        beside.replace(place)
    finally:
        beside.unlink(missing_ok=True)


def forget() -> bool:
    """Forget who signed in; whether there was anybody."""
    place = file()
    was_there = place.exists()
    place.unlink(missing_ok=True)
    return was_there


def token_of(audience: str) -> str:
    """Return a token for a console or a gateway, renewed where it is about to end; raises CommandError for nobody."""
    signed = kept()
    is_gateway = audience == signed.gateway
    token = signed.gateway_token if is_gateway else signed.console_token
    if audience not in {signed.console, signed.gateway} or not audience:
        raise CommandError(NOT_SIGNED_IN, f"nobody is signed in for {audience}. Run: tally login")
    if token and signed.until(audience) > time() + _EARLY_S:
        return token
    if not signed.refresh:
        raise CommandError(NOT_SIGNED_IN, f"the sign-in for {audience} is over. Run: tally login {signed.console}")
    from tallystick.remote import sign_in  # noqa: PLC0415 - most commands renew nothing

    new = sign_in.renew(signed.token_endpoint, signed.client_id, signed.refresh, audience, signed.ca_file or None)
    until = str(time() + new.expires_in)
    signed = replace(signed, refresh=new.refresh_token or signed.refresh)
    if is_gateway:
        keep(replace(signed, gateway_token=new.access_token, gateway_until=until))
    else:
        keep(replace(signed, console_token=new.access_token, console_until=until))
    return new.access_token
