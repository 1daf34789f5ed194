"""The writer's own leaves: heartbeats that prove silence, and orders to a running writer."""

import os
import socket
import threading
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import anyio
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tallystick import audit
from tallystick.audit.client import connect, join_writer, order, start_writer
from tallystick.audit.log.files import State
from tallystick.audit.model import Unwritable
from tallystick.audit.signing import Signers
from tallystick.audit.tlog.note import parse_vkeys, read_note, sign_checkpoint, signed_by
from tallystick.audit.writer import frames, socket_of
from tallystick.audit.writer.clerk import BEAT_SECONDS, Heart
from tallystick.audit.writer.sequence import Sequencer
from tallystick.terms import TallyError, TenantId
from tests.audit.sample import BANK, Ticking, denial, intent, opened_state
from tests.audit.writer.office import HOST, Desks, opened, running
from tests.interaction.processes import writers_of
from tests.interaction.waiting import BOUND_S, until

pytestmark = pytest.mark.anyio
OTHER = TenantId("other")
LATE_DECEMBER = 1_798_761_599.0
"""2026-12-31T23:59:59Z."""


def _beat(desks: Desks, *, stop: bool = False) -> None:
    desks.beats.beat(lambda tenant, leaf: desks.logs.append(tenant, [leaf])[0].first or 0, stop=stop)


def _fields(state: Path, tenant: str = BANK, year: int | None = None) -> list[dict[str, object]]:
    log = max((state / "audit" / tenant).iterdir()) if year is None else state / "audit" / tenant / str(year)
    report = audit.offline.verify_log(log, audit.offline.read_vkey(log))
    assert report.damage == ()
    return [audit.offline.read_fields(leaf) for _, leaf in audit.offline.read_leaves(log, range(report.size))]


def _beats(state: Path, tenant: str = BANK) -> list[dict[str, object]]:
    known = ("every_s", "size", "opened", "start", "stop", "step_ms")
    beats = [each for each in _fields(state, tenant) if each["kind"] == "heartbeat"]
    return [{name: beat[name] for name in known if name in beat} for beat in beats]


def test_the_first_beat_of_a_life_says_so_and_each_counts_what_is_before_it(tmp_path: Path) -> None:
    with opened(tmp_path) as desks:
        desks.logs.append(BANK, [denial(0), intent(1)])
        desks.logs.publish()
        _beat(desks)
        desks.logs.append(OTHER, [denial(0)])
        _beat(desks)
        _beat(desks, stop=True)
        desks.logs.publish()
    assert _beats(tmp_path) == [
        {"every_s": 60, "size": 2, "opened": 1, "start": True},
        {"every_s": 60, "size": 3, "opened": 1},
        {"every_s": 60, "size": 4, "opened": 1, "stop": True},
    ]
    assert [beat.get("start") for beat in _beats(tmp_path, OTHER)] == [True, None]


@pytest.mark.parametrize(("step", "said"), [(3600.0, 3_600_000), (-3600.0, -3_600_000), (0.9, None), (-0.9, None)])
def test_a_clock_that_is_set_is_said_once_by_the_next_beat(tmp_path: Path, step: float, said: int | None) -> None:
    with opened(tmp_path) as desks:
        desks.logs.append(BANK, [denial(0)])
        _beat(desks)
        desks.real.now += 60 + step
        desks.steady.now += 60
        for _ in range(2):
            _beat(desks)
        desks.logs.publish()
    found = [beat.get("step_ms") for beat in _beats(tmp_path)]
    assert found[0] is found[2] is None
    assert found[1] is None if said is None else isinstance(found[1], int) and abs(found[1] - said) < 50


def test_a_clock_that_goes_back_an_hour_gives_no_checkpoint_that_goes_back(tmp_path: Path) -> None:
    with opened(tmp_path) as desks:
        published: list[int] = []
        for _ in range(3):
            desks.logs.append(BANK, [denial(len(published))])
            _beat(desks)
            desks.logs.publish()
            published.append(desks.logs.standing(BANK).published)
            desks.real.now -= 3600
        assert published == [2, 4, 6]
    with opened_state(tmp_path) as state:
        row = state.store(BANK, 2026).row()
    assert row is not None
    assert row.time_us >= 1_780_000_000_000_000, "the time of the first checkpoint, not of the last"
    assert [beat.get("step_ms", 0) != 0 for beat in _beats(tmp_path)] == [False, True, True]


def test_a_beat_turns_the_log_with_the_year(tmp_path: Path) -> None:
    with opened(tmp_path, Ticking(LATE_DECEMBER)) as desks:
        desks.logs.append(BANK, [denial(0)])
        desks.real.now += 10
        desks.steady.now += 10
        _beat(desks)
        desks.logs.publish()
    assert [each["kind"] for each in _fields(tmp_path, year=2026)] == ["denial"]
    assert [each["kind"] for each in _fields(tmp_path, year=2027)] == ["open", "heartbeat"]


class _Minutes:
    """A clock that runs a minute ahead each time it is looked at, for so many times, and then stands still."""

    def __init__(self, count: int) -> None:
        self.left = count
        self.now = 1000.0

    def __call__(self) -> float:
        """Return seconds since some moment."""
        if self.left:
            self.left -= 1
            self.now += BEAT_SECONDS
        return self.now


async def test_the_heart_beats_every_minute_and_once_more_at_the_end(tmp_path: Path) -> None:
    ours, theirs = socket.socketpair()
    with opened(tmp_path) as desks:
        desks.logs.append(BANK, [denial(0)])
        heart = Heart(desks.beats, _Minutes(4))
        sequencer = Sequencer(desks.logs, bytes(32) + HOST.encode())
        sequencer.on_idle = heart.close
        alarm, far = socket.socketpair()
        thread = threading.Thread(target=sequencer.serve, args=([theirs], alarm, [heart.stream]), daemon=True)
        heart.start()
        thread.start()
        [log] = desks.logs.open_logs()
        await until(lambda: log.size == 4)
        ours.close()
        thread.join(BOUND_S)
        heart.join(BOUND_S)
        assert not heart.is_alive()
        for each in (alarm, far):
            each.close()
        desks.logs.publish()
    assert [beat.get("stop") for beat in _beats(tmp_path)] == [None, None, None, True]


async def test_a_writer_says_when_it_starts_and_when_it_stops(tmp_path: Path) -> None:
    async with start_writer(tmp_path, HOST, initialize=True) as recorder:
        await recorder.append(BANK, denial(0))
    async with start_writer(tmp_path, HOST) as recorder:
        assert await recorder.append(BANK, denial(1)) == 3
    assert [(beat.get("start"), beat.get("stop")) for beat in _beats(tmp_path)] == [
        (True, True),
        (True, None),
        (None, True),
    ]


async def test_a_writer_that_is_killed_does_not_say_that_it_stops(tmp_path: Path) -> None:
    async with start_writer(tmp_path, HOST, initialize=True) as recorder:
        await recorder.append(BANK, denial(0))
        (writer,) = writers_of(os.getpid())
        os.kill(writer, 9)
        await until(lambda: not recorder.connected)
    async with start_writer(tmp_path, HOST):
        pass
    assert [(beat.get("start"), beat.get("stop")) for beat in _beats(tmp_path)] == [(True, None), (None, True)]


async def test_a_running_writer_takes_orders_and_tells_each_client_its_own_answer(tmp_path: Path) -> None:
    async with start_writer(tmp_path, HOST, initialize=True) as owner, join_writer(socket_of(tmp_path)) as other:
        await owner.append(BANK, denial(0))
        beat, wrong, status = (other.order({"order": name}) for name in ("beat", "make tea", "status"))
        assert await owner.order({"order": "beat"}) in ({"tenants": {BANK: 1}}, {"tenants": {BANK: 2}})
        assert await beat in ({"tenants": {BANK: 1}}, {"tenants": {BANK: 2}})
        with pytest.raises(TallyError, match="knows no order 'make tea'"):
            await wrong
        told = await status
        assert isinstance(told["uptime_s"], float)
        told = (await other.order({"order": "status"}))["tenants"]
        assert isinstance(told, dict)
        assert told[BANK]["size"] == 3
        with pytest.raises(TallyError, match="no text 'tenant'"):
            await other.order({"order": "prove"})
        with pytest.raises(TallyError, match="no open log"):
            await other.order({"order": "prove", "tenant": "nobody", "index": 0})


async def test_a_command_orders_from_a_running_writer_or_starts_one(tmp_path: Path) -> None:
    with pytest.raises(Unwritable, match="does not exist"):
        order(tmp_path, {"order": "status"})
    async with start_writer(tmp_path, HOST, initialize=True) as recorder:
        await recorder.append(BANK, denial(0))
        told = await anyio.to_thread.run_sync(order, tmp_path, {"order": "beat"})
        assert told == {"tenants": {BANK: 1}}
    with pytest.raises(TallyError, match="knows no order"):
        order(tmp_path, {"order": "make tea"})
    assert order(tmp_path, {"order": "beat"}) == {"tenants": {BANK: 6}}
    stops = [beat.get("stop") for beat in _beats(tmp_path)]
    assert stops == [None, True, None, True, None, None, True], "a command's writer says that it came and went"


async def test_a_state_directory_with_a_long_name_keeps_its_record(tmp_path: Path) -> None:
    state = tmp_path / ("long" * 30)
    async with start_writer(state, HOST, initialize=True) as recorder:
        assert await recorder.append(BANK, denial(0)) == 0
        assert not socket_of(state).exists()
        with pytest.raises(Unwritable, match="another process"):
            await anyio.to_thread.run_sync(order, state, {"order": "status"})


async def test_keys_are_rotated_with_overlap_and_every_step_is_on_record(tmp_path: Path) -> None:
    async with start_writer(tmp_path, HOST, initialize=True) as recorder:
        await recorder.append(BANK, denial(0))
        (log,) = (tmp_path / "audit" / BANK).iterdir()
        before = parse_vkeys((log / "vkey").read_text())
        for step, signing in (("begin", 4), ("end", 2)):
            await recorder.order({"order": "rotate-key", "step": step, "operator": "ops"})
            known = parse_vkeys((log / "vkey").read_text())
            assert len(known) == signing
            assert len(signed_by(read_note((log / "checkpoint").read_text()), known)) == signing
        assert not {*before} & {*known}
        with pytest.raises(TallyError, match="no rotation has begun"):
            await recorder.order({"order": "rotate-key", "step": "end", "operator": "ops"})
        assert await recorder.append(BANK, denial(1)) == 3
    keys = [each for each in _fields(tmp_path) if each["kind"] == "key"]
    assert [(each["action"], each["operator"]) for each in keys] == [("introduced", "ops"), ("retired", "ops")]


async def test_a_new_key_signs_nothing_before_the_old_ones_cover_the_leaf_that_introduces_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    covered: list[int] = []
    real = Signers.settle

    def settle(signers: Signers) -> None:
        covered.append(audit.offline.size_of(tmp_path / "audit" / BANK / "2026"))
        real(signers)

    monkeypatch.setattr(Signers, "settle", settle)
    ours, theirs = socket.socketpair()
    with running(tmp_path, [theirs]):
        client = await connect(ours)
        await client.append(BANK, denial(0))
        for step, leaf in (("begin", 1), ("end", 2)):
            told = await client.order({"order": "rotate-key", "step": step, "operator": "ops"})
            assert told["tenants"] == {BANK: leaf}
        client.close()
        await client.closed
    assert covered == [2, 3]


async def test_a_retired_key_signs_no_checkpoint_that_a_writer_goes_on_from(tmp_path: Path) -> None:
    async with start_writer(tmp_path, HOST, initialize=True) as recorder:
        await recorder.append(BANK, denial(0))
        await recorder.order({"order": "beat"})
        kept = (tmp_path / "keys" / "audit-ed25519").read_bytes()
        for step in ("begin", "end"):
            await recorder.order({"order": "rotate-key", "step": step, "operator": "ops"})
    with closing(State(tmp_path, initialize=False)) as state:
        [((tenant, year), origin)] = state.logs().items()
        store = state.store(tenant, year)
        row = store.row()
        assert row is not None
        stolen = sign_checkpoint(state.signing.open(row.body, origin), Ed25519PrivateKey.from_private_bytes(kept))
        assert state.signing.open(stolen, origin), "a past year's log may have been signed by it"
        assert store.swap(row.body, replace(row, body=stolen))
    with pytest.raises(Unwritable, match="no key that signs now has signed"):
        async with start_writer(tmp_path, HOST):
            pytest.fail("it started")


async def test_a_rotation_that_a_crash_cut_short_is_finished_at_the_next_start(tmp_path: Path) -> None:
    async with start_writer(tmp_path, HOST, initialize=True) as recorder:
        await recorder.append(BANK, denial(0))
    with opened_state(tmp_path) as state:
        state.signing.begin_rotation()
    async with start_writer(tmp_path, HOST) as recorder:
        await recorder.order({"order": "status"})
    (log,) = (tmp_path / "audit" / BANK).iterdir()
    assert len(parse_vkeys((log / "vkey").read_text())) == 4
    assert [each["action"] for each in _fields(tmp_path) if each["kind"] == "key"] == ["introduced"]


def test_a_writer_whose_clerk_has_died_stops(tmp_path: Path) -> None:
    ours, theirs = socket.socketpair()
    clerk, dead = socket.socketpair()
    alarm, far = socket.socketpair()
    failures: list[str] = []
    with opened(tmp_path) as desks, ours, alarm, far:
        sequencer = Sequencer(desks.logs, b"hello")

        def serve() -> None:
            try:
                sequencer.serve([theirs], alarm, [clerk])
            except Unwritable as error:
                failures.append(error.message)

        thread = threading.Thread(target=serve)
        thread.start()
        dead.close()
        thread.join(BOUND_S)
        assert not thread.is_alive()
        theirs.close()
    assert "a thread of the audit writer has ended" in failures[0]


def test_an_answer_that_is_too_long_is_told_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frames, "TEXT_LIMIT", 100)
    found, rest = frames.answers(frames.told(7, {"text": "x" * 101}))
    ((kind, _, number, text),) = found
    assert (kind, number, rest) == (frames.TOLD, 7, frames.ANSWER.size + len(text))
    assert b"at most 100 are told" in text
