"""Changes of control state a second, with one and with fifty editors: `python -m bench.editors [--postgres]`.

Each editor has a tenant of its own, in a state of 500 servers. `compiled` changes what a snapshot is compiled from (the
judge compiles each candidate); `label` changes what no snapshot sees. A plain insert with one synced commit beside it
says what the disk gives.
"""

import argparse
import os
import sqlite3
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import perf_counter, process_time

from tallystick.audit.leaf import call_id
from tallystick.control import Control, Postgres, Sqlite, open_control
from tallystick.control.model import DIRECTORY, Actor, Committed, Put
from tallystick.settings import Problem
from tallystick.snapshot import Compiler, Document
from tallystick.terms import TenantId
from tests.audit.scale.servers import postgres_alone

SERVERS, EDITORS, CHANGES = 500, 50, 200
ADA = Actor("ada", operator="ada")


def new_id() -> str:
    """A ULID of now."""
    return call_id(time.time(), os.urandom(10))  # noqa: TID251 - a program of its own


def judge() -> Callable[[Mapping[str, Document]], tuple[Problem, ...]]:
    """The real compiler."""
    compiler = Compiler()

    def judged(documents: Mapping[str, Document]) -> tuple[Problem, ...]:
        compiled = compiler.compile(documents)
        return compiled if isinstance(compiled, tuple) else ()

    return judged


def tenant(number: int, title: str, label: str = "") -> Put:
    """One editor's tenant."""
    name = f"t{number}"
    return Put("Tenant", name, TenantId(name), {"title": title, "jurisdiction": "DE"}, labels={"change": label})


def server(number: int) -> Put:
    """One of the servers."""
    spec = {"title": f"Server {number}", "transport": {"http": {"url": f"https://s{number}.example"}}}
    return Put("Server", f"s{number}", TenantId(f"t{number % EDITORS}"), spec, owner=DIRECTORY, state="approved")


def commit(control: Control, changes: Sequence[Put]) -> None:
    """Commit what must be accepted."""
    outcome = control.commit(changes, ADA)
    if not isinstance(outcome, Committed):
        raise SystemExit(str(outcome))


def edit(control: Control, editor: int, changes: int, what: str) -> None:
    """Change one tenant so many times."""
    for number in range(changes):
        title, label = (f"Title {what} {number}", "") if what == "compiled" else ("Tenant", f"{what} {number}")
        commit(control, [tenant(editor, title, label)])


def measure(control: Control, name: str, what: str) -> None:
    """Print a line for one editor and for fifty."""
    for editors in (1, EDITORS):
        changes = CHANGES // editors
        wall, cpu = perf_counter(), process_time()
        with ThreadPoolExecutor(editors) as pool:
            for done in [pool.submit(edit, control, editor, changes, f"{what}") for editor in range(editors)]:
                done.result()
        wall, cpu = perf_counter() - wall, process_time() - cpu
        count = changes * editors
        control.recorded([row.number for row in control.outbox(10_000)])
        print(f"| {name} | {what} | {editors} | {count / wall:,.0f} | {cpu / count * 1000:.2f} ms |")
        edit(control, 0, 1, f"reset-{editors}")


def plain(folder: Path) -> None:
    """Print what a synced insert of the same size costs without any of this."""
    database = sqlite3.connect(folder / "plain.db", isolation_level=None)
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("PRAGMA synchronous = FULL")
    database.execute("CREATE TABLE plain (content TEXT)")
    wall, cpu = perf_counter(), process_time()
    for _ in range(CHANGES):
        database.execute("INSERT INTO plain VALUES (?)", ("x" * 1000,))
    wall, cpu = perf_counter() - wall, process_time() - cpu
    print(f"| SQLite alone, 1 KB | insert | 1 | {CHANGES / wall:,.0f} | {cpu / CHANGES * 1000:.2f} ms |")


def run(place: Sqlite | Postgres, name: str) -> None:
    """Measure one database."""
    with open_control(place, os.urandom(32), time.time, new_id, judge()) as control:  # noqa: TID251 - as above
        first = [tenant(number, "Tenant") for number in range(EDITORS)] + [server(number) for number in range(SERVERS)]
        before = perf_counter()
        commit(control, first)
        print(f"| {name} | {len(first)} resources at once | 1 | {1 / (perf_counter() - before):.1f} | |")
        for what in ("label", "compiled"):
            measure(control, name, what)


def main() -> None:
    """Print the table."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--postgres", action="store_true", help="measure PostgreSQL of Debian too")
    wanted = asked.parse_args()
    print("| database | change | editors | changes a second | CPU a change |\n| --- | --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory(dir=".") as folder:
        plain(Path(folder))
        run(Sqlite(Path(folder) / "control.db"), "SQLite")
    if wanted.postgres:
        with postgres_alone() as postgres:
            run(Postgres(postgres.dsn("editors")), "PostgreSQL")


if __name__ == "__main__":
    main()
