"""The console has a listener of its own, control state a place, and definitions are looked at often enough."""

import pytest

from tallystick.settings import Problem, Settings, parse_settings


def settings_of(text: str) -> Settings:
    """Return the settings of a `tally.yaml`."""
    settings = parse_settings({"tally.yaml": text.encode()})
    assert isinstance(settings, Settings)
    return settings


def faults_of(text: str) -> list[str]:
    """Return the places of what is wrong with a `tally.yaml`."""
    problems = parse_settings({"tally.yaml": text.encode()})
    assert isinstance(problems, tuple)
    assert all(isinstance(problem, Problem) for problem in problems)
    return [problem.field for problem in problems]


def test_the_console_listens_at_the_port_after_the_gateways_and_never_at_it() -> None:
    assert settings_of("").console.listen_port == 8081
    assert settings_of("gateway: {listen_port: 9000}").console.public_url == "http://127.0.0.1:9001"
    assert settings_of("gateway: {listen_port: 0}").console.listen_port == 0
    assert faults_of("gateway: {listen_port: 9000}\nconsole: {listen_port: 9000}") == ["console.listen_port"]
    assert settings_of("gateway: {listen_port: 9000}\nconsole: {listen_port: 9000, enabled: false}")


def test_the_directory_is_part_of_control_state_until_somebody_says_no() -> None:
    assert settings_of("").control.directory
    control = settings_of("control: {dsn_file: /run/dsn, directory: false}").control
    assert (control.dsn_file, control.directory) == ("/run/dsn", False)


@pytest.mark.parametrize("field", ["every_s", "fresh_s", "fresh_high_s", "timeout_s"])
def test_how_often_definitions_are_compared_has_bounds(field: str) -> None:
    assert faults_of(f"definitions: {{{field}: 90000}}") == [f"definitions.{field}"]


def test_a_console_url_that_is_none_is_refused() -> None:
    assert faults_of("console: {public_url: console}") == ["console.public_url"]
