"""Resources as documents: the names and contents that files of the spine have."""

from dataclasses import replace
from typing import get_args

import pytest

from tallystick.control.model import EVERYWHERE, Kind, Resource, State
from tallystick.control.render import PLACES, Renderer, content, document_name, render
from tallystick.settings import Problem, parse_document
from tallystick.snapshot import Document
from tallystick.terms import TenantId

ANY = Resource("Server", "risk", TenantId("retail"), {"title": "Risk"}, {}, "", "approved", 1, 1, "", "", {})


@pytest.mark.parametrize(
    ("kind", "name", "said"),
    [
        ("Server", "servers/risk.yaml", {"name": "risk", "tenant": "retail", "title": "Risk"}),
        ("Tenant", "tenants/risk.yaml", {"name": "risk", "title": "Risk"}),
        ("Pin", "pins/risk.json", {"server": "risk", "title": "Risk"}),
        ("Toolset", "toolsets/risk.yaml", {"name": "risk", "tenant": "retail", "title": "Risk"}),
        ("Grant", "grants/risk.yaml", {"name": "risk", "tenant": "retail", "title": "Risk"}),
        ("Issuer", "issuers/risk.yaml", {"name": "risk", "tenant": "retail", "title": "Risk"}),
    ],
)
def test_a_resource_is_what_its_file_would_say(kind: Kind, name: str, said: dict[str, object]) -> None:
    resource = replace(ANY, kind=kind)
    assert (document_name(resource), content(resource)) == (name, said)


@pytest.mark.parametrize("kind", ["Server", "Toolset", "Issuer", "Role", "Webhook"])
@pytest.mark.parametrize("tenant", [ANY.tenant, EVERYWHERE])
def test_no_spec_says_whose_a_resource_is_or_what_it_is_called(kind: Kind, tenant: TenantId) -> None:
    said = content(replace(ANY, kind=kind, tenant=tenant, spec={"name": "other", "tenant": "victim"}))
    assert said == {"name": "risk"} | ({"tenant": "retail"} if tenant else {})


def test_every_kind_but_a_secret_has_a_place() -> None:
    assert set(get_args(Kind)) - set(PLACES) == {"Secret"}
    assert render(replace(ANY, kind="Secret")) is None


def test_what_is_of_the_whole_installation_says_no_tenant() -> None:
    assert content(replace(ANY, kind="Role", tenant=EVERYWHERE)) == {"name": "risk", "title": "Risk"}


def test_a_policy_is_its_text_in_the_folder_of_whom_it_binds() -> None:
    policy = replace(ANY, kind="Policy", spec={"cedar": "permit;"})
    assert (document_name(policy), content(policy)) == ("policies/retail/risk.cedar", "permit;")
    assert document_name(replace(policy, tenant=EVERYWHERE)) == "policies/risk.cedar"


@pytest.mark.parametrize("state", get_args(State))
def test_a_state_is_said_unless_it_is_the_usual_one(state: State) -> None:
    said = content(replace(ANY, state=state))
    assert isinstance(said, dict)
    assert said.get("state", "approved") == state


def test_a_document_has_the_digest_of_the_same_file() -> None:
    document = render(ANY)
    assert isinstance(document, Document)
    read = parse_document("servers/risk.yaml", b"name: risk\ntenant: retail\ntitle: Risk\n")
    assert not isinstance(read, Problem)
    assert document == Document.of("servers/risk.yaml", read)


def test_the_same_resource_is_the_same_document_and_a_like_one_is_rendered_anew() -> None:
    renderer = Renderer()
    first = renderer.render([ANY])
    assert not isinstance(first, tuple)
    second = renderer.render([ANY, replace(ANY, name="other")])
    third = renderer.render([replace(ANY, spec={"title": "Other"})])
    assert not isinstance(second, tuple)
    assert not isinstance(third, tuple)
    assert first["servers/risk.yaml"] is second["servers/risk.yaml"]
    assert third["servers/risk.yaml"].digest != first["servers/risk.yaml"].digest


def test_what_has_no_canonical_form_is_a_problem() -> None:
    problems = Renderer().render(
        [replace(ANY, spec={"title": 2**60}), replace(ANY, name="b", spec={"title": "\ud800"})]
    )
    assert isinstance(problems, tuple)
    assert [problem.file for problem in problems] == ["servers/risk.yaml", "servers/b.yaml"]
