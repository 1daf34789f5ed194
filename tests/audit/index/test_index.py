"""The query index answers from the log, only grows, and can be made anew."""

import sqlite3
from collections.abc import Generator
from contextlib import closing
from pathlib import Path

import pytest

from tallystick import audit
from tallystick.audit.index import Index, IndexError_, Query
from tallystick.audit.index.rows import millionths, row_of
from tallystick.audit.index.search import sql
from tallystick.audit.leaf.call import in_doubt
from tallystick.audit.leaf.event import event
from tallystick.audit.model import Event
from tests.audit.sample import (
    BANK,
    CALLER,
    DECISION,
    NOON,
    TARGET,
    Ticking,
    call_of,
    denial,
    intent,
    log_directory,
    opened_log,
    opened_state,
    outcome,
)

HOLD = event(Event("hold", call_of(9), NOON + 60, BANK, {"hold": "case-12", "action": "placed", "matter": "lawsuit"}))


@pytest.fixture
def log(tmp_path: Path) -> Path:
    with opened_state(tmp_path) as state:
        opened = opened_log(state)
        opened.append([intent(0), intent(1), outcome(0, 0), denial(2), in_doubt(call_of(1), BANK, 1, NOON), HOLD])
        opened.publish(Ticking())
    return log_directory(tmp_path)


@pytest.fixture
def index(log: Path) -> Generator[Index]:
    opened = Index(None)
    opened.follow([log])
    yield opened
    opened.close()


def _numbers(index: Index, query: Query) -> list[object]:
    return [record["index"] for record in index.search(query)]


def test_a_call_is_one_record_with_its_outcome(index: Index) -> None:
    records = index.search(Query(newest_first=False))
    assert [(record["index"], record["kind"], record.get("outcome")) for record in records] == [
        (0, "intent", "success"),
        (1, "intent", "in_doubt"),
        (3, "denial", "denied"),
        (5, "hold", None),
    ]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        (Query(person="alice@bank.example"), [0, 1]),
        (Query(agent="payments-agent"), [0, 1]),
        (Query(agent="another"), []),
        (Query(server="core", tool="accounts.list", kind="denial"), [3]),
        (Query(outcome="in_doubt"), [1]),
        (Query(outcome="success", decision="allow"), [0]),
        (Query(decision="deny"), [3]),
        (Query(kind="outcome"), [2]),
        (Query(kind="outcome", person="alice@bank.example"), [2]),
        (Query(policy="clerks-may-read"), [0, 1]),
        (Query(policy="clerks-may"), []),
        (Query(reason="no_policy_allows"), [3]),
        (Query(tenant="bank", since="2026-05-28T20:26:50"), [5]),
        (Query(tenant="other"), []),
        (Query(call=call_of(1)), [1]),
        (Query(limit=1, newest_first=False), [0]),
    ],
)
def test_records_are_found_by_what_they_say(index: Index, query: Query, found: list[int]) -> None:
    assert sorted(map(str, _numbers(index, query))) == [str(number) for number in found]


def test_a_hostile_value_is_a_value_and_no_sql(index: Index) -> None:
    assert _numbers(index, Query(person="' OR 1=1 --")) == []


def test_the_total_counts_beyond_the_limit(index: Index) -> None:
    assert len(index.search(Query(limit=1))) == 1
    assert index.count(Query(limit=1)) == 4


def test_what_is_published_later_is_taken_in_and_nothing_twice(tmp_path: Path, log: Path) -> None:
    index = Index(tmp_path / "index.sqlite")
    index.follow([log])
    with opened_state(tmp_path) as state:
        opened = opened_log(state)
        opened.append([intent(7), outcome(7, opened.size)])
        opened.publish(Ticking())
    told: list[tuple[int, int]] = []
    index.follow([log], lambda done, total: told.append((done, total)))
    index.follow([log])
    assert told == [(2, 2)]
    assert index.search(Query(call=call_of(7)))[0]["outcome"] == "success"
    assert index.count(Query(person="alice@bank.example")) == 3
    index.close()


def test_an_outcome_tells_its_intent_even_if_it_was_taken_in_long_before(tmp_path: Path) -> None:
    index = Index(tmp_path / "index.sqlite")
    with opened_state(tmp_path) as state:
        opened = opened_log(state)
        for leaf in (intent(0), outcome(0, 0)):
            opened.append([leaf])
            opened.publish(Ticking())
            index.follow([log_directory(tmp_path)])
    found = index.search(
        Query(kind="outcome", person="alice@bank.example", agent="payments-agent", tool="accounts.list")
    )
    assert [record["index"] for record in found] == [1]
    told: list[tuple[int, int]] = []
    index.follow([log_directory(tmp_path)], lambda done, total: told.append((done, total)))
    assert told == []
    index.close()
    assert (tmp_path / "index.sqlite").stat().st_mode & 0o777 == 0o600


def test_an_index_of_another_version_is_made_anew(tmp_path: Path, log: Path) -> None:
    index = Index(tmp_path / "index.sqlite")
    index.follow([log])
    index.close()
    with sqlite3.connect(tmp_path / "index.sqlite") as other:
        other.execute("PRAGMA user_version = 99")
    other.close()
    index = Index(tmp_path / "index.sqlite")
    assert index.count(Query()) == 0
    index.follow([log])
    assert index.count(Query()) == 4
    index.close()


def test_an_outcome_belongs_to_the_intent_of_its_own_log(tmp_path: Path) -> None:
    logs: list[Path] = []
    for name, leaves in (("one", [intent(0), outcome(0, 0)]), ("two", [intent(5)])):
        with opened_state(tmp_path / name) as state:
            opened = opened_log(state)
            opened.append(leaves)
            opened.publish(Ticking())
        logs.append(log_directory(tmp_path / name))
        checkpoint = logs[-1] / "checkpoint"
        checkpoint.chmod(0o644)
        checkpoint.write_text(checkpoint.read_text().replace("localhost/bank/2026", f"localhost/{name}/2026"))
    index = Index(None)
    index.follow(logs)
    assert [(record["log"], record.get("outcome")) for record in index.search(Query(newest_first=False))] == [
        ("localhost/one/2026", "success"),
        ("localhost/two/2026", None),
    ]
    index.close()


@pytest.mark.parametrize("query", [Query(), Query(person="a"), Query(outcome="timeout"), Query(kind="intent")])
def test_no_question_reads_the_log_once_for_each_record(tmp_path: Path, log: Path, query: Query) -> None:
    index = Index(tmp_path / "index.sqlite")
    index.follow([log])
    index.close()
    statement, values = sql(query)
    with closing(sqlite3.connect(tmp_path / "index.sqlite")) as database:
        plan = [str(row[3]) for row in database.execute(f"EXPLAIN QUERY PLAN {statement}", values)]
    assert any("by_intent (log=? AND intent=?)" in step for step in plan)
    assert not any("PRIMARY KEY (log=?)" in step for step in plan)


def test_records_of_one_moment_come_in_the_order_of_the_log(index: Index) -> None:
    assert _numbers(index, Query(kind="intent")) == [1, 0]
    assert _numbers(index, Query(kind="intent", newest_first=False)) == [0, 1]


def test_since_is_inclusive_and_until_is_not(index: Index) -> None:
    [record] = index.search(Query(kind="denial"))
    ts = str(record["ts"])
    assert _numbers(index, Query(kind="denial", since=ts)) == [3]
    assert _numbers(index, Query(kind="denial", until=ts)) == []


def test_an_index_that_was_deleted_is_made_anew_with_the_same_answers(tmp_path: Path, log: Path) -> None:
    answers: list[list[dict[str, object]]] = []
    for _ in range(2):
        index = Index(tmp_path / "index" / "records.sqlite")
        index.follow([log])
        answers.append(index.search(Query()))
        index.close()
        for path in (tmp_path / "index").iterdir():
            path.unlink()
    assert answers[0] == answers[1]


def test_rows_cannot_be_changed_or_dropped(tmp_path: Path, log: Path) -> None:
    index = Index(tmp_path / "index.sqlite")
    index.follow([log])
    with sqlite3.connect(tmp_path / "index.sqlite") as other:
        for statement in ("UPDATE record SET person = 'nobody'", "DELETE FROM record"):
            with pytest.raises(sqlite3.IntegrityError, match="only grows"):
                other.execute(statement)
    other.close()
    index.close()


def test_a_log_that_became_shorter_is_told_and_not_overwritten(tmp_path: Path, log: Path) -> None:
    index = Index(tmp_path / "index.sqlite")
    index.follow([log])
    checkpoint = (log / "checkpoint").read_text()
    (log / "checkpoint").chmod(0o644)
    (log / "checkpoint").write_text(checkpoint.replace("\n6\n", "\n4\n"))
    with pytest.raises(IndexError_, match="restored or cut"):
        index.follow([log])
    index.close()


def test_a_file_that_is_no_database_is_told_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "index.sqlite").write_bytes(b"no database" * 100)
    with pytest.raises(IndexError_, match="delete it and ask again"):
        Index(tmp_path / "index.sqlite")


def test_amounts_compare_exactly() -> None:
    assert [millionths(text) for text in ("0.1", "-3", "12500.00", "much", None, "1e400", "NaN")] == [
        100_000,
        -3_000_000,
        12_500_000_000,
        None,
        None,
        None,
        None,
    ]


def test_an_autonomous_agent_is_no_person() -> None:
    row = row_of("log", 0, {"kind": "intent", "tenant": "bank", "caller": {"kind": "agent", "subject": "bot"}})
    assert (row.person, row.agent) == (None, "bot")


def test_amounts_are_found_within_their_bounds_inclusively(tmp_path: Path) -> None:
    with opened_state(tmp_path) as state:
        opened = opened_log(state)
        opened.append(
            [audit.encode(_paying(number, amount)) for number, amount in enumerate(("9.99", "10.00", "10.01"))]
        )
        opened.publish(Ticking())
    index = Index(None)
    index.follow([log_directory(tmp_path)])
    ten = millionths("10")
    assert sorted(map(str, _numbers(index, Query(amount_from=ten)))) == ["1", "2"]
    assert sorted(map(str, _numbers(index, Query(amount_to=ten)))) == ["0", "1"]
    assert index.search(Query(amount_from=ten, amount_to=ten))[0]["amount"] == "10"
    index.close()


def _paying(number: int, amount: str) -> audit.Intent:
    return audit.Intent(
        call_of(number), NOON, BANK, CALLER, TARGET, DECISION, "e" * 64, 300, amount=amount, currency="EUR"
    )


def test_a_request_that_never_left_is_a_record_of_its_own(tmp_path: Path) -> None:
    lone = audit.Outcome(call_of(4), NOON, BANK, None, "limited", 5, target=TARGET, caller=CALLER)
    with opened_state(tmp_path) as state:
        opened = opened_log(state)
        opened.append([audit.encode(lone)])
        opened.publish(Ticking())
    index = Index(None)
    index.follow([log_directory(tmp_path)])
    assert [record["outcome"] for record in index.search(Query())] == ["limited"]
    index.close()


def test_the_span_of_a_subject_reaches_from_its_first_to_its_last_leaf(tmp_path: Path) -> None:
    held = {"hold": "case-12", "action": "placed", "matter": "lawsuit", "subject": "a" * 64, "operator": "root"}
    hold = event(Event("hold", call_of(9), NOON, BANK, held))
    with opened_state(tmp_path) as state:
        opened = opened_log(state)
        opened.append([intent(0), hold, intent(1), hold, intent(2)])
        opened.publish(Ticking())
    index = Index(None)
    index.follow([log_directory(tmp_path)])
    assert index.span("a" * 64) == [("localhost/bank/2026", 1, 3)]
    assert _numbers(index, Query(person="root", subject="a" * 64, newest_first=False)) == [1, 3]
    index.close()


def test_who_signed_in_is_a_person_and_no_data_subject() -> None:
    row = row_of("log", 0, {"kind": "login", "tenant": "bank", "subject": "ana"})
    assert (row.person, row.subject) == ("ana", None)
    row = row_of("log", 0, {"kind": "token", "tenant": "bank", "subject": "ana", "actors": ["planner"]})
    assert (row.person, row.agent, row.subject) == ("ana", "planner", None)


def test_the_policies_of_a_refusal_are_found() -> None:
    row = row_of("log", 0, {"kind": "denial", "refusal": {"code": "denied", "policies": ["no-night"], "reasons": []}})
    assert (row.decision, row.outcome, row.policies) == ("deny", "denied", " no-night ")


def test_an_amount_beyond_any_bank_is_none() -> None:
    assert [millionths(text) for text in ("9" * 30, "-" + "9" * 30)] == [None, None]
