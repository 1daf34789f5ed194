"""rsyslog from Debian, in a configuration of its own: the receiver outside that a bank may have."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import pytest

from tests.export.sinks.authority import Authority

_USER = 65534  # nobody
_TRIES = 400


def needed(*, tls: bool) -> str:
    """The program, or a skip that says what is missing."""
    program = shutil.which("rsyslogd") or ("/usr/sbin/rsyslogd" if Path("/usr/sbin/rsyslogd").exists() else None)
    if program is None:
        pytest.skip("rsyslogd is missing (Debian: apt-get install rsyslog rsyslog-gnutls)")
    if tls and not any(Path("/usr/lib").glob("*/rsyslog/lmnsd_gtls.so")):
        pytest.skip("rsyslog has no TLS here (Debian: apt-get install rsyslog-gnutls)")
    return program


Transport = Literal["udp", "tcp", "tls"]


class Rsyslog:
    """One receiver: started and killed at will, always at the same port, into the same file."""

    def __init__(self, transport: Transport, authority: Authority | None = None) -> None:
        self.program = needed(tls=transport == "tls")
        # rsyslog runs as nobody where the tests run as root, and cannot read the folders of pytest there.
        self.folder = Path(tempfile.mkdtemp(prefix="rsyslog-"))
        self.received = self.folder / "received"
        self._transport = transport
        kind = socket.SOCK_DGRAM if transport == "udp" else socket.SOCK_STREAM
        with socket.socket(socket.AF_INET, kind) as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        self._write(authority)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start, and wait until it listens."""
        user = _USER if os.getuid() == 0 else None
        command = [self.program, "-n", "-f", str(self.folder / "conf"), "-i", str(self.folder / "pid")]
        with (self.folder / "stderr").open("ab") as errors:
            self._process = subprocess.Popen(command, stdout=errors, stderr=errors, user=user, group=user)
        for _ in range(_TRIES):
            if self._listens():
                return
            try:
                self._process.wait(0.025)
            except subprocess.TimeoutExpired:
                continue
            break
        message = f"rsyslogd does not listen: {(self.folder / 'stderr').read_text()[-2000:]}"
        raise RuntimeError(message)

    def kill(self) -> None:
        """Kill it, whatever it holds."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """End it in order: what it has is written before it goes."""
        self._end(signal.SIGTERM)

    def clear(self) -> None:
        """Kill it and remove its folder."""
        self.kill()
        shutil.rmtree(self.folder)

    def lines(self) -> list[str]:
        """What it has written."""
        return self.received.read_text().splitlines() if self.received.exists() else []

    def _end(self, number: int) -> None:
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait(30)
            self._process = None

    def _listens(self) -> bool:
        if self._transport == "udp":
            wanted = f":{self.port:04X} "
            return any(wanted in line for line in Path("/proc/net/udp").read_text().splitlines())
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
        except OSError:
            return False
        return True

    def _write(self, authority: Authority | None) -> None:
        lines = [f'global(workDirectory="{self.folder}" maxMessageSize="64k")']
        if authority is not None:
            trusted, certificate, key = [
                shutil.copy(path, self.folder) for path in (authority.file, *authority.issue("rsyslog"))
            ]
            lines[0] = lines[0][:-1] + (
                f' defaultNetstreamDriverCAFile="{trusted}" defaultNetstreamDriverCertFile="{certificate}"'
                f' defaultNetstreamDriverKeyFile="{key}")'
            )
            driver = 'StreamDriver.Name="gtls" StreamDriver.Mode="1" StreamDriver.AuthMode="x509/certvalid"'
            lines.append(f'module(load="imtcp" {driver})')
        else:
            lines.append('module(load="imudp")' if self._transport == "udp" else 'module(load="imtcp")')
        kind = "imudp" if self._transport == "udp" else "imtcp"
        lines += [
            f'input(type="{kind}" address="127.0.0.1" port="{self.port}")',
            'template(name="asreceived" type="string" string="%syslogtag% %structured-data% %msg%\\n")',
            f'*.* action(type="omfile" file="{self.received}" template="asreceived" flushOnTXEnd="on")',
        ]
        (self.folder / "conf").write_text("\n".join(lines) + "\n")
        if os.getuid() == 0:
            for path in (self.folder, *self.folder.iterdir()):
                os.chown(path, _USER, _USER)


@contextmanager
def running(transport: Transport, authority: Authority | None = None) -> Generator[Rsyslog]:
    """A receiver that runs, and is gone afterwards."""
    found = Rsyslog(transport, authority)
    try:
        found.start()
        yield found
    finally:
        found.clear()
