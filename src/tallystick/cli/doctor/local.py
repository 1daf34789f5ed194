"""Checks of this machine: configuration, record, keys, disk, sign-in."""

import shutil
import socket
import stat
from datetime import UTC, datetime
from pathlib import Path
from time import time  # noqa: TID251 - the command line is an edge: it runs once, and now
from typing import Final

from tallystick.cli.doctor.check import Check, Told
from tallystick.cli.session.kept import kept
from tallystick.cli.terminal import counted

_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO
_FREE: Final = 0.05
"""Share of the disk that has to be free: a full disk stops the record, and with it every call."""
_OLD_S: Final = 600.0
"""Seconds after which a head counts as old: while something runs, a heartbeat makes a new one every few minutes."""


def checks(config: Path, state: Path) -> list[Check]:
    """Return the checks of a configuration and a state directory, and of who signed in."""
    found = [Check("config", lambda: _config(config)), Check("sign-in", _sign_in)]
    if not state.is_dir():
        absent = Told("skipped", f"there is no {state}", "name the state directory with --state")
        return [*found, Check("state", lambda: absent)]
    return [
        *found,
        Check("record", lambda: _record(state)),
        Check("writer", lambda: _writer(state)),
        Check("key-files", lambda: _key_files(state)),
        Check("disk", lambda: _disk(state)),
    ]


def _config(config: Path) -> Told:
    if not config.is_dir():
        return Told("skipped", f"there is no {config}", "name the configuration directory with --config")
    from tallystick.wiring import check  # noqa: PLC0415 - loaded when it is asked

    compiled = check(config)
    said = f"{config}: {counted(len(compiled.routes), 'entrance')}, {counted(len(compiled.notices), 'notice')}"
    return Told("warning", said, "tally config check") if compiled.notices else Told("ok", said)


def _sign_in() -> Told:
    signed = kept()
    if not signed.console:
        return Told("skipped", "nobody is signed in; the socket of this machine is used", "tally login URL")
    left = signed.until(signed.console) - time()
    until = datetime.fromtimestamp(signed.until(signed.console), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    said = f"{signed.console}: the token ends at {until}"
    if left > 0:
        return Told("ok", said)
    return (
        Told("ok", f"{said}, and is renewed")
        if signed.refresh
        else Told("failed", said, f"tally login {signed.console}")
    )


def _record(state: Path) -> Told:
    from tallystick.audit import offline  # noqa: PLC0415 - loaded when it is asked

    logs = sorted(path.parent for path in (state / "audit").glob("*/*/checkpoint"))
    if not logs:
        return Told("skipped", "there is no record yet")
    sizes: list[str] = []
    for log in logs:
        followed = offline.Followed(offline.reader(log), offline.read_vkey(log).split("\n"))
        head = followed.refresh()
        sizes.append(f"{log.parent.name}/{log.name} {head.size}")
    age = time() - max((log / "checkpoint").stat().st_mtime for log in logs)
    said = f"heads are signed by their keys: {', '.join(sizes)}; the newest is {age:.0f} s old"
    return Told("ok", said, "tally audit verify checks every leaf" if age > _OLD_S else "")


def _writer(state: Path) -> Told:
    path = state / "run" / "audit.sock"
    if not path.exists():
        return Told("skipped", f"nothing runs here: there is no {path}", "tally up")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as near:
        near.settimeout(5.0)
        try:
            near.connect(str(path))
        except OSError as error:
            return Told("failed", f"{path}: {error}", "it was left behind: start tally up again")
    return Told("ok", f"{path} answers")


def _key_files(state: Path) -> Told:
    files = [path for path in (state / "keys").rglob("*") if path.is_file()]
    open_ = [path for path in files if path.stat().st_mode & _OTHERS]
    if open_:
        listed = ", ".join(map(str, open_))
        return Told("failed", f"others can read {listed}", f"chmod 600 {' '.join(map(str, open_))}")
    return Told("ok", f"{counted(len(files), 'key file')} for nobody else's eyes")


def _disk(state: Path) -> Told:
    total, _, free = shutil.disk_usage(state)
    said = f"{free / 2**30:.1f} GiB of {total / 2**30:.1f} GiB free"
    if free < _FREE * total:
        return Told("failed", said, "make room: a full disk stops the record, and with it every call")
    return Told("ok", said)
