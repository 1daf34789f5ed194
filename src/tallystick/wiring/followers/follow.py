"""The process that follows the record: it starts a thread for each sink, and starts anew when the sinks change."""

import os
import select
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tallystick import export
from tallystick import settings as settings_room
from tallystick.audit.scale.options import parse_options
from tallystick.export.source import Directory, Source
from tallystick.terms import TallyError
from tallystick.wiring.compose import clock
from tallystick.wiring.configure import read, settings_of

LOOK_S: Final = 1.0
"""Between two looks at the configuration."""
STOP_S: Final = 20.0
"""What the threads get to end a delivery. One that is cut off is repeated by the next run."""


def sinks_in(config: Path) -> Mapping[str, export.SinkEntry]:
    """Return the sinks of a configuration directory; raises `TallyError` ("invalid") with every problem."""
    files = settings_room.read_directory(config)
    found = files if isinstance(files, tuple) else export.read_sinks(files)
    if isinstance(found, tuple):
        raise TallyError(code="invalid", message="\n".join(str(problem) for problem in found))
    return found


def source_of(config: Path, state: Path) -> Source:
    """Return where the published logs of an installation are; raises `TallyError`."""
    store = settings_of(read(config)).audit.store
    if not store.dsn_file:
        return Directory(state)
    try:
        from tallystick.wiring.followers.bucket import Bucket  # noqa: PLC0415 - boto3 is an extra
    except ImportError as error:
        message = "the record is in an object store, which needs boto3: install Tallystick with the extra `scale`"
        raise TallyError(code="unavailable", message=message) from error
    return Bucket(parse_options(store.to_json({})), clock)


@dataclass(frozen=True, slots=True)
class Following:
    """What is to be followed: all sinks of a configuration, or the named ones."""

    config: Path
    state: Path
    names: Sequence[str] = ()

    def sinks(self) -> Mapping[str, export.SinkEntry]:
        """Return the sinks that are meant; raises `TallyError`."""
        found = sinks_in(self.config)
        unknown = sorted(set(self.names) - set(found))
        if unknown:
            message = f"there is no sink {unknown[0]} in {self.config / export.FOLDER}"
            raise TallyError(code="not_found", message=message)
        return {name: entry for name, entry in found.items() if not self.names or name in self.names}


def follow(following: Following, *, child: bool, say: Callable[[str], None]) -> None:
    """Follow until interrupted, or, for a `child`, until standard input ends, which tells that the parent has gone."""
    crew, sinks = _started(following, following.sinks(), say)
    seen = _mark(following)
    try:
        while not _ended(child=child):
            if not crew.running:
                message = "a follower's thread ended by an unforeseen error; it is told above"
                raise TallyError(code="internal", message=message)
            now = _mark(following)
            if now == seen:
                continue
            seen = now
            try:
                changed = following.sinks()
            except TallyError as error:
                say(f"the changed sinks are refused, the old ones stay in force: {error.message}")
                continue
            if changed != sinks:
                crew.stop(STOP_S)
                crew, sinks = _started(following, changed, say)
    finally:
        crew.stop(STOP_S)


def _started(
    following: Following, sinks: Mapping[str, export.SinkEntry], say: Callable[[str], None]
) -> tuple[export.Crew, Mapping[str, export.SinkEntry]]:
    crew = export.Crew([*sinks.values()], following.state, source_of(following.config, following.state), clock)
    crew.start()
    say(f"following the record for {', '.join(sinks) or 'no sink'}")
    return crew, sinks


def _mark(following: Following) -> str:
    return settings_room.fingerprint(following.config / export.FOLDER)


def _ended(*, child: bool) -> bool:
    if not child:
        select.select([], [], [], LOOK_S)
        return False
    ready, _, _ = select.select([sys.stdin], [], [], LOOK_S)
    return bool(ready) and not os.read(sys.stdin.fileno(), 64)
