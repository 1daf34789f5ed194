"""`tally witness`: a small server that internal audit runs elsewhere, so that no log can be rewritten unseen."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import click

from tallystick.audit import witness as room
from tallystick.cli.run.demo import INTERRUPTED, end_on_terminate
from tallystick.cli.terminal import tame
from tallystick.terms import TallyError

FAILED: Final = 1
_PORT_LIMIT: Final = 65_535
_ALGORITHMS: Final = ("ed25519", "mldsa44")

directory_option = click.option(
    "--state",
    "directory",
    required=True,
    type=click.Path(path_type=Path, file_okay=False),
    help="The witness's own directory: its keys, and what it has seen.",
)


@click.group()
def witness() -> None:
    """Watch logs of other machines: cosign what continues what was seen, and nothing else (C2SP tlog-witness)."""


@witness.command()
@directory_option
@click.option("--key-name", required=True, help="Name of the witness's keys, for example audit.bank.example/witness.")
def init(directory: Path, key_name: str) -> None:
    """Make a witness with new keys, and print its public keys."""
    state = room.WitnessState.create(directory, key_name)
    click.echo("".join(f"{verifier.vkey}\n" for verifier in state.verifiers), nl=False)


@witness.command("add-log")
@directory_option
@click.option("--every-year", is_flag=True, help="Know the logs of later and earlier years under the same keys.")
@click.argument("vkey", type=click.Path(path_type=Path, exists=True, dir_okay=False))
def add_log(directory: Path, vkey: Path, every_year: bool) -> None:  # noqa: FBT001 - click passes flags so
    """Know the log whose public keys are in the file VKEY, by these keys only. A running server need not restart."""
    state = room.WitnessState(directory)
    try:
        known = state.add_log(vkey.read_text(encoding="utf-8", errors="replace"), every_year=every_year)
    except TallyError as error:
        message = f"{vkey}: {error.message}. Get the file `vkey` of the log's directory"
        raise TallyError(code=error.code, message=message) from error
    click.echo(f"{known.origin} is known by:")
    for verifier in known.verifiers:
        click.echo(f"  {verifier.label}")


@witness.command()
@directory_option
@click.option("--url", default="", help="Where logs reach this witness.")
@click.option("-o", "output", required=True, type=click.Path(path_type=Path, dir_okay=False), help="File to write.")
def policy(directory: Path, url: str, output: Path) -> None:
    """Write the policy file (C2SP tlog-policy) of a log that asks this witness, and waits for both of its keys."""
    state = room.WitnessState(directory)
    names = [f"{state.name}:{algorithm}" for algorithm in _ALGORITHMS]
    lines = [
        f"witness {name} {verifier.vkey} {url}".rstrip() for name, verifier in zip(names, state.verifiers, strict=True)
    ]
    lines += [f"group {state.name} all {' '.join(names)}", f"quorum {state.name}"]
    try:
        output.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    except OSError as error:
        message = f"{output} cannot be written: {error.strerror}"
        raise TallyError(code="unavailable", message=message) from error
    click.echo(f"Policy of {state.name} written to {output}.")


@witness.command()
@directory_option
@click.option("--listen", "address", default="127.0.0.1:8443", show_default=True, metavar="HOST:PORT", help="Where.")
@click.option(
    "--tls-cert", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="Certificate chain, PEM."
)
@click.option("--tls-key", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="Its private key, PEM.")
@click.pass_context
def serve(context: click.Context, directory: Path, address: str, tls_cert: Path | None, tls_key: Path | None) -> None:
    """Answer logs and monitors until interrupted. Exit code 1: what was seen could not be stored any more."""
    if (tls_cert is None) != (tls_key is None):
        message = "--tls-cert and --tls-key go together"
        raise click.UsageError(message)
    tls = (tls_cert, tls_key) if tls_cert is not None and tls_key is not None else None
    state = room.WitnessState(directory)
    end_on_terminate()
    try:
        server = room.listen(state, _address(address), tls=tls)
    except OSError as error:
        message = f"cannot listen at {address}: {error}"
        raise TallyError(code="unavailable", message=message) from error
    click.echo(f"{state.name} listens at {server.url}")
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        context.exit(INTERRUPTED)
    finally:
        server.server_close()
    if server.failure is not None:
        click.echo(f"tally: {server.failure.message}", err=True)
        context.exit(FAILED)


@witness.command()
@directory_option
def show(directory: Path) -> None:
    """Print the keys, the logs, what was cosigned of each, and what was refused. Exit code 1: something was refused."""
    state = room.WitnessState(directory)
    for verifier in state.verifiers:
        click.echo(f"key {verifier.label}")
    for known in state.logs():
        click.echo(f"log {tame(known.origin)}: {', '.join(verifier.label for verifier in known.verifiers)}")
    for origin in state.origins():
        seen = state.seen(origin)
        click.echo(f"seen {tame(origin)}: {seen.size} leaves, root {seen.root.hex()}, {_time(seen.at)}")
    refusals = state.refusals()
    for refused in refusals:
        click.echo(f"REFUSED {tame(refused.origin)} {_time(refused.at)}: {refused.why}")
        click.echo("".join(f"  {tame(line[:200])}\n" for line in refused.note.splitlines()), nl=False)
    if refusals:
        click.get_current_context().exit(FAILED)


def _time(at: int) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _address(text: str) -> tuple[str, int]:
    host, found, port = text.rpartition(":")
    if not found or not port.isdecimal() or int(port) > _PORT_LIMIT:
        message = f"{text!r} is no HOST:PORT"
        raise click.UsageError(message)
    return host.removeprefix("[").removesuffix("]"), int(port)
