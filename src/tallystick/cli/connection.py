"""Which console a command speaks to: --url, $TALLY_URL, the last `tally login`, or the socket of this machine."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar

import click

from tallystick.cli.codes import NOT_SIGNED_IN, UNREACHABLE, CommandError
from tallystick.settings import places

if TYPE_CHECKING:
    from tallystick.remote import Client, Gateway

F = TypeVar("F", bound=Callable[..., object])

_STATE: Final = "tallystick.state"
SOCKET: Final = Path("run/console.sock")
"""Where a Tallystick takes requests of this machine's user, below its state directory."""


class Connection(NamedTuple):
    """What a command was told of consoles; nothing is connected before somebody asks."""

    url: str
    state: Path

    @property
    def place(self) -> str:
        """Return the place of the console: a URL, or unix:<path>."""
        from tallystick.cli.session.kept import kept  # noqa: PLC0415 - loaded when it is asked

        return self.url or places().url or kept().console or f"unix:{self.socket}"

    @property
    def socket(self) -> Path:
        """Return the socket of the Tallystick that runs on this machine."""
        return (self.state / SOCKET).absolute()

    def client(self, timeout_s: float = 60.0) -> "Client":
        """Return a client of the console; raises CommandError where nothing was named and nothing runs here."""
        from tallystick.cli.session.kept import kept, token_of  # noqa: PLC0415 - loaded when it is asked
        from tallystick.remote import Client, read_place  # noqa: PLC0415 - loaded when it is asked

        place = self.place
        if place.startswith("unix:"):
            if not Path(place.removeprefix("unix:")).exists():
                raise CommandError(UNREACHABLE, _nobody(place))
            return Client(read_place(place), None, timeout_s)
        signed = kept()
        if signed.console != place.rstrip("/"):
            message = f"nobody is signed in at {place}. Run: tally login {place}"
            raise CommandError(NOT_SIGNED_IN, message)
        target = read_place(place, signed.ca_file or None)
        return Client(target, lambda: token_of(signed.console), timeout_s)

    def gateway(self, url: str) -> "Gateway":
        """Return an MCP client of the gateway, with the token of who signed in."""
        from tallystick.cli.session.kept import kept, token_of  # noqa: PLC0415 - loaded when it is asked
        from tallystick.remote import Gateway, read_place  # noqa: PLC0415 - loaded when it is asked

        signed = kept()
        target = (url or places().gateway or signed.gateway).rstrip("/")
        if not target:
            message = (
                "no gateway is known. Name one with --gateway or $TALLY_GATEWAY, and sign in: tally login, or "
                "tally login --as PERSON with the development issuer of this machine"
            )
            raise CommandError(NOT_SIGNED_IN, message)
        return Gateway(read_place(target, signed.ca_file or None), lambda: token_of(target))


def connected(command: F) -> F:
    """Give a command the parameter `console`: --url and --state."""
    command = click.option(
        "--state",
        type=click.Path(path_type=Path, file_okay=False),
        expose_value=False,
        is_eager=True,
        callback=_noted,
        help="State directory of the Tallystick on this machine. [default: $TALLY_STATE or ./var]",
    )(command)
    return click.option(
        "--url",
        "console",
        default="",
        callback=_connection,
        help="The console: https://..., or unix:<path>. [default: $TALLY_URL, the last login, or this machine's]",
    )(command)


def _noted(context: click.Context, parameter: click.Parameter, value: Path | None) -> None:
    del parameter
    context.meta[_STATE] = value or places().state


def _connection(context: click.Context, parameter: click.Parameter, value: str) -> Connection:
    del parameter
    found: object = context.meta.get(_STATE)
    return Connection(value, found if isinstance(found, Path) else places().state)


def _nobody(place: str) -> str:
    return (
        f"no Tallystick runs here (there is no {place}). Start one with `tally up`, name its state directory with "
        "--state, or sign in at another with `tally login URL`"
    )
