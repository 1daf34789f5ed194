"""Reading what workers told, and telling the living from the dead."""

import json
import os
from pathlib import Path
from typing import Final

from tallystick.guard import BreakerState
from tallystick.settings import Problem, Section
from tallystick.settings.section import as_mapping
from tallystick.terms import TallyError
from tallystick.wiring.compose import clock
from tallystick.wiring.health.model import ServerHealth, WorkerHealth, health_files

SILENT_S: Final = 60.0
"""Seconds without a sign of life after which a worker counts as gone, whatever process has its id by now."""

_CIRCUITS: Final[tuple[BreakerState, ...]] = ("closed", "open", "half_open")
_LARGE: Final = 2**53


def health_of(state: Path) -> tuple[float, tuple[WorkerHealth, ...], tuple[WorkerHealth, ...]]:
    """Return the time, what living workers said, and what dead ones said last.

    Raises `TallyError` ("unavailable") for what this user may not read.
    """
    now, told = clock(), [worker for worker in map(_read, health_files(state)) if worker is not None]
    living = tuple(worker for worker in told if now - worker.said_at < SILENT_S and _is_running(worker.process))
    return now, living, tuple(worker for worker in told if worker not in living)


def _read(file: Path) -> WorkerHealth | None:
    """Return what a file says; None for one that has just gone, or that no worker wrote."""
    try:
        document: object = json.loads(file.read_bytes())
    except FileNotFoundError:
        return None
    except PermissionError as error:
        message = f"{file} belongs to another user: run this as the user that the gateway runs as"
        raise TallyError(code="unavailable", message=message) from error
    except (OSError, ValueError, RecursionError):
        return None
    problems: list[Problem] = []
    fields = as_mapping(document)
    said = Section(file.name, {} if fields is None else fields, problems)
    servers = tuple([_server(entry) for entry in said.listed("servers")])
    worker = WorkerHealth(
        said.integer("index", 0, 0, _LARGE),
        said.integer("process", 0, 1, _LARGE),
        said.seconds("said_at", 0.0, 0.0, _LARGE),
        servers,
    )
    return None if problems or not worker.process else worker


def _server(entry: Section) -> ServerHealth:
    return ServerHealth(
        entry.text("server"),
        entry.choice("circuit", _CIRCUITS, "closed"),
        entry.seconds("since", 0.0, 0.0, _LARGE),
        entry.integer("failures", 0, 0, _LARGE),
        entry.text("reason", ""),
        entry.text("detail", ""),
        entry.seconds("again_at", 0.0, 0.0, _LARGE) if entry.has("again_at") else None,
        entry.texts("eras"),
        entry.integer("under_way", 0, 0, _LARGE),
    )


def _is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True
