"""A place for logs of a test's own: a schema, a prefix in the one bucket, and state directories."""

import shutil
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from secrets import token_hex
from typing import Protocol, runtime_checkable

from tallystick.audit.log.log import Log, open_log
from tallystick.audit.scale.bucket.client import Client, connect
from tallystick.audit.scale.options import Options
from tallystick.audit.scale.state import ScaleState
from tests.audit.sample import BANK, NOON, ORIGIN, YEAR, Ticking
from tests.audit.scale.servers import Postgres, Seaweed

BUCKET = "record"


@dataclass(frozen=True)
class Place:
    """Where a test keeps its logs, and the servers behind it."""

    postgres: Postgres
    seaweed: Seaweed
    directory: Path
    options: Options

    def change(self, **options: float | str | dict[str, float]) -> "Place":
        """The same place with other bounds."""
        return replace(self, options=replace(self.options, **options))

    @contextmanager
    def opened(self, host: str = "a", *, initialize: bool = True) -> Generator[ScaleState]:
        """The store as a writer on a host sees it; closed at the end. Every host has the keys of the first."""
        keys = self.directory / host / "keys"
        if host != "a" and not keys.exists() and (self.directory / "a" / "keys").exists():
            shutil.copytree(self.directory / "a" / "keys", keys)
        state = ScaleState(self.directory / host, self.options.to_json(), initialize=initialize)
        try:
            yield state
        finally:
            state.close()

    @property
    def client(self) -> Client:
        """The object store, without Tallystick."""
        return connect(self.options)


def opened_log(state: ScaleState, clock: Ticking | None = None) -> Log:
    """The one log of a place, made at the first opening."""
    if not state.logs():
        state.create(BANK, YEAR, ORIGIN, int(NOON * 1_000_000) - 1)
    return open_log(state.store(BANK, YEAR), state.signing, ORIGIN, BANK, clock or Ticking())


@runtime_checkable
class Operator(Client, Protocol):
    """A client of whoever holds the bucket's keys, which may do more than Tallystick does."""

    def create_bucket(self, **keywords: object) -> Mapping[str, object]:
        """Make a bucket."""
        ...

    def put_bucket_lifecycle_configuration(self, **keywords: object) -> Mapping[str, object]:
        """Say what goes when."""
        ...

    def put_object_retention(self, **keywords: object) -> Mapping[str, object]:
        """Change a lock."""
        ...


def operator(seaweed: Seaweed) -> Operator:
    """The object store, with all rights."""
    client = connect(Options("", BUCKET, endpoint=seaweed.endpoint, credentials_file=str(seaweed.credentials)))
    assert isinstance(client, Operator)
    return client


def make_bucket(seaweed: Seaweed) -> None:
    """Make the bucket, with Object Lock."""
    operator(seaweed).create_bucket(Bucket=BUCKET, ObjectLockEnabledForBucket=True)


def new_place(postgres: Postgres, seaweed: Seaweed, directory: Path) -> Place:
    """An empty place."""
    name = f"t{token_hex(6)}"
    dsn = directory / "dsn"
    dsn.write_text(postgres.dsn(name) + "\n")
    options = Options(
        str(dsn),
        BUCKET,
        prefix=f"{name}/",
        endpoint=seaweed.endpoint,
        credentials_file=str(seaweed.credentials),
        lease_s=3600.0,
        wait_s=4.0,
        reconnect_s=5.0,
    )
    return Place(postgres, seaweed, directory, options)
