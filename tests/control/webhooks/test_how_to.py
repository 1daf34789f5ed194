"""The how-to of reviews: its webhooks are taken by control state, and what it says of events and gates is so."""

import json
import re
from pathlib import Path

import pytest

from tallystick.control.lifecycle import TABLE
from tallystick.control.model import Key, Put
from tallystick.control.webhooks import EVENTS, hook_of
from tallystick.control.webhooks.sender import BACK_OFF_S, REFUSED
from tallystick.control.webhooks.signature import sign
from tallystick.settings import parse_document
from tests.control.webhooks.test_receiver import answered
from tests.control.webhooks.world import ACME, ADMIN, RISK, SECRET, hook, world

PAGE = (Path(__file__).resolve().parents[3] / "docs/how-to/review.md").read_text()
FILES = dict(re.findall(r"^```yaml\n# (webhooks/\S+\.yaml)\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE))


@pytest.mark.parametrize("name", FILES)
def test_a_webhook_of_the_page_is_one(tmp_path: Path, name: str) -> None:
    read = parse_document(name, FILES[name].encode())
    assert isinstance(read, dict)
    spec = {member: value for member, value in read.items() if member not in ("name", "tenant")}
    with world(tmp_path) as made:
        made.do(ADMIN, Put("Webhook", str(read["name"]), ACME, spec))
        hook = hook_of(made.get(Key("Webhook", str(read["name"]))))
    assert hook.events <= EVENTS
    assert (hook.form == "generic") != bool(hook.approve and hook.reject and hook.people)


def test_the_page_names_every_event_and_no_other() -> None:
    table = PAGE.partition("| events | when |")[2].partition("\n\n")[0]
    named = set(re.findall(r"`((?:server|grant|tool|review|approval)\.\w+)`", table))
    assert named == EVENTS


def test_the_page_says_how_long_is_waited_and_what_is_put_aside() -> None:
    assert BACK_OFF_S == (5, 30, 2 * 60, 10 * 60, 30 * 60, 60 * 60)
    assert "5 s, 30 s, 2 min, 10 min, 30 min, then every hour" in PAGE
    assert {400, 413, 422} == REFUSED


def test_the_page_does_every_step() -> None:
    words = {row.verb for row in TABLE}
    assert {word for word in words if f"tally server {word}" in PAGE} == words


def test_the_message_of_the_page_has_an_effect(tmp_path: Path) -> None:
    (text,) = [
        block
        for block in re.findall(r"^```json\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
        if "review.approve" in block
    ]
    message = json.loads(text)
    with world(tmp_path) as made:
        made.do(ADMIN, hook("http://127.0.0.1:1", ticketing={"people": {"b.meier": "bert"}}))
        made.submit()
        message["data"] |= {"version": made.get(RISK).version, "definition": made.digest()}
        body = json.dumps(message).encode()
        headers = sign(SECRET.encode(), "msg_1", made.clock.now, body)
        assert answered(made.receiver.receive("out", headers, body)) == "done"
        assert made.state() == "approved"
