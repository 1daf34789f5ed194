"""The client: where it may connect, what it makes of answers, and how it reads a stream."""

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from tallystick.remote import Client, Place, RemoteError, messages, read_place
from tallystick.remote.error import read_problem
from tallystick.remote.stream import Event, read_events
from tallystick.terms import TallyError


@pytest.mark.parametrize(
    "text",
    ["https://console.example", "https://console.example:8443/prefix/", "http://127.0.0.1:8081", "http://localhost:1"],
)
def test_https_and_loopback_are_places(text: str) -> None:
    assert str(read_place(text)) == text.rstrip("/")


def test_a_socket_is_a_place() -> None:
    assert read_place("unix:run/console.sock") == Place(socket=Path("run/console.sock"))


@pytest.mark.parametrize(
    "text",
    [
        "http://console.example",
        "ftp://x",
        "console.example",
        "https://a@b",
        "https://x?y",
        "https://x#y",
        "http://[::1",
        "",
    ],
)
def test_a_place_where_a_token_would_travel_in_clear_is_refused(text: str) -> None:
    with pytest.raises(TallyError):
        read_place(text)


def test_nobody_there_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(RemoteError) as away:
        Client(Place(socket=tmp_path / "console.sock")).health()
    assert (away.value.code, away.value.exit_code) == ("unavailable", 8)


@pytest.mark.parametrize(
    ("code", "exit_code"),
    [("invalid", 2), ("not_found", 3), ("unauthenticated", 4), ("denied", 5), ("conflict", 7), ("internal", 1)],
)
def test_a_problem_says_how_a_command_ends(code: messages.told.Code, exit_code: int) -> None:
    place = messages.told.Place("servers/x", "spec.title", "is missing", "add it")
    problem = messages.told.Problem(
        "t", "No", 400, "No.", "i", code, ["malformed"], errors=[place], unmet=["owner: none"]
    )
    error = read_problem(400, msgspec.json.encode(problem))
    assert (error.exit_code, error.reasons) == (exit_code, ("malformed",))
    assert error.message == "No.\nservers/x: spec.title: is missing (add it)\nowner: none"


@pytest.mark.parametrize("body", [b"", b"<html>", b"{}", b'{"code": 1}', b"\xff"])
def test_an_answer_of_somebody_else_is_no_problem_of_ours(body: bytes) -> None:
    assert read_problem(502, body).code == "upstream"


def pieces(text: bytes, size: int) -> Iterator[bytes]:
    """Yield a text in pieces."""
    return (text[at : at + size] for at in range(0, len(text), size))


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_events_are_read_however_they_are_cut(size: int, end: bytes) -> None:
    text = end.join(
        [b": open", b"", b"event: change", b"data: {1}", b"", b"id: 7", b"data: a", b"data: b", b"", b"data: cut off"]
    )
    assert list(read_events(pieces(text, size))) == [
        Event("", "change", b"{1}"),
        Event("7", "message", b"a\nb"),
    ]


def test_an_event_without_end_ends_the_stream() -> None:
    assert list(read_events([b"data: " + b"x" * (9 << 20), b"\n\n"])) == []
