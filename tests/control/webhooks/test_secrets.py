"""Which secrets a webhook has: those of its own tenant, in a form that can be sent. Nobody reads another's by a URL."""

from pathlib import Path

import pytest

from tallystick.control.model import Put
from tallystick.control.webhooks.signature import sign
from tallystick.terms import Reason, Refusal, TenantId
from tests.control.webhooks.test_sender import Box
from tests.control.webhooks.world import ACME, ADMIN, SECRET, World, hook, world
from tests.export.sinks.receiver import receiver

GLOBEX = TenantId("globex")


def globex(made: World) -> None:
    """Another tenant, which has a secret for signing of its own."""
    made.do(
        ADMIN,
        Put("Tenant", "globex", GLOBEX, {"title": "Globex", "jurisdiction": "UK"}),
        Put("Secret", "theirs", GLOBEX, {"value": SECRET}),
    )


@pytest.mark.parametrize("names", [{"secret": "theirs", "token": "password"}, {"secret": "signing"}])
def test_a_webhook_sends_no_secret_of_another_tenant_to_where_its_own_points(
    tmp_path: Path, names: dict[str, str]
) -> None:
    box = Box()
    with world(tmp_path) as made, receiver(box) as url:
        globex(made)
        made.do(ADMIN, hook(url, tenant=GLOBEX, **names))
        server = {"title": "Own", "transport": {"http": {"url": "https://own.example/mcp"}}}
        made.do(ADMIN, Put("Server", "own", GLOBEX, server, owner="directory", state="approved"))
        made.tell("out")
        assert box.got == []
        assert "is not there" in made.sender.status()[0].failing


def test_a_webhook_of_the_installation_has_no_secret_of_a_tenant(tmp_path: Path) -> None:
    box = Box()
    with world(tmp_path) as made, receiver(box) as url:
        made.do(ADMIN, hook(url, tenant="", token="password"))
        made.submit()
        made.tell("out")
        assert box.got == []


def test_who_knows_the_secret_of_a_namesake_signs_for_nobody(tmp_path: Path) -> None:
    with world(tmp_path) as made:
        globex(made)
        made.do(ADMIN, hook("http://127.0.0.1:1", tenant=ACME, secret="theirs"))
        body = b'{"type":"review.approve"}'
        told = made.receiver.receive("out", sign(SECRET.encode(), "msg_1", made.clock.now, body), body)
        assert isinstance(told, Refusal)
        assert told.reasons == (Reason.HOOK_UNSIGNED,)


@pytest.mark.parametrize("value", ["two\nlines", "Schl\u00fcssel", "\u20ac", "tab\tbed"])
def test_a_secret_that_no_header_can_hold_stops_its_own_webhook_only(tmp_path: Path, value: str) -> None:
    box = Box()
    with world(tmp_path) as made, receiver(box) as url:
        made.do(ADMIN, Put("Secret", "odd", ACME, {"value": value}), hook(url, token="odd"))
        made.submit()
        made.tell("out")
        assert box.got == []
        assert "no header of HTTP" in made.sender.status()[0].failing
