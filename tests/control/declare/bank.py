"""The demo bank's configuration with pins of its real servers, asked in process."""

import json
from collections.abc import Mapping
from contextlib import closing
from functools import cache

import anyio
from mcp import Client
from tallystick_demo_bank import config_directory, core_banking, risk_database, ticketing
from tallystick_demo_bank.store import Store

from tallystick.settings import read_directory

_SERVERS = {"core-banking": core_banking.build, "risk-database": risk_database.build, "ticketing": ticketing.build}


@cache
def bank() -> Mapping[str, bytes]:
    """Files by their path below the configuration directory."""
    files = read_directory(config_directory())
    assert not isinstance(files, tuple)
    # The people are the development issuer's, not the snapshot's.
    sound = {name: raw for name, raw in files.items() if name != "development-people.yaml"}
    return sound | {f"pins/{name}.json": anyio.run(_pin, name) for name in _SERVERS}


async def _pin(name: str) -> bytes:
    with closing(Store(":memory:")) as store:
        async with Client(_SERVERS[name](store)) as session:
            tools = (await session.list_tools()).tools
    written = [tool.model_dump(mode="json", by_alias=True, exclude_none=True) for tool in tools]
    return json.dumps({"server": name, "eras": {}, "tools": written}).encode()
