"""A real PostgreSQL and a real SeaweedFS on loopback, which tests may stop, kill and start again."""

import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Sequence
from contextlib import closing, contextmanager, suppress
from json import dumps
from pathlib import Path
from typing import Final
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

import psycopg

ROOT: Final = Path(__file__).resolve().parents[3]
WEED: Final = ROOT / "var" / "scale" / "venv" / "bin" / "weed"
KEY, SECRET = "tallystick", "of-the-tests-only"
_PATIENCE_S: Final = 60


def postgres_missing() -> str | None:
    """Why PostgreSQL cannot be started, or None."""
    if _program("initdb") is None:
        return "PostgreSQL is missing; run scripts/scale (Debian: apt-get install postgresql)"
    return None


def missing() -> str | None:
    """Why the servers cannot be started, or None."""
    if (why := postgres_missing()) is not None:
        return why
    return None if WEED.exists() else "SeaweedFS is missing; run scripts/scale"


def _program(name: str) -> str | None:
    debian = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    return str(debian[-1]) if debian else shutil.which(name)


def _ports(count: int) -> list[int]:
    """Ports that nobody listens on, below those that the kernel gives to clients meanwhile."""
    found: dict[int, socket.socket] = {}
    while len(found) < count:
        port = 12_000 + secrets.randbelow(20_000)
        with suppress(OSError):
            found[port] = socket.create_server(("127.0.0.1", port))
    for held in found.values():
        held.close()
    return [*found]


def _unprivileged() -> str | None:
    """Whom PostgreSQL runs as where this is root, which it refuses to be."""
    if os.geteuid():
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    return next(name for name in ("postgres", "nobody") if name in names)


class Postgres:
    """One cluster, with everything on that makes a commit durable."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory / "data"
        self._user = _unprivileged()
        self.port = _ports(1)[0]
        if self._user:
            shutil.chown(directory, self._user)
        self._run("initdb", "-D", str(self._directory), "-A", "trust", "-U", "tally", "-E", "UTF8", "--locale=C", "-N")
        self.start()

    def start(self) -> None:
        """Start it and wait until it answers."""
        options = (
            f"-c port={self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c max_connections=200"
        )
        log = str(self._directory.with_name("log"))
        self._run("pg_ctl", "-D", str(self._directory), "-w", "-l", log, "-o", options, "start")

    def stop(self, how: str = "immediate") -> None:
        """Stop it; "immediate" is a crash with recovery at the next start."""
        self._run("pg_ctl", "-D", str(self._directory), "-w", "-m", how, "stop")

    def pages_with(self, needle: bytes) -> list[Path]:
        """Files of tables and indexes that hold these bytes. (The WAL, which is no table, holds what it was told.)"""
        files = [path for path in (self._directory / "base").rglob("*") if path.is_file()]
        return [path for path in files if needle in path.read_bytes()]

    def dsn(self, schema: str) -> str:
        """Connection string of a schema of its own, which is made."""
        with closing(psycopg.connect(self._dsn(), autocommit=True)) as connection:
            connection.execute(f"CREATE SCHEMA IF NOT EXISTS {schema}".encode())
        return f"{self._dsn()} options='-c search_path={schema}'"

    def _dsn(self) -> str:
        return f"host=127.0.0.1 port={self.port} user=tally dbname=postgres"

    def _run(self, program: str, *arguments: str) -> None:
        path = _program(program)
        assert path is not None
        subprocess.run([path, *arguments], check=True, user=self._user, cwd="/", stdout=subprocess.DEVNULL)


class Seaweed:
    """One SeaweedFS with S3, in one process; buckets outlive its kills."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._ports = _ports(8)
        self.endpoint = f"http://127.0.0.1:{self._ports[6]}"
        self.credentials = directory / "credentials"
        self.credentials.write_text(f"[default]\naws_access_key_id = {KEY}\naws_secret_access_key = {SECRET}\n")
        identity = {
            "name": "tally",
            "credentials": [{"accessKey": KEY, "secretKey": SECRET}],
            "actions": ["Admin", "Read", "Write", "List", "Tagging"],
        }
        (directory / "s3.json").write_text(dumps({"identities": [identity]}))
        (directory / "data").mkdir()
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        """Start it and wait until it answers."""
        names = "master.port", "master.port.grpc", "volume.port", "volume.port.grpc"
        names = *names, "filer.port", "filer.port.grpc", "s3.port", "s3.port.grpc"
        flags = [f"-{name}={port}" for name, port in zip(names, self._ports, strict=True)]
        flags += [f"-dir={self._directory / 'data'}", f"-s3.config={self._directory / 's3.json'}", "-filer", "-s3"]
        # Each of these would listen on a port of its own choice otherwise, or call home.
        flags += ["-s3.port.iceberg=0", "-s3.port.lance=0", "-master.telemetry=false"]
        flags += ["-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-volume.max=50", "-master.volumeSizeLimitMB=64"]
        with (self._directory / "log").open("ab") as log:
            self._process = subprocess.Popen([WEED, "server", *flags], stdout=log, stderr=log, cwd=self._directory)
        until = time.monotonic() + _PATIENCE_S
        while not self._answers():
            assert time.monotonic() < until, (self._directory / "log").read_text()[-2000:]
            time.sleep(0.1)

    def kill(self) -> None:
        """End it as a power cut would."""
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()
            self._process = None

    def pause(self, *, on: bool) -> None:
        """Let it hang, or go on."""
        if self._process is not None:
            self._process.send_signal(signal.SIGSTOP if on else signal.SIGCONT)

    def _answers(self) -> bool:
        try:
            with urlopen(self.endpoint, timeout=5) as answer:  # noqa: S310 - our own address
                return bool(answer.status)
        except HTTPError as refusal:
            refusal.close()
            return True
        except (URLError, OSError):
            return False


def writer_of(state: Path) -> int:
    """Process id of the audit writer on a state directory."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            with suppress(OSError):
                arguments = (entry / "cmdline").read_bytes().split(b"\0")
                if b"tallystick.audit.writer" in arguments and str(state).encode() in arguments:
                    return int(entry.name)
    message = f"no writer runs on {state}"
    raise AssertionError(message)


@contextmanager
def postgres_alone() -> Generator[Postgres]:
    """PostgreSQL in a directory of its own, for those who need nothing else."""
    directory = Path(tempfile.mkdtemp(prefix="tallystick-postgres-"))
    directory.chmod(0o755)
    (directory / "postgres").mkdir()
    postgres = Postgres(directory / "postgres")
    try:
        yield postgres
    finally:
        with suppress(subprocess.CalledProcessError):
            postgres.stop()
        shutil.rmtree(directory, ignore_errors=True)


@contextmanager
def servers() -> Generator[tuple[Postgres, Seaweed]]:
    """Both, in a directory of their own."""
    directory = Path(tempfile.mkdtemp(prefix="tallystick-scale-"))
    directory.chmod(0o755)
    for name in ("postgres", "seaweed"):
        (directory / name).mkdir()
    postgres = Postgres(directory / "postgres")
    seaweed: Seaweed | None = None
    try:
        seaweed = Seaweed(directory / "seaweed")
        yield postgres, seaweed
    finally:
        if seaweed is not None:
            seaweed.kill()
        with suppress(subprocess.CalledProcessError):
            postgres.stop()
        shutil.rmtree(directory, ignore_errors=True)


def main(arguments: Sequence[str]) -> int:
    """Keep both running for whoever tries things by hand: `python -m tests.audit.scale.servers`."""
    del arguments
    with servers() as (postgres, seaweed):
        sys.stdout.write(f"{postgres.dsn('public')}\n{seaweed.endpoint} {seaweed.credentials}\n")
        sys.stdout.flush()
        signal.pause()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
