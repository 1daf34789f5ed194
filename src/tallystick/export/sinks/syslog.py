"""Syslog messages over UDP (RFC 5426), TCP with octet counting (RFC 6587, 3.4.1) or TLS (RFC 5425).

Syslog has no acknowledgement. By default a batch counts once the receiver has read the stream to its end and closed
it: what it had not read when it died comes back as a reset. What it had read and not stored is sent again, because a
follower goes back by `overlap` records after a failure. A receiver drops repeats by the event's id.
"""

import fcntl
import socket
import ssl
import struct
import termios
from collections.abc import Sequence
from typing import Final

from tallystick.export.model import Event, Limits, Pause, Refused, Unavailable
from tallystick.export.settings import SyslogOptions, Tls

_TIMEOUT_S: Final = 20.0
_DATAGRAM: Final = 60_000
_POLL_S: Final = 0.01
_POLLS: Final = 2000
"""Looks at what the peer's kernel has not taken yet, for `confirm: sent`: 20 s of them."""


class SyslogSink:
    """One receiver."""

    def __init__(self, options: SyslogOptions, pause: Pause) -> None:
        self.limits = Limits(event_bytes=_DATAGRAM) if options.transport == "udp" else Limits()
        self.overlap = options.overlap
        self._options = options
        self._pause = pause
        self._where = f"{options.host}:{options.port}"
        self._stream: socket.socket | None = None
        self._context = tls_context(options.tls) if options.transport == "tls" else None

    def deliver(self, events: Sequence[Event]) -> list[Refused]:
        """Send; raises `Unavailable` where the receiver is not there, or did not take all of it."""
        try:
            if self._options.transport == "udp":
                self._datagrams(events)
            else:
                self._batch(b"".join([b"%d %b" % (len(event.body), event.body) for event in events]))
        except (OSError, ssl.SSLError) as error:
            self.close()
            message = f"{self._where} does not take syslog: {error}"
            raise Unavailable(message) from error
        return []

    def close(self) -> None:
        """Close the connection."""
        if self._stream is not None:
            self._stream.close()
            self._stream = None

    def _datagrams(self, events: Sequence[Event]) -> None:
        if self._stream is None:
            self._stream = socket.socket(_family(self._options.host), socket.SOCK_DGRAM)
            self._stream.connect((self._options.host, self._options.port))
        for event in events:
            self._stream.send(event.body)

    def _batch(self, frames: bytes) -> None:
        stream = self._stream or self._connected()
        self._stream = stream
        stream.sendall(frames)
        if self._options.confirm == "sent":
            self._drain(stream)
            return
        _finish(stream)
        self.close()

    def _connected(self) -> socket.socket:
        stream = socket.create_connection((self._options.host, self._options.port), _TIMEOUT_S)
        if self._context is None:
            return stream
        try:
            return self._context.wrap_socket(stream, server_hostname=self._options.host)
        except (OSError, ssl.SSLError):
            stream.close()
            raise

    def _drain(self, stream: socket.socket) -> None:
        """Wait until the peer's machine has acknowledged every byte (SIOCOUTQ, tcp(7))."""
        for _ in range(_POLLS):
            if struct.unpack("i", fcntl.ioctl(stream.fileno(), termios.TIOCOUTQ, bytes(4)))[0] == 0:
                return
            self._pause(_POLL_S)
        message = "the receiver does not read"
        raise OSError(message)


def tls_context(tls: Tls) -> ssl.SSLContext:
    """Return what a connection is checked with, and what it is checked against; raises `Unavailable`."""
    try:
        context = ssl.create_default_context(cafile=tls.ca_file or None)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if tls.certificate_file:
            context.load_cert_chain(tls.certificate_file, tls.key_file)
    except (OSError, ssl.SSLError) as error:
        message = f"the files of TLS cannot be used: {error}"
        raise Unavailable(message) from error
    return context


def _finish(stream: socket.socket) -> None:
    """Say that no more comes, and wait until the receiver, having read it all, closes too."""
    if isinstance(stream, ssl.SSLSocket):
        # close_notify first, so that the receiver sees an end and not a cut; its own may not come before it closes.
        try:
            stream = stream.unwrap()
        except (ssl.SSLEOFError, ssl.SSLZeroReturnError, ssl.SSLSyscallError):
            return
    stream.shutdown(socket.SHUT_WR)
    while stream.recv(4096):
        pass


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET
