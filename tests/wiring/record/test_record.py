"""Changes of the configuration and sign-ins are in the record before they take effect."""

import json
import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from tallystick.audit.keeping.classes import classes_of
from tallystick.audit.model import Unwritable
from tallystick.settings import Settings, parse_settings
from tallystick.terms import TenantId
from tallystick.wiring.record import record_sign_ins, tell_classes
from tests.audit.leaf.test_event import SCHEMA
from tests.audit.sample import BANK, Ticking, call_of
from tests.identity.development import ISSUER, MCP, Desk, answered

RETAIL = TenantId("retail")


class Kept:
    """Leaves that were appended; with `broken`, none can be."""

    def __init__(self) -> None:
        self.leaves: list[dict[str, object]] = []
        self.broken = False

    async def append(self, tenant: TenantId, leaf: bytes) -> int:
        """Keep a leaf."""
        if self.broken:
            message = "the disk is full"
            raise Unwritable(message)
        fields = json.loads(leaf)
        assert fields["tenant"] == tenant == BANK
        assert SCHEMA.is_valid(fields)
        self.leaves.append(fields)
        return len(self.leaves) - 1


@pytest.fixture
def kept() -> Kept:
    return Kept()


@pytest.fixture
def desk(tmp_path: Path, kept: Kept) -> Desk:
    desk = Desk(tmp_path)
    record_sign_ins(desk.issuer, kept.append, {ISSUER: BANK}.__getitem__, Ticking(), lambda: call_of(1))
    return desk


@pytest.mark.anyio
async def test_a_sign_in_and_its_token_are_recorded_with_person_client_and_audience(desk: Desk, kept: Kept) -> None:
    client = (await desk.register(client_name="desk"))["client_id"]
    await desk.redeem(client, await desk.code(client))
    login, token = kept.leaves
    assert (login["kind"], login["result"], login["subject"], login["client"]) == ("login", "success", "ada", client)
    assert (token["kind"], token["grant"], token["subject"]) == ("token", "authorization_code", "ada")
    assert (token["audience"], token["issuer"]) == ([MCP], ISSUER)


@pytest.mark.anyio
async def test_an_exchanged_token_is_recorded_with_its_actor(desk: Desk, kept: Kept) -> None:
    exchange = {
        "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
        "subject_token": desk.issuer.mint("ada", MCP),
        "subject_token_type": "urn:ietf:params:oauth:token-type:access_token",
        "resource": MCP,
    }
    assert (await desk.token(exchange, ("planner", "p1anner"))).status_code == 200
    assert [(leaf["subject"], leaf["actors"], leaf["result"]) for leaf in kept.leaves] == [
        ("ada", ["planner"], "success")
    ]


@pytest.mark.anyio
async def test_a_refused_token_is_recorded_with_the_reason(desk: Desk, kept: Kept) -> None:
    for _ in range(2):
        fields = {"grant_type": "client_credentials", "client_id": "nightly"}
        assert (await desk.token(fields, ("nightly", "wrong"))).status_code == 401
    assert [(leaf["result"], leaf["reasons"], leaf["client"]) for leaf in kept.leaves] == [
        ("failure", ["invalid_client"], "nightly")
    ] * 2


@pytest.mark.anyio
async def test_a_sign_in_that_another_browser_finishes_is_recorded_as_failed(desk: Desk, kept: Kept) -> None:
    client = (await desk.register())["client_id"]
    page = await desk.authorize(client, login_hint="")
    [waiting] = re.findall(r'name="waiting" value="([^"]+)"', page.text)
    desk.http.cookies.clear()
    await desk.http.post(f"{ISSUER}/authorize", data={"waiting": waiting, "person": "ada"})
    assert [(leaf["kind"], leaf["result"], leaf["client"]) for leaf in kept.leaves] == [("login", "failure", client)]


@pytest.mark.anyio
async def test_nobody_is_signed_in_and_no_token_leaves_while_the_record_cannot_be_written(
    desk: Desk, kept: Kept
) -> None:
    client = (await desk.register(client_name="desk"))["client_id"]
    code = await desk.code(client)
    kept.broken = True
    answer = await desk.redeem(client, code)
    assert (answer.status_code, "access_token" in answer.text) == (503, False)
    refused = await desk.authorize(client)
    assert (refused.status_code, "location" in refused.headers) == (503, False)
    kept.broken = False
    assert "code" in answered(await desk.authorize(client))


@pytest.mark.anyio
async def test_every_tenant_is_told_the_configured_classes_in_the_name_of_the_settings() -> None:
    given: list[Mapping[str, object]] = []

    async def order(fields: Mapping[str, object]) -> Mapping[str, object]:
        given.append(fields)
        return {}

    settings = parse_settings({"tally.yaml": b"audit: {classes: {house: {years: 2, law: rule 7}}}"})
    assert isinstance(settings, Settings)
    await tell_classes(order, [RETAIL, BANK], settings)
    assert [(fields["order"], fields["tenant"], fields["operator"]) for fields in given] == [
        ("retention-classes", RETAIL, "tally.yaml"),
        ("retention-classes", BANK, "tally.yaml"),
    ]
    [found] = classes_of(given[0]["classes"])
    assert (found.name, found.years, found.law) == ("house", 2, "rule 7")
