"""Which eras a server speaks: what was pinned, what answers prove, and how a verdict heals."""

from tallystick.gateway.bridge.verdict import EXPIRES_S, Choice, Verdict
from tallystick.wire import ERAS, MODERN

SESSIONS = "2025-11-25"
NEW, OLD, OLDER = ERAS[MODERN], ERAS[SESSIONS], ERAS["2025-06-18"]


def test_a_server_of_both_eras_is_asked_in_the_clients_own() -> None:
    verdict = Verdict((MODERN, SESSIONS), 0.0)
    assert [verdict.choose(era, 1.0) for era in (NEW, OLD, OLDER)] == [Choice(NEW), Choice(OLD), Choice(OLDER)]
    assert verdict.spoken == (MODERN, SESSIONS)


def test_a_server_of_one_era_is_asked_in_that_by_everybody() -> None:
    assert Verdict((MODERN,), 0.0).choose(OLD, 1.0) == Choice(NEW)
    assert Verdict((SESSIONS,), 0.0).choose(NEW, 1.0) == Choice(OLD)
    assert Verdict(("2025-06-18",), 0.0).choose(NEW, 1.0) == Choice(OLDER)


def test_an_unpinned_server_is_asked_in_the_clients_era() -> None:
    verdict = Verdict((), 0.0)
    assert verdict.choose(NEW, 1.0) == Choice(NEW)
    assert verdict.choose(OLD, 1.0) == Choice(OLD)
    assert verdict.spoken == ()


def test_an_answer_in_the_wrong_era_changes_what_is_spoken() -> None:
    verdict = Verdict((MODERN,), 0.0)
    verdict.learn(NEW, spoken=False, now=1.0)
    verdict.learn(OLD, spoken=True, now=1.0)
    assert verdict.choose(NEW, 2.0) == Choice(OLD)
    assert (verdict.spoken, verdict.changes) == ((SESSIONS,), 2)


def test_a_no_expires_and_is_doubted_once_without_keeping_the_caller() -> None:
    verdict = Verdict((SESSIONS,), 0.0)
    assert verdict.choose(NEW, EXPIRES_S - 1) == Choice(OLD)
    assert verdict.choose(NEW, EXPIRES_S) == Choice(OLD, doubt=NEW)
    assert verdict.choose(NEW, EXPIRES_S + 1) == Choice(OLD)


def test_a_server_that_was_upgraded_is_no_longer_bridged() -> None:
    verdict = Verdict((SESSIONS,), 0.0)
    verdict.learn(NEW, spoken=True, now=EXPIRES_S)
    assert verdict.choose(NEW, EXPIRES_S + 1) == Choice(NEW)


def test_a_server_that_speaks_nothing_is_asked_in_the_clients_own_words() -> None:
    verdict = Verdict((MODERN,), 0.0)
    verdict.learn(NEW, spoken=False, now=1.0)
    assert verdict.choose(OLD, 2.0).era is OLD
    assert verdict.choose(NEW, 2.0).era is NEW


def test_learning_the_same_again_is_no_change() -> None:
    verdict = Verdict((MODERN,), 0.0)
    verdict.learn(NEW, spoken=True, now=1.0)
    assert verdict.changes == 0
