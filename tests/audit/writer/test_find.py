"""The order `find`: which leaves a tenant has on record, for who appended some and never heard how that ended."""

import json
import os
import time
from pathlib import Path

import pytest

from tallystick.audit.client import start_writer
from tallystick.audit.leaf import call_id, event
from tallystick.audit.leaf.ulid import made_at
from tallystick.audit.model import Event
from tallystick.terms import TallyError
from tests.audit.sample import BANK, denial

pytestmark = pytest.mark.anyio
FIELDS = {"action": "create", "object": "role/x", "result": "success"}


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def told(at: float) -> tuple[str, bytes]:
    """An id and its leaf."""
    new = call_id(at, os.urandom(10))
    return new, event(Event("admin", new, at, BANK, FIELDS))


async def test_what_is_durable_is_found_and_nothing_else(tmp_path: Path) -> None:
    now = time.time()  # noqa: TID251 - the writer's own clock
    (known, leaf), (unknown, _) = told(now), told(now)
    async with start_writer(tmp_path, "localhost", initialize=True) as client:
        await client.append(BANK, leaf)
        for number in range(600):
            # Every other one says that it is long ago, as what comes late does.
            await client.append(BANK, denial(number) if number % 2 else told(now)[1])
        order = {"order": "find", "tenant": BANK, "ids": [unknown, known]}
        assert await client.order(order) == {"found": [known]}
        assert await client.order({**order, "tenant": "nobody"}) == {"found": []}
        assert await client.order({**order, "ids": []}) == {"found": []}
    async with start_writer(tmp_path, "localhost") as client:
        assert await client.order(order) == {"found": [known]}


async def test_an_id_inside_of_a_text_is_no_leaf(tmp_path: Path) -> None:
    now = time.time()  # noqa: TID251 - the writer's own clock
    (first, _), (second, _) = told(now), told(now)
    quoting = event(Event("admin", second, now, BANK, {**FIELDS, "object": f'"id":"{first}"'}))
    async with start_writer(tmp_path, "localhost", initialize=True) as client:
        await client.append(BANK, quoting)
        assert await client.order({"order": "find", "tenant": BANK, "ids": [first]}) == {"found": []}


@pytest.mark.parametrize("ids", [None, "x", [1], ["short"]])
async def test_an_order_without_ids_is_refused(tmp_path: Path, ids: object) -> None:
    async with start_writer(tmp_path, "localhost", initialize=True) as client:
        with pytest.raises(TallyError, match="ULIDs") as refused:
            await client.order({"order": "find", "tenant": BANK, "ids": ids})
        assert refused.value.code == "invalid"


def test_an_id_tells_when_it_was_made() -> None:
    assert made_at(call_id(1_795_000_000.25, b"x" * 10)) == 1_795_000_000.25


def test_leaves_are_json_with_their_ids() -> None:
    known, leaf = told(1_795_000_000.0)
    assert json.loads(leaf)["id"] == known
