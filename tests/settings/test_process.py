"""Process settings: everything has a default, and what is wrong is named with its nearest right form."""

from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from pathlib import Path

import pytest

from tallystick.settings import Settings, parse_settings, places

BROKEN = [
    ("gatewy: {}", 'gatewy: there is no setting "gatewy"; did you mean "gateway"?'),
    ("gateway: {listen_prt: 1}", 'gateway.listen_prt: there is no setting "listen_prt"; did you mean "listen_port"?'),
    ("gateway: {listen_port: '80'}", "gateway.listen_port: is not a whole number"),
    ("gateway: {listen_port: true}", "gateway.listen_port: is not a whole number"),
    ("gateway: {listen_port: 70000}", "gateway.listen_port: 70000 is out of range; choose 0 to 65535"),
    ("gateway: {public_url: tally.example}", 'gateway.public_url: "tally.example" is not a plain http(s) URL'),
    ("gateway: {public_url: 'http://[::1'}", "gateway.public_url"),
    ("gateway: {allowed_hosts: a.example}", "gateway.allowed_hosts: is not a list of texts"),
    ("gateway: 3", "gateway: is not a mapping"),
    ("audit: {origin_host: 'a b'}", 'audit.origin_host: "a b" is not an allowed value'),
    ("audit: {capture: some}", 'audit.capture: there is no value "some"'),
    ("audit: {capture_bytes: -1}", "audit.capture_bytes: -1 is out of range"),
    ("audit: {levels: {high: publishd}}", 'audit.levels.high: there is no value "publishd"; did you mean "published"?'),
    ("audit: {levels: {extreme: durable}}", 'audit.levels.extreme: there is no setting "extreme"'),
    (
        "audit: {levels: {critical: cosigned}}",
        "audit.witness_policy: is missing, and without witnesses nothing is ever",
    ),
    ("audit: {retention: 'Ten Years'}", 'audit.retention: "Ten Years" is not an allowed value'),
    ("identity: {cached_tokens: 0}", "identity.cached_tokens: 0 is out of range; choose 1 to"),
    ("identity: {clock_skew_s: 1000}", "identity.clock_skew_s: 1000 is out of range; choose 0 to 300"),
    ("identity: {keys_fresh_s: soon}", "identity.keys_fresh_s: is not a number of seconds"),
    ("a: 1\na: 2", 'the key "a" is written twice'),
]


@pytest.mark.parametrize(("text", "message"), BROKEN)
def test_a_faulty_setting_is_named_with_what_to_do(text: str, message: str) -> None:
    answer = parse_settings({"tally.yaml": text.encode()})
    assert isinstance(answer, tuple)
    assert message in "\n".join(str(problem) for problem in answer)


def test_all_faults_are_told_at_once() -> None:
    answer = parse_settings({"tally.yaml": b"gateway: {listen_port: x, max_request_bytes: y}\nwhat: 1"})
    assert isinstance(answer, tuple)
    assert len(answer) == 3


def test_without_a_file_every_setting_has_its_default() -> None:
    answer = parse_settings({})
    assert isinstance(answer, Settings)
    assert answer.gateway.public_url == "http://127.0.0.1:8080"
    assert answer.audit.origin_host == "127.0.0.1"
    assert answer == parse_settings({"tally.yaml": b"gateway: {}\naudit:\n"})


def test_written_settings_are_used() -> None:
    gateway = b"gateway: {listen_host: '::1', listen_port: 0, public_url: 'https://tally.example.com/'}\n"
    raw = gateway + b"runtime: {open_files: 64}"
    answer = parse_settings({"tally.yaml": raw})
    assert isinstance(answer, Settings)
    assert (answer.gateway.listen_host, answer.gateway.listen_port) == ("::1", 0)
    assert answer.gateway.public_url == "https://tally.example.com"
    assert answer.audit.origin_host == "tally.example.com"
    assert answer.runtime.open_files == 64


def test_levels_are_named_by_risk() -> None:
    answer = parse_settings(
        {"tally.yaml": b"audit: {levels: {high: published, critical: cosigned}, witness_policy: w}"}
    )
    assert isinstance(answer, Settings)
    levels = answer.audit.levels
    assert (levels.low, levels.medium, levels.high, levels.critical) == (
        *("durable", "durable"),
        *("published", "cosigned"),
    )


def test_no_room_has_more_than_ten_settings() -> None:
    def counted(settings: object) -> Iterator[int]:
        """How many settings there are in a room, and in each part of it that is a value of its own."""
        values = [getattr(settings, part.name) for part in fields(settings)] if is_dataclass(settings) else []
        yield sum(not is_dataclass(value) for value in values)
        for value in values:
            yield from counted(value)

    assert max(counted(Settings())) == 10


def test_the_environment_only_says_where_things_are() -> None:
    assert places({})[:2] == (Path("config"), Path("var"))
    assert places({"TALLY_CONFIG": "/etc/tally", "TALLY_STATE": ""})[:2] == (Path("/etc/tally"), Path("var"))


def test_the_environment_says_which_console_is_meant_and_where_a_sign_in_is_kept() -> None:
    told = places({"TALLY_URL": "https://c", "TALLY_GATEWAY": "https://g", "HOME": "/people/ana"})
    assert (told.url, told.gateway, told.client) == ("https://c", "https://g", Path("/people/ana/.config/tallystick"))
    assert places({"XDG_CONFIG_HOME": "/x", "HOME": "/people/ana"}).client == Path("/x/tallystick")
    assert places({})[2:4] == ("", "")
