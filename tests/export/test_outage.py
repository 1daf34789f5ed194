"""Real receivers that die under load: nothing is lost, and the order is kept."""

import re
import subprocess
import time
from pathlib import Path

import pytest

from tests.export.process import first_times, following, until
from tests.export.published import Published
from tests.export.sinks.authority import Authority
from tests.export.sinks.rsyslog import Rsyslog

OUTAGE_S = 600
SYSLOG = """
type: syslog
format: cef
mandatory: true
syslog:
  {{host: localhost, port: {port}, ca_file: {ca}, certificate_file: {certificate}, key_file: {key}, overlap: 5000}}
"""


def written(receiver: Rsyslog) -> list[int]:
    """Indices of the leaves in what the receiver has written."""
    found = [re.search(r' index="(\d+)" ', line) for line in receiver.lines()]
    return [int(match[1]) for match in found if match is not None]


def outcomes(count: int) -> list[int]:
    """Indices of the outcomes of so many calls: intents are no events."""
    return [2 * number + 1 for number in range(count)]


def load(process: subprocess.Popen[bytes], log: Published, calls: int, seconds: float) -> int:
    """Publish twenty calls, and more twice a second for so long; how many calls there are then."""
    ends = time.monotonic() + seconds
    while True:
        log.publish_calls(range(calls, calls + 20))
        calls += 20
        step = min(ends, time.monotonic() + 0.5)
        if time.monotonic() >= ends:
            return calls
        until(process, lambda step=step: time.monotonic() > step)


def killed(tmp_path: Path, times: int, outage_s: float) -> None:
    """Kill rsyslog with TLS on both sides under load, and start it again after a while."""
    authority = Authority(tmp_path / "tls", "bank-authority")
    certificate, key = authority.issue("tallystick")
    receiver = Rsyslog("tls", authority)
    config, state = tmp_path / "config", tmp_path / "state"
    (config / "sinks").mkdir(parents=True)
    state.mkdir()
    text = SYSLOG.format(port=receiver.port, ca=authority.file, certificate=certificate, key=key)
    (config / "sinks/soc.yaml").write_text(text)
    log, calls = Published(state), 0
    try:
        receiver.start()
        with following(config, state) as process:
            for _ in range(times):
                before = len(written(receiver))
                log.publish_calls(range(calls, calls + 700))
                calls += 700
                until(process, lambda before=before: len(written(receiver)) > before)
                receiver.kill()
                calls = load(process, log, calls, outage_s)
                receiver.start()
            until(process, lambda: written(receiver)[-1:] == [2 * calls - 1])
        receiver.stop()
        # Intents are told with their outcomes; each outcome is there, none before an earlier one.
        assert first_times([index // 2 for index in written(receiver)]) == list(range(calls))
        assert set(written(receiver)) == set(outcomes(calls))
    finally:
        receiver.clear()


def test_rsyslog_killed_under_load_gets_everything_in_order(tmp_path: Path) -> None:
    killed(tmp_path, 1, 0.0)


@pytest.mark.live
def test_rsyslog_dead_for_ten_minutes_under_load_gets_everything_in_order(tmp_path: Path) -> None:
    killed(tmp_path, 1, OUTAGE_S)
