"""Protected-resource metadata (RFC 9728) and the WWW-Authenticate challenge (RFC 6750)."""

import re

import pytest

from tallystick.identity import TrustedIssuer, challenge, metadata_url, resource_metadata
from tallystick.terms import Reason, Refusal, TallyError, TenantId

META = "https://gateway.example/.well-known/oauth-protected-resource/servers/bank/mcp"
ISSUERS = (TrustedIssuer("https://id.example", tenant=TenantId("bank")),)


def _refusal(reason: Reason, text: str = "no") -> Refusal:
    return Refusal("unauthenticated", (reason,), text)


def test_metadata_names_the_resource_and_its_issuers() -> None:
    assert resource_metadata("https://gateway.example/servers/bank/mcp", ISSUERS, ["mcp"]) == {
        "resource": "https://gateway.example/servers/bank/mcp",
        "authorization_servers": ["https://id.example"],
        "bearer_methods_supported": ["header"],
        "scopes_supported": ["mcp"],
    }
    assert "scopes_supported" not in resource_metadata("http://127.0.0.1:8420/servers/bank/mcp", ISSUERS)


@pytest.mark.parametrize("url", ["https://gateway.example/#a", "http://gateway.example/", "gateway.example", ""])
def test_metadata_of_what_cannot_be_a_resource_is_refused(url: str) -> None:
    with pytest.raises(TallyError):
        resource_metadata(url, ISSUERS)


@pytest.mark.parametrize(
    ("resource", "expected"),
    [
        ("https://gateway.example/servers/bank/mcp", META),
        ("https://gateway.example", "https://gateway.example/.well-known/oauth-protected-resource"),
        ("https://gateway.example/", "https://gateway.example/.well-known/oauth-protected-resource"),
        ("http://[::1]:8420/a?b=c", "http://[::1]:8420/.well-known/oauth-protected-resource/a?b=c"),
    ],
)
def test_the_well_known_part_goes_between_host_and_path(resource: str, expected: str) -> None:
    assert metadata_url(resource) == expected


def test_a_request_without_token_is_told_where_to_go_and_no_error() -> None:
    assert challenge(META, _refusal(Reason.TOKEN_MISSING)) == f'Bearer resource_metadata="{META}"'


@pytest.mark.parametrize("reason", [Reason.TOKEN_INVALID, Reason.TOKEN_EXPIRED, Reason.AUDIENCE_WRONG])
def test_a_bad_token_is_told_invalid_token(reason: Reason) -> None:
    expected = f'Bearer error="invalid_token", error_description="Sign in.", scope="a b", resource_metadata="{META}"'
    assert challenge(META, _refusal(reason, "Sign in."), "a b") == expected


def test_a_denial_asks_for_more_scope() -> None:
    refusal = Refusal("denied", (Reason.NO_POLICY_ALLOWS,), "no")
    assert 'error="insufficient_scope", error_description="no", scope="pay"' in challenge(META, refusal, "pay")


@pytest.mark.parametrize("evil", ['", realm="x', "a\\", 'a"b', "a\r\nSet-Cookie: b=c", "ü\u2028", "\x00"])
def test_no_value_can_leave_its_quotes(evil: str) -> None:
    value = challenge(META + evil, _refusal(Reason.TOKEN_INVALID, evil), evil)
    parameter = r'[a-z_]+="[\x20-\x21\x23-\x5b\x5d-\x7e]*"'
    assert re.fullmatch(rf"Bearer {parameter}(, {parameter})*", value)
    assert "realm=" not in re.sub(r'"[^"]*"', "", value)
