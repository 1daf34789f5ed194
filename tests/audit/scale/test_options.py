"""What stands in the settings is what the writer process is told."""

import pytest

from tallystick.audit.model import Unwritable
from tallystick.audit.scale import Options, parse_options
from tallystick.settings import Settings, parse_settings

TEXT = b"""
audit:
  classes: {board: {years: 10, law: our house rule}}
  store:
    dsn_file: /etc/tallystick/dsn
    bucket: record
    prefix: tallystick/
    endpoint: https://objects.bank.example
    credentials_file: /etc/tallystick/s3
    retain_days: 3653
    lease_s: 5
    %s
"""


def _settings(more: str = "") -> Settings:
    settings = parse_settings({"tally.yaml": TEXT % more.encode()})
    assert isinstance(settings, Settings)
    return settings


@pytest.mark.parametrize(("more", "wait_s"), [("", 8.0), ("standby: true", 0.0)])
def test_settings_and_options_agree(more: str, wait_s: float) -> None:
    store = _settings(more).audit.store
    assert parse_options(store.to_json({"board": 10})) == Options(
        "/etc/tallystick/dsn",
        "record",
        prefix="tallystick/",
        endpoint="https://objects.bank.example",
        credentials_file="/etc/tallystick/s3",
        retain_days=3653,
        lease_s=5.0,
        wait_s=wait_s,
        class_years={"board": 10},
    )


def test_a_database_without_a_bucket_is_refused() -> None:
    problems = parse_settings({"tally.yaml": b"audit: {store: {dsn_file: /etc/dsn}}"})
    assert "the record needs both a database and a bucket" in str(problems)
    problems = parse_settings({"tally.yaml": b"audit: {store: {dsn_file: a, bucket: b, prefix: x}}"})
    assert "does not end with a slash" in str(problems)


def test_options_that_nobody_wrote_are_refused() -> None:
    for text in ("", "{}", '{"dsn_file": "a", "bucket": 3}'):
        with pytest.raises(Unwritable, match="cannot be read"):
            parse_options(text)
