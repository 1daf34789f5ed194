"""What does not work is told: to everybody that it does not, to who may read everything what exactly."""

import os
import signal
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime

import httpx2
import msgspec
import pytest
from starlette.types import Receive, Scope, Send

from tallystick.remote.messages.told import Health, Revision
from tests.interaction.processes import children
from tests.interaction.stage import Json, Stage
from tests.interaction.waiting import until
from tests.interaction.world import listening
from tests.wiring.console.desk import ask, document, eventually, is_writer, may, operator, person, step

pytestmark = pytest.mark.anyio


async def test_a_record_that_is_away_is_told_with_the_changes_that_wait_for_it(stage: Stage) -> None:
    client = operator(stage)
    assert (await ask(client.health)).status == "ok"
    writer = next(pid for pid in children(os.getpid()) if is_writer(pid, stage.places.state))
    os.kill(writer, signal.SIGKILL)
    await until(lambda: not stage.gateway.recording)
    # What a server says is kept, and waits: it is no change that anybody asked for.
    await ask(client.scan, "desk")
    health = await eventually(client.health, lambda found: "relay" in found.troubles)
    assert (health.status, health.record, health.database) == ("degraded", False, True)
    revision = await ask(client.revision)
    assert revision.head == revision.published + 1
    assert revision.troubles == health.troubles


async def test_a_directory_that_is_refused_is_a_trouble_until_it_is_corrected(stage: Stage) -> None:
    client, file = operator(stage), stage.places.config / "servers" / "desk.yaml"
    await ask(client.put, may("auditor", "aude"))
    good = file.read_text()
    file.write_text(good + "tools: [no, longer]\n")
    told = await eventually(client.health, _is_refused)
    assert told.status == "degraded"
    assert "servers/desk.yaml" in told.troubles["directory"]
    assert "servers/desk.yaml" in (await ask(client.revision)).troubles["directory"]
    everybody = (await stage.http.get(f"{stage.console}/api/v1/health")).json()
    assert (everybody["status"], list(everybody["troubles"])) == ("degraded", ["directory"])
    assert "desk" not in everybody["troubles"]["directory"]
    aude: Revision = await ask(person(stage, "aude").revision)
    assert aude.troubles == everybody["troubles"]
    file.write_text(good)
    assert (await eventually(client.health, lambda found: not found.troubles)).status == "ok"


def _is_refused(health: Health) -> bool:
    return "directory" in health.troubles


@dataclass
class Receiver:
    """Where a webhook sends: answers as it is told to, and keeps what it took."""

    answers: int = 400
    took: list[str] = field(default_factory=list[str])

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one message."""
        body = (await receive()).get("body", b"")
        if self.answers < 300:
            self.took.append(httpx2.Response(200, content=body).json()["type"])
        await send({"type": "http.response.start", "status": self.answers, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body", "body": b""})


@asynccontextmanager
async def _receiving() -> AsyncGenerator[tuple[Receiver, str]]:
    receiver = Receiver()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        async with listening(receiver, listener):
            yield receiver, f"http://127.0.0.1:{listener.getsockname()[1]}/hook"


async def test_a_webhook_tells_what_its_receiver_refuses_and_that_it_takes_again(stage: Stage) -> None:
    client = operator(stage)

    def delivery() -> Json:
        found = client.get("Webhook", "out").resource.status
        (listed,) = client.every("Webhook")
        assert found is not None
        assert listed.status is not None
        assert listed.status.marks.keys() == found.marks.keys()
        return msgspec.convert(found.marks["delivery"], Json)

    async with _receiving() as (receiver, url):
        spec: Json = {"url": url, "secret": "signing", "allow_special_addresses": True}
        await ask(client.put, document("Secret", "signing", {"value": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}))
        await ask(client.put, document("Webhook", "out", spec))
        await ask(client.step, "Server", "desk", step("suspended", comment="it looks odd"))
        refused = await eventually(delivery, lambda found: found["dead"])
        (dead,) = msgspec.convert(refused["dead"], list[Json])
        assert (dead["type"], dead["why"]) == ("server.suspended", "the receiver answered 400")
        receiver.answers = 503
        await ask(client.step, "Server", "risk", step("suspended", comment="this one too"))
        failing = await eventually(delivery, lambda found: found["failing"])
        assert (failing["failing"], failing["tries"], failing["sent"]) == ("the receiver answered 503", 1, 0)
        assert failing["behind"]
        assert datetime.fromisoformat(str(failing["next_at"])).tzinfo is not None
        receiver.answers = 204
        fine = await eventually(delivery, lambda found: found["sent"] and not found["behind"])
        assert (fine["failing"], fine["next_at"], fine["dead"]) == ("", None, refused["dead"])
        assert receiver.took == ["server.suspended"]
