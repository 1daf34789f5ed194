"""One request has exactly one end, whoever comes first, and its notifications come before it and in order."""

import itertools

import anyio
import pytest

from tallystick.gateway.upstream.conversation import BROKEN_OFF, CANCELLED, TIMED_OUT, Conversation
from tallystick.gateway.upstream.model import Question
from tallystick.terms import Refusal
from tallystick.wire import Reply
from tests.gateway.upstream.remote import BOUND_S, Ask, notice

pytestmark = pytest.mark.anyio

ANSWERED = Reply("result", 1, b"{}")
ENDS: tuple[Reply | Refusal, ...] = (ANSWERED, CANCELLED, BROKEN_OFF, TIMED_OUT)


@pytest.mark.parametrize("order", [*itertools.permutations(ENDS)])
async def test_the_first_end_is_the_only_one(order: tuple[Reply | Refusal, ...]) -> None:
    conversation = Conversation()
    for end in order:
        conversation.end(end)
    assert conversation.ended
    assert await conversation.follow(Ask().outbound()) is order[0]


@pytest.mark.parametrize("first", ["answer", "said", "gone"])
@pytest.mark.parametrize("is_slow", [False, True], ids=["fast", "slow"])
async def test_an_answer_and_a_cancellation_in_the_same_turn_give_one_end(first: str, *, is_slow: bool) -> None:
    conversation, ask, ends = Conversation(), Ask(), list[Reply | Refusal | Question]()

    async def follow() -> None:
        ends.append(await conversation.follow(ask.outbound()))

    with anyio.fail_after(BOUND_S):
        async with anyio.create_task_group() as following:
            following.start_soon(follow)
            await anyio.wait_all_tasks_blocked()
            if is_slow:
                conversation.tell(notice(1))
                await anyio.wait_all_tasks_blocked()
            acts = {
                "answer": lambda: conversation.end(ANSWERED),
                "said": ask.cancellation.say,
                "gone": ask.client.gone.set,
            }
            acts.pop(first)()
            for act in acts.values():
                act()
            if first == "gone":
                # Leaving is noticed a turn later, so whatever else happens in this turn comes first.
                conversation.end(ANSWERED)
    (end,) = ends
    assert end is (CANCELLED if first == "said" else ANSWERED)
    assert ask.client.progress == ([1] if is_slow else [])


async def test_a_wish_said_before_anyone_listened_is_heard() -> None:
    ask = Ask()
    ask.cancellation.say()
    with anyio.fail_after(BOUND_S):
        assert await Conversation().follow(ask.outbound()) is CANCELLED


async def test_a_silent_call_ends_at_its_deadline_and_a_late_answer_is_ignored() -> None:
    conversation = Conversation()
    with anyio.fail_after(BOUND_S):
        assert await conversation.follow(Ask(timeout_s=0.01).outbound()) is TIMED_OUT
        assert await conversation.follow(Ask(timeout_s=0.0).outbound()) is TIMED_OUT
    conversation.end(ANSWERED)
    with anyio.fail_after(BOUND_S):
        assert await conversation.follow(Ask().outbound()) is TIMED_OUT


async def test_a_slow_call_is_answered_too() -> None:
    conversation, ask = Conversation(), Ask()
    with anyio.fail_after(BOUND_S):
        async with anyio.create_task_group() as following:
            following.start_soon(_expect, conversation, ask, ANSWERED)
            # The client is watched from the moment when the call counts as slow.
            await ask.client.watched.wait()
            conversation.end(ANSWERED)


async def _expect(conversation: Conversation, ask: Ask, end: Reply | Refusal) -> None:
    assert await conversation.follow(ask.outbound()) is end


async def test_everything_told_before_the_end_is_passed_on_before_it() -> None:
    conversation, ask = Conversation(), Ask()
    for number in range(100):
        conversation.tell(notice(number))
    conversation.end(ANSWERED)
    conversation.tell(notice(100))
    with anyio.fail_after(BOUND_S):
        assert await conversation.follow(ask.outbound()) is ANSWERED
    assert ask.client.progress == list(range(100))
    assert conversation.backlog == 0


async def test_the_backlog_is_what_the_client_has_not_taken_and_relief_comes_with_each_piece() -> None:
    reliefs: list[int] = []
    conversation = Conversation(lambda: reliefs.append(conversation.backlog))
    size = len(notice(1))
    for _ in range(3):
        conversation.tell(notice(1))
    assert conversation.backlog == 3 * size
    conversation.end(ANSWERED)
    with anyio.fail_after(BOUND_S):
        await conversation.follow(Ask().outbound())
    assert reliefs == [2 * size, size, 0]


async def test_a_client_that_stalls_is_left_at_the_deadline_and_one_that_leaves_at_once() -> None:
    for leaves in (False, True):
        conversation, ask = Conversation(), Ask(timeout_s=BOUND_S if leaves else 0.05)
        ask.client.stall()
        conversation.tell(notice(1))
        with anyio.fail_after(BOUND_S / 2):
            async with anyio.create_task_group() as following:
                following.start_soon(_expect, conversation, ask, CANCELLED if leaves else TIMED_OUT)
                await ask.client.stalled.wait()
                if leaves:
                    ask.client.gone.set()
