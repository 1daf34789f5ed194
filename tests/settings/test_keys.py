"""`audit.keys`: who keeps the master key of payloads, judged before anything starts."""

import json

import pytest

from tallystick.settings import Settings, parse_settings
from tallystick.settings.model import KeySettings


def keys_of(text: str) -> KeySettings | list[str]:
    """The settings, or the places of what is wrong."""
    parsed = parse_settings({"tally.yaml": f"audit:\n  keys: {text}\n".encode()})
    return parsed.audit.keys if isinstance(parsed, Settings) else [problem.field for problem in parsed]


def test_without_a_word_the_master_key_is_in_a_file() -> None:
    parsed = parse_settings({})
    assert isinstance(parsed, Settings)
    assert parsed.audit.keys == KeySettings()
    assert parsed.audit.keys.provider == "file"


def test_each_provider_is_read_with_what_it_needs() -> None:
    assert keys_of("{provider: transit, url: 'https://v:8200', key: k, token_file: /t, mount: m}") == KeySettings(
        provider="transit", url="https://v:8200", key="k", token_file="/t", mount="m"
    )
    assert keys_of("{provider: pkcs11, module: /m.so, token: t, key: k, pin_file: /p}") == KeySettings(
        provider="pkcs11", module="/m.so", token="t", key="k", pin_file="/p"
    )
    assert keys_of("{provider: aws-kms, key: alias/k}") == KeySettings(provider="aws-kms", key="alias/k")


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("{provider: floppy}", ["audit.keys.provider"]),
        ("{provider: transit}", ["audit.keys.url", "audit.keys.key", "audit.keys.token_file"]),
        ("{provider: pkcs11, module: /m.so, key: k}", ["audit.keys.token", "audit.keys.pin_file"]),
        ("{provider: aws-kms}", ["audit.keys.key"]),
        ("{pin: 1234}", ["audit.keys.pin"]),
    ],
)
def test_what_a_provider_lacks_is_named_before_anything_starts(text: str, wrong: list[str]) -> None:
    assert keys_of(text) == wrong


def test_the_writer_gets_them_as_json_without_a_secret() -> None:
    told = json.loads(KeySettings(provider="transit", token_file="/t").to_json())
    assert (told["provider"], told["token_file"]) == ("transit", "/t")
    assert not {"secret", "password", "pin"} & told.keys()
