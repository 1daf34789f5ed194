"""Parked calls: found once, by their own server, and bounded."""

from itertools import count

from tallystick.gateway.bridge import Park
from tallystick.gateway.bridge.park import PARKED_CLOSE, Stay
from tallystick.gateway.upstream.model import Evidence, Outbound, Question
from tallystick.terms import Refusal
from tallystick.wire import Reply


class Idle:
    """A call in which nothing happens."""

    @property
    def evidence(self) -> Evidence:
        """What it has shown: nothing."""
        return "unknown"

    async def follow(self, outbound: Outbound) -> Reply | Refusal | Question:
        """End."""
        del outbound
        return Reply("result", None, b"{}")

    async def respond(self, question: Question, answer: Reply) -> Refusal | None:
        """Take an answer."""
        del question, answer

    async def cancel(self) -> None:
        """Do nothing."""


def _stay(conversation: str = "c") -> Stay:
    context = conversation.partition(".")[0]
    return Stay(Idle(), Question(1, "roots/list", {}), "tools/call", conversation, context, until=3600.0)


def _park(room: int = 10, room_each: int = 10) -> Park:
    ids = count(1)
    return Park(lambda: f"id{next(ids)}", room, room_each)


def test_a_parked_call_is_found_once() -> None:
    park, stay = _park(), _stay()
    assert park.put("bank", stay) == "id1"
    assert park.take("bank", "id1") is stay
    assert park.take("bank", "id1") is None
    assert stay.fetched.is_set()
    assert len(park) == 0


def test_a_call_that_was_parked_for_one_server_is_never_gone_on_with_at_another() -> None:
    park = _park()
    park.put("bank", _stay())
    assert park.take("shop", "id1") is None
    assert park.take("bank", "id1") is not None


def test_an_id_that_nobody_was_given_opens_nothing() -> None:
    assert _park().take("bank", "id1") is None


def test_one_client_cannot_fill_the_park_by_declaring_something_else_each_time() -> None:
    park = _park(room_each=2)
    assert [park.put("bank", _stay(f"c.{number}")) for number in range(3)] == ["id1", "id2", None]
    assert park.put("bank", _stay("other")) is not None
    park.take("bank", "id1")
    assert park.put("bank", _stay()) is not None


def test_the_park_has_room_for_so_many_and_no_more() -> None:
    park = _park(room=2)
    assert [park.put("bank", _stay(str(number))) for number in range(3)] == ["id1", "id2", None]


def test_a_client_displaces_its_own_oldest_call_and_nobody_elses() -> None:
    park, oldest = _park(), _stay("ada.1")
    park.put("bank", _stay("bob.1"))
    park.put("bank", oldest)
    for number in range(1, PARKED_CLOSE):
        park.put("bank", _stay(f"ada.{number}"))
    park.put("shop", _stay("ada.1"))
    assert park.displaced("bank", "ada") is None
    park.put("bank", _stay("ada.9"))
    assert park.displaced("bank", "ada") is oldest
    assert oldest.fetched.is_set()
    assert park.displaced("bank", "ada") is None
    assert len(park) == PARKED_CLOSE + 2
