"""How fast followers bring the record to each kind of sink: `python -m bench.export [calls] [sink...]`.

Each sink gets the same published log from its beginning, against a receiver in another process that answers as
documented and keeps nothing. Events per second of wall time, and the follower's own CPU per event: reading, verifying,
formatting, sending and the synced cursor.
"""

import multiprocessing
import shutil
import sys
import tempfile
import time
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Final

from tallystick.export.follower import Follower
from tallystick.export.formats import Entry, Skipped
from tallystick.export.ledger import Ledger, ledger_path
from tallystick.export.settings import SinkEntry, read_sinks
from tallystick.export.sinks import make_sink
from tallystick.export.source import Directory
from tallystick.export.written import format_of
from tallystick.wiring.compose import clock
from tests.export.published import Published
from tests.export.sinks.receiver import Asked, Told, receiver, told
from tests.export.sinks.rsyslog import Rsyslog

CALLS: Final = 10_000
SINKS: Final = {
    "file": "type: file\nfile: {path: %(folder)s/events.jsonl}",
    "file-leaf": "type: file\nformat: leaf\nfile: {path: %(folder)s/leaves.jsonl}",
    "syslog-tcp": "type: syslog\nformat: cef\nsyslog: {host: 127.0.0.1, port: %(port)s, transport: tcp}",
    "splunk": "type: splunk\nsplunk: {url: '%(url)s', token_file: %(folder)s/secret}",
    "sentinel": "type: sentinel\nsentinel: {endpoint: '%(url)s', authority: '%(url)s', rule: dcr-" + "a" * 32
    + ", stream: Custom-Tallystick_CL, directory: bank.example, client: 11111111-2222-3333-4444-555555555555,"
    " secret_file: %(folder)s/secret}",
    "elastic": "type: elastic\nelastic: {url: '%(url)s'}",
    "otlp": "type: otlp\notlp: {url: '%(url)s/v1/logs'}",
}  # fmt: skip


def answer(asked: Asked) -> Told:
    """Take everything, in the words of whoever is asked."""
    if asked.path == "/services/collector/ack":
        return told(200, {"acks": {"0": True}})
    if asked.path == "/services/collector/event":
        return told(200, {"text": "Success", "code": 0, "ackId": 0})
    if asked.path.endswith("/token"):
        return told(200, {"access_token": "t", "expires_in": 3600})
    if asked.path.startswith("/dataCollectionRules"):
        return Told(204, b"")
    if asked.path.endswith("/_bulk"):
        items = [{"create": {"status": 201}}] * (asked.body.count(b"\n") // 2)
        return told(200, {"errors": False, "items": items})
    return Told()


def serve(connection: Connection) -> None:
    """Be the receiver until the other end goes."""
    with receiver(answer) as url:
        connection.send(url)
        connection.poll(None)


def measure(entry: SinkEntry, state: Path) -> tuple[int, float, float]:
    """Events, seconds and CPU seconds of bringing the whole log to a sink."""
    sink, written, count = make_sink(entry, clock, time.sleep), format_of(entry), 0

    def counted(found: Entry) -> bytes | Skipped:
        nonlocal count
        event = written(found)
        count += isinstance(event, bytes)
        return event

    follower = Follower(entry, sink, counted, Directory(state), Ledger(ledger_path(state, entry.name)))
    began, used = time.perf_counter(), time.process_time()
    while follower.round(clock):
        pass
    spent = time.perf_counter() - began, time.process_time() - used
    sink.close()
    return count, *spent


def main(arguments: list[str]) -> int:
    """Print a table."""
    calls = int(arguments[0]) if arguments else CALLS
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("fork").Process(target=serve, args=(theirs,), daemon=True)
    process.start()
    folder = Path(tempfile.mkdtemp(prefix="bench-export-"))
    (folder / "secret").write_text("made-up")
    log = Published(folder / "state")
    for start in range(0, calls, 1000):
        log.publish_calls(range(start, min(calls, start + 1000)))
    syslog = Rsyslog("tcp")
    syslog.start()
    places = {"url": ours.recv(), "folder": str(folder), "port": syslog.port}
    print("| sink | events | events/s | CPU us per event |\n| --- | ---: | ---: | ---: |")
    try:
        for name in arguments[1:] or SINKS:
            found = read_sinks({f"sinks/{name}.yaml": (SINKS[name] % places).encode()})
            if isinstance(found, tuple):
                raise SystemExit("\n".join(map(str, found)))
            count, seconds, cpu = measure(found[name], folder / "state")
            print(f"| {name} | {count} | {count / seconds:,.0f} | {1e6 * cpu / count:.0f} |", flush=True)
    finally:
        syslog.clear()
        process.kill()
        shutil.rmtree(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
