"""One call's client: whether its leaving is a wish, and who may answer what it is asked."""

import anyio
import msgspec
import pytest

from tallystick.gateway.client import Questions, Side
from tallystick.gateway.client.questions import QUESTIONS
from tallystick.gateway.client.side import UNASKABLE
from tallystick.terms import Refusal
from tallystick.wire import ERAS, MODERN, Reply

pytestmark = pytest.mark.anyio
SESSIONS = "2025-11-25"
ANSWER = Reply("result", None, b'{"roots":[]}')


class Line:
    """A channel that a test closes."""

    def __init__(self) -> None:
        self.told: list[bytes] = []
        self.over = anyio.Event()

    async def emit(self, message: bytes) -> None:
        """Take one message."""
        self.told.append(message)

    async def stay(self) -> None:
        """Take a sign of life."""

    async def closed(self) -> None:
        """Return when the test has closed it."""
        await self.over.wait()


@pytest.mark.parametrize("version", ERAS)
async def test_a_client_that_goes_cancels_its_call_in_the_era_where_that_is_the_way(version: str) -> None:
    line, cancelled = Line(), anyio.Event()
    side = Side(line, ERAS[version], Questions(), None)

    async def watch() -> None:
        await side.abandoned()
        cancelled.set()

    async with anyio.create_task_group() as group:
        group.start_soon(watch)
        await anyio.wait_all_tasks_blocked()
        assert not cancelled.is_set()
        line.over.set()
        await anyio.wait_all_tasks_blocked()
        assert cancelled.is_set() == (version == MODERN)
        group.cancel_scope.cancel()


async def _ask(side: Side, answers: list[Reply | Refusal]) -> None:
    answers.append(await side.ask("roots/list", {}, 60.0))


async def test_an_answer_counts_in_the_session_that_was_asked_and_once() -> None:
    line, questions, answers = Line(), Questions(), list[Reply | Refusal]()
    side = Side(line, ERAS[SESSIONS], questions, "ada")
    async with anyio.create_task_group() as group:
        group.start_soon(_ask, side, answers)
        await anyio.wait_all_tasks_blocked()
        asked_id = _first(line)
        assert questions.asked("eve", asked_id) is None
        assert questions.asked("ada", asked_id) == "roots/list"
        questions.answer("eve", asked_id, ANSWER._replace(payload=b"{}"))
        await anyio.wait_all_tasks_blocked()
        assert answers == []
        questions.answer("ada", asked_id, ANSWER)
        questions.answer("ada", asked_id, ANSWER._replace(payload=b"{}"))
        await anyio.wait_all_tasks_blocked()
        assert questions.asked("ada", asked_id) is None
    assert answers == [ANSWER]


async def test_whoever_hangs_up_is_waited_for_no_longer() -> None:
    line, questions, answers = Line(), Questions(), list[Reply | Refusal]()
    async with anyio.create_task_group() as group:
        group.start_soon(_ask, Side(line, ERAS[SESSIONS], questions, "ada"), answers)
        await anyio.wait_all_tasks_blocked()
        assert answers == []
        line.over.set()
        await anyio.wait_all_tasks_blocked()
        assert answers == [UNASKABLE]
        group.cancel_scope.cancel()
    assert questions.asked("ada", _first(line)) is None


async def test_a_client_without_a_session_is_asked_nothing() -> None:
    line = Line()
    side = Side(line, ERAS[MODERN], Questions(), None)
    assert not side.asks
    assert await side.ask("roots/list", {}, 60.0) == UNASKABLE
    assert line.told == []


async def test_one_session_is_asked_so_much_at_a_time_and_others_all_the_same() -> None:
    questions = Questions()
    opened = [questions.ask("ada", "roots/list") for _ in range(QUESTIONS)]
    assert questions.ask("ada", "roots/list") is None
    assert questions.ask("bob", "roots/list") is not None
    assert opened[0] is not None
    questions.close("ada", opened[0][0])
    questions.close("ada", opened[0][0])
    assert questions.ask("ada", "roots/list") is not None
    assert questions.ask("ada", "roots/list") is None


def _first(line: Line) -> int:
    asked = msgspec.json.decode(line.told[0], type=dict[str, object])
    assert isinstance(asked["id"], int)
    return asked["id"]
