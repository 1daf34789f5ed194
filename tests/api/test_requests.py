"""HTTP at the edges: what is refused before a route is asked, and the headers of every answer."""

import json

import pytest

from tests.api.stage import URL, Stage

AGENTS = "/api/v1/agents"


def body_of(name: str, **metadata: object) -> bytes:
    """Return the body that creates an agent of the bank."""
    return json.dumps({"kind": "Agent", "metadata": {"name": name, "tenant": "bank", **metadata}, "spec": {}}).encode()


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"{", "malformed"),
        (b'{"kind": "Agent", "kind": "Agent"}', "malformed"),
        (b"[" * 100 + b"]" * 100, "malformed"),
        (b'{"kind": "Agent", "metadata": {"name": "x"}, "spec": {}, "extra": 1}', "body_invalid"),
        (b'{"kind": "Agent", "metadata": {"name": "x", "colour": "red"}, "spec": {}}', "body_invalid"),
        (b'{"kind": "Agent", "metadata": {"name": "x"}, "spec": []}', "body_invalid"),
        (b'"' + b"x" * (1 << 20) + b'"', "too_large"),
    ],
)
def test_a_body_that_could_mean_two_things_or_too_many_is_refused(stage: Stage, body: bytes, reason: str) -> None:
    answer = stage.send("PUT", f"{AGENTS}/x", stage.token("owner-of-bank"), body, content_type="application/json")
    problem = json.loads(answer.data)
    assert problem["reasons"] == [reason]
    assert answer.headers["content-type"] == "application/problem+json"
    assert problem["status"] == answer.status < 500


def test_another_media_type_is_refused(stage: Stage) -> None:
    answer = stage.send("PUT", f"{AGENTS}/x", stage.token("owner-of-bank"), body_of("x"), content_type="text/plain")
    assert answer.status == 415


@pytest.mark.parametrize("query", ["?colour=red", "?limit=1&limit=2", "?limit=0", "?limit=501", "?state=asleep"])
def test_an_unknown_parameter_or_one_out_of_bounds_is_refused(stage: Stage, query: str) -> None:
    answer = stage.send("GET", AGENTS + query, stage.token("owner-of-bank"))
    assert (answer.status, json.loads(answer.data)["reasons"]) == (400, ["body_invalid"])


@pytest.mark.parametrize("host", ["evil.example", "console.example.evil.example", "127.0.0.1:1", ""])
def test_another_hosts_name_is_refused(stage: Stage, host: str) -> None:
    answer = stage.send("GET", "/api/v1/health", host=host)
    assert answer.status in {400, 403}
    if host:
        assert json.loads(answer.data)["reasons"] == ["host_refused"]


def test_a_page_of_another_origin_is_refused_and_gets_no_cors_header(stage: Stage) -> None:
    token = stage.token("owner-of-bank")
    refused = stage.send("GET", AGENTS, token, origin="https://evil.example")
    assert json.loads(refused.data)["reasons"] == ["origin_refused"]
    own = stage.send("GET", AGENTS, token, origin=URL)
    assert own.status == 200
    for answer in (refused, own):
        assert not [name for name in answer.headers if name.lower().startswith("access-control")]


def test_every_answer_has_the_headers_that_browsers_obey_and_an_id(stage: Stage) -> None:
    answers = [stage.send("GET", path, stage.token("owner-of-bank")) for path in (AGENTS, "/nothing", "/api/v1/health")]
    for answer in answers:
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
        assert answer.headers["strict-transport-security"].startswith("max-age=")
        assert len(answer.headers["x-request-id"]) == 26
    assert json.loads(answers[1].data)["instance"].endswith(answers[1].headers["x-request-id"])


def test_a_method_that_is_not_offered_is_405_with_those_that_are(stage: Stage) -> None:
    answer = stage.send("POST", AGENTS, stage.token("owner-of-bank"), b"{}", content_type="application/json")
    assert (answer.status, answer.headers["allow"]) == (405, "GET, HEAD, OPTIONS")
    options = stage.send("OPTIONS", f"{AGENTS}/x")
    assert (options.status, options.headers["allow"]) == (204, "DELETE, GET, HEAD, OPTIONS, PATCH, PUT")


def test_head_is_get_without_its_body(stage: Stage) -> None:
    token = stage.token("owner-of-bank")
    got, head = stage.send("GET", AGENTS, token), stage.send("HEAD", AGENTS, token)
    assert (head.status, head.data) == (200, b"")
    assert head.headers["content-type"] == got.headers["content-type"]


def test_the_console_says_who_issues_its_tokens(stage: Stage) -> None:
    described = json.loads(stage.send("GET", "/.well-known/oauth-protected-resource").data)
    assert described["resource"] == URL
    refused = stage.send("GET", AGENTS)
    assert "oauth-protected-resource" in refused.headers["www-authenticate"]


def test_two_tokens_in_one_request_are_none(stage: Stage) -> None:
    # Sent as one header line each; urllib3 joins them with a comma, which no token has.
    both = f"Bearer {stage.token('owner-of-bank')}, Bearer {stage.token('auditor-of-bank')}"
    assert stage.send("GET", AGENTS, authorization=both).status == 401


def test_a_get_with_the_etag_it_got_is_304(stage: Stage) -> None:
    token = stage.token("owner-of-bank")
    stage.send("PUT", f"{AGENTS}/cached", token, body_of("cached"), content_type="application/json")
    etag = stage.send("GET", f"{AGENTS}/cached", token).headers["etag"]
    again = stage.send("GET", f"{AGENTS}/cached", token, if_none_match=etag)
    assert (again.status, again.data, again.headers["etag"]) == (304, b"", etag)


def test_nothing_changes_while_the_record_cannot_be_written(stage: Stage) -> None:
    head = stage.control.head()
    stage.record.is_away = True
    try:
        token = stage.token("owner-of-bank")
        answer = stage.send(
            "PUT", f"{AGENTS}/unrecorded", token, body_of("unrecorded"), content_type="application/json"
        )
    finally:
        stage.record.is_away = False
    assert (answer.status, json.loads(answer.data)["reasons"]) == (503, ["record_unwritable"])
    assert stage.control.head() == head


def test_a_name_of_another_tenant_is_taken_and_nothing_else_is_told_of_it(stage: Stage) -> None:
    stage.put("Agent", "scarce", "fund", {"title": "Secret of the fund"})
    token = stage.token("owner-of-bank")
    put = stage.send("PUT", f"{AGENTS}/scarce", token, body_of("scarce"), content_type="application/json", if_match="*")
    assert (put.status, json.loads(put.data)["reasons"]) == (409, ["name_taken"])
    got = stage.send("GET", f"{AGENTS}/scarce", token)
    missing = stage.send("GET", f"{AGENTS}/nothing", token)
    assert (got.status, missing.status) == (404, 404)
    same = [json.loads(answer.data.replace(b"scarce", b"nothing")) for answer in (got, missing)]
    assert {**same[0], "instance": ""} == {**same[1], "instance": ""}


def test_a_secret_is_never_told(stage: Stage) -> None:
    token, path = stage.token("owner-of-bank"), "/api/v1/secrets/vault"
    secret = {"kind": "Secret", "metadata": {"name": "vault", "tenant": "bank"}, "spec": {"value": "hunter2-hunter2"}}
    put = stage.send("PUT", path, token, json.dumps(secret).encode(), content_type="application/json")
    assert put.status == 201, put.data
    paths = (path, f"{path}/history", "/api/v1/secrets", "/api/v1/changes?after=0&limit=500", "/api/v1/export")
    answers = [stage.send("GET", each, token) for each in paths]
    assert {answer.status for answer in answers} == {200}
    assert all(b"hunter2" not in answer.data for answer in [put, *answers])
    assert b"hunter2" not in json.dumps(stage.record.leaves).encode()
