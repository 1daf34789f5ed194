"""Questions of a process that many clients share: who waits holds up nobody, and who cannot answer learns of it."""

import json
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import anyio
import pytest

from tallystick.gateway.bridge import Bridge, Park, Setting, drawn
from tallystick.gateway.bridge.park import PARKED_CLOSE
from tallystick.gateway.upstream import StdioTransport
from tallystick.gateway.upstream.stdio import supervision
from tallystick.gateway.upstream.stdio.pool import PROCESSES
from tallystick.runtime import Capped
from tallystick.terms import Reason, Refusal
from tallystick.wire import ERAS, Reply, encode
from tests.gateway.bridge.peer import MODERN, SESSIONS, Peer
from tests.gateway.bridge.script import question, scripted
from tests.gateway.bridge.stage import BOUND_S, Json, Party, ask, bridged, call, params_of, party_answers
from tests.gateway.upstream.remote import Asked, Wire
from tests.interaction.waiting import until

pytestmark = pytest.mark.anyio
PROGRAM = Path(__file__).parent.parent / "upstream" / "stdio_server.py"
ASKABLE: Json = {"elicitation": {}}


@dataclass(slots=True)
class Shared:
    """A scripted server over stdio behind a bridge."""

    bridge: Bridge
    log: Path

    def seen(self, method: str) -> list[Json]:
        """The messages of a method that its processes read."""
        messages = [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]
        return [message for message in messages if message.get("method") == method]

    @property
    def answers(self) -> list[Json]:
        """The answers that its processes read."""
        messages = [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]
        return [message for message in messages if "method" not in message]

    @property
    def starts(self) -> int:
        """How many processes were started."""
        return self.log.read_text().splitlines().count("started")

    async def say(self, who: str, tool: str = "elicit", capabilities: Json | None = None) -> Json | Refusal:
        """Call a tool as a client of 2026-07-28, once."""
        party = Party(MODERN, ASKABLE if capabilities is None else capabilities, conversation=who)
        return await self.retry(party, {}, tool)

    async def retry(self, party: Party, given: Json, tool: str = "elicit") -> Json | Refusal:
        """Call a tool with whatever a retry brings, once."""
        end = await self.bridge.ask(party.outbound("tools/call", {"name": tool, **given}))
        return json.loads(end.payload) if isinstance(end, Reply) else end


@asynccontextmanager
async def _shared(folder: Path) -> AsyncGenerator[Shared]:
    log = folder / "log"
    log.touch()
    capped = Capped((sys.executable, "-I", str(PROGRAM), str(log)), {})
    with anyio.fail_after(BOUND_S):
        async with supervision() as supervising:
            transport = StdioTransport(capped, supervising)
            bridge = Bridge("line", transport, {SESSIONS: {}}, supervising, Setting(Park(drawn), apart=False))
            yield Shared(bridge, log)
            bridge.close()


def _is_asked(said: Json | Refusal) -> bool:
    return isinstance(said, dict) and said.get("resultType") == "input_required"


def _accepting(said: Json | Refusal) -> Json:
    assert isinstance(said, dict)
    return party_answers(Party(answers={"?": {"action": "accept"}}), said)


async def test_a_question_that_is_never_answered_keeps_nobody_from_being_asked() -> None:
    async with bridged(Peer(SESSIONS), "stdio") as bridge:
        silent = Party(MODERN, conversation="silent")
        greet: Json = {"name": "greet", "arguments": {}}
        end = await bridge.ask(silent.outbound("tools/call", greet))
        assert isinstance(end, Reply)
        assert end.result_type == "input_required"
        for era in (MODERN, SESSIONS):
            assert await call(bridge, Party(era, conversation=era), "settle") == "Ada of London"
        assert await call(bridge, Party(MODERN, conversation="silent"), "greet") == "Hello Ada"
        given = party_answers(silent, json.loads(end.payload))
        assert "Hello Ada" in json.dumps(await ask(bridge, silent, "tools/call", {**greet, **given}))


async def test_a_client_that_leaves_question_after_question_keeps_itself_from_nothing(tmp_path: Path) -> None:
    async with _shared(tmp_path) as server:
        said = [await server.say("ada.1") for _ in range(3 * PARKED_CLOSE)]
        assert all(map(_is_asked, said))
        assert server.starts <= PARKED_CLOSE + 1
        ada = Party(MODERN, ASKABLE, conversation="ada.1")
        lost = await server.retry(ada, _accepting(said[0]))
        assert isinstance(lost, Refusal)
        assert lost.reasons == (Reason.STATE_REFUSED,)
        found = await server.retry(ada, _accepting(said[-1]))
        assert isinstance(found, dict)
        assert found["with"] == {"action": "accept"}


async def test_nobody_displaces_the_question_of_another(tmp_path: Path) -> None:
    async with _shared(tmp_path) as server:
        first = await server.say("ada.1")
        for _ in range(PARKED_CLOSE + 1):
            assert _is_asked(await server.say("bob.1"))
        found = await server.retry(Party(MODERN, ASKABLE, conversation="ada.1"), _accepting(first))
        assert isinstance(found, dict)
        assert found["with"] == {"action": "accept"}


async def test_where_everybody_waits_calls_go_on_without_an_answer(tmp_path: Path) -> None:
    async with _shared(tmp_path) as server:
        for number in range(PROCESSES):
            assert _is_asked(await server.say(f"{number}.1"))
        said = await server.say("late.1")
        assert isinstance(said, dict)
        assert said["answered"]
        assert said["with"] is None
        assert server.seen("notifications/cancelled") == []


SAMPLING: Json = {"sampling": {}}
LACKING = [("elicit", SAMPLING, ASKABLE), ("model", ASKABLE, SAMPLING)]


@pytest.mark.parametrize(("tool", "declared", "required"), LACKING)
async def test_a_client_without_sessions_learns_what_it_did_not_declare(
    tmp_path: Path, tool: str, declared: Json, required: Json
) -> None:
    async with _shared(tmp_path) as server:
        for capabilities in (declared, {}):
            party = Party(MODERN, capabilities)
            end = await server.bridge.ask(party.outbound("tools/call", {"name": tool}))
            assert isinstance(end, Reply)
            assert (end.kind, end.rpc_code) == ("rpc_error", -32021)
            assert encode.status_of(-32021, ERAS[MODERN]) == 400
            assert json.loads(end.payload)["data"] == {"requiredCapabilities": required}
            assert party.asked == []
        await until(lambda: len(server.answers) == len(server.seen("notifications/cancelled")) == 2)
        assert all("error" in answer for answer in server.answers)
        assert server.starts == 1
        assert _is_asked(await server.say("other.1"))


async def test_an_elicitation_at_a_url_is_told_apart_from_one_with_a_form() -> None:
    async def ask_at_url(asked: Asked, wire: Wire) -> None:
        if asked.message.get("method") == "tools/call":
            message = json.loads(question(7))
            message["params"] |= {"mode": "url", "url": "https://peer.example/in", "elicitationId": "e"}
            await wire.stream_events()
            await wire.event(json.dumps(message).encode())
            await anyio.sleep_forever()
        await wire.answer(b"", "202 Accepted")

    party = Party(MODERN, {"elicitation": {"form": {}}})
    async with scripted(SESSIONS, ask_at_url) as (bridge, server):
        end = await bridge.ask(party.outbound("tools/call", {"name": "t", "arguments": {}}))
        await until(lambda: server.calls("notifications/cancelled"))
        answers = [asked.message for asked in server.asked if asked.body and asked.message.get("id") == 7]
    assert isinstance(end, Reply)
    assert json.loads(end.payload)["data"] == {"requiredCapabilities": {"elicitation": {"url": {}}}}
    assert len(answers) == 1
    assert "error" in answers[0]


async def test_roots_that_a_client_does_not_declare_are_no_reason_to_end_its_call(tmp_path: Path) -> None:
    """Servers ask for them on their own account when they start: the call that is under way then may need none."""
    async with _shared(tmp_path) as server:
        said = await server.say("ada", "roots", {})
        assert isinstance(said, dict)
        assert said["answered"]
        assert said["with"] is None


async def test_a_client_with_sessions_hears_of_its_lack_in_the_servers_own_words(tmp_path: Path) -> None:
    async with _shared(tmp_path) as server:
        for party in (Party(SESSIONS, {}), Party("2025-06-18", {})):
            end = await server.bridge.ask(party.outbound("tools/call", {"name": "elicit"}))
            assert isinstance(end, Reply)
            assert params_of({"params": json.loads(end.payload)})["answered"]
            assert party.asked == []
