"""The catalog of a console that is served: what VS Code finds there is what the gateway lets it call."""

from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

import msgspec
import pytest

from tests.api.catalog.stage import Response, listed
from tests.api.catalog.test_vscode import HEADERS
from tests.interaction.configuration import copy_configuration, write
from tests.interaction.stage import Json, Stage, envelope, modern, new_http, open_stage, reasons_of, text_of
from tests.interaction.waiting import until
from tests.interaction.world import World
from tests.wiring.console.desk import ask, document, operator, step

pytestmark = pytest.mark.anyio
CALL = {"name": "echo", "arguments": {"text": "found"}}


async def test_vs_code_finds_what_is_approved_and_may_call_it_where_it_is_listed(stage: Stage) -> None:
    await ask(operator(stage).put, document("Server", "draft", {"transport": {"http": {"url": "https://8.8.8.8/mcp"}}}))
    await ask(operator(stage).step, "Server", "risk", step("suspended", comment="it looks odd"))
    await until(lambda: "servers/risk" not in stage.gateway.routes)
    base = f"{stage.console}/registry/bank/v0.1/servers"
    async with new_http(HEADERS) as code:
        assert (await code.get(f"{base}?limit=1")).status_code == 200
        everything = {str(one.server["name"]): one for one in listed(await code.get(f"{base}?limit=50&version=latest"))}
        named = {name.rpartition("/")[2] for name in everything if ".toolsets/" not in name}
        assert {"desk", "line", "odd"} <= named
        assert not named & {"draft", "risk"}
        name = next(name for name in everything if name.endswith("/desk"))
        found = listed(await code.get(f"{base}?limit=4&version=latest&search=desk"))
        assert name in {one.server["name"] for one in found}
        answer = await code.get(f"{base}/{quote(name, safe='')}/versions/latest")
        assert answer.status_code == 200, (answer.url, answer.text, answer.headers)
        told = msgspec.json.decode(answer.content, type=Response).server
        (remote,) = msgspec.convert(told["remotes"], list[dict[str, str]])
        assert remote == {"type": "streamable-http", "url": stage.endpoint("servers/desk")}
        gone = await code.get(f"{base}/{quote(name.removesuffix('desk') + 'risk', safe='')}/versions/latest")
        assert gone.status_code == 404
    headers = {name: value for name, value in envelope("tools/call", CALL).items() if value is not None}
    asked = await stage.http.post(remote["url"], content=modern("tools/call", CALL), headers=headers)
    assert asked.status_code == 401
    headers["authorization"] = f"Bearer {stage.token()}"
    called = await stage.http.post(remote["url"], content=modern("tools/call", CALL), headers=headers)
    assert text_of(called) == "found"


async def test_a_server_that_drifts_is_in_no_catalog_and_one_for_known_people_asks_who_reads(
    world: World, tmp_path: Path
) -> None:
    config = copy_configuration(world.config, tmp_path / "config")
    process = (config / "tally.yaml").read_text()
    write(config, "tally.yaml", f"{process}console: {{catalog_without_token: false}}\n")
    _misremember(config / "pins" / "hasty.json")
    async with open_stage(world, config, tmp_path / "state") as stage:
        url = f"{stage.console}/registry/bank/v0.1/servers?limit=50"
        refused = await stage.http.get(url)
        assert refused.status_code == 401
        assert "resource_metadata=" in refused.headers["www-authenticate"]
        # A token for the gateway is none for the console.
        assert (await stage.http.get(url, headers={"authorization": f"Bearer {stage.token()}"})).status_code == 401
        elsewhere = {"authorization": f"Bearer {stage.token(tenant='branch', aud=stage.console)}"}
        assert (await stage.http.get(url, headers=elsewhere)).status_code == 403
        known = {"authorization": f"Bearer {stage.token(aud=stage.console)}"}
        assert await _listed(stage, url, known) >= {"desk", "small"}
        assert reasons_of(await stage.call("servers/hasty", "echo", {"text": "who are you?"})) == ["quarantined"]
        assert "hasty" not in await _listed(stage, url, known)


def _misremember(pin: Path) -> None:
    """Pin a server as it is not."""
    fields = msgspec.json.decode(pin.read_bytes(), type=Json)
    eras = msgspec.convert(fields["eras"], dict[str, Json])
    for said in eras.values():
        said["instructions"] = "What it said when somebody looked at it."
    pin.write_bytes(msgspec.json.encode({**fields, "eras": eras}))


async def _listed(stage: Stage, url: str, headers: Mapping[str, str]) -> set[str]:
    """Return the servers in a catalog, by the ends of their names."""
    found = listed(await stage.http.get(url, headers=headers))
    names = {str(one.server["name"]) for one in found}
    return {name.rpartition("/")[2] for name in names if ".toolsets/" not in name}
