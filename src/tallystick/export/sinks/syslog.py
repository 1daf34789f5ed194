"""Syslog messages over UDP (RFC 5426), TCP with octet counting (RFC 6587, 3.4.1) or TLS (RFC 5425).

Syslog has no acknowledgement. By default a batch counts once the receiver has read the stream to its end and closed
it: what it had not read when it died comes back as a reset. What it had read and not stored is sent again, because a
follower goes back by `overlap` records after a failure; a receiver that was restarted in between is one, too. Receivers
drop repeats by the event's id.
"""

import fcntl
import os
import socket
import ssl
import struct
import termios
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from tallystick.export.model import Event, Limits, Pause, Refused, Unavailable
from tallystick.export.settings import SyslogOptions, Tls

_TIMEOUT_S: Final = 20.0
_DATAGRAM: Final = 60_000
_POLL_S: Final = 0.01
_PART: Final = 4096
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
        _still_open(stream)
        stream.sendall(frames)
        if self._options.confirm == "close":
            # INVARIANT: the next connection is opened before the last one is ended. So there always is one, and a
            # receiver that was restarted between two batches, and forgot what it held, has broken it.
            following = self._connected()
            try:
                # A receiver that was gone before it read has closed, too: that it took every byte tells them apart.
                _await_end(stream)
                self._drain(stream)
            except BaseException:
                following.close()
                raise
            stream.close()
            self._stream = following
        else:
            self._drain(stream)

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
        """Wait until the peer's machine has acknowledged every byte (SIOCOUTQ, tcp(7)); raises OSError."""
        for _ in range(_POLLS):
            left = struct.unpack("i", fcntl.ioctl(stream.fileno(), termios.TIOCOUTQ, bytes(4)))[0]
            broken = stream.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if broken:
                raise OSError(broken, os.strerror(broken))
            if left == 0:
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


def _still_open(stream: socket.socket) -> None:
    """Raise OSError when the receiver has closed a connection that nothing was sent over yet."""
    stream.settimeout(0)
    try:
        closed = stream.recv(1) == b""
    except (BlockingIOError, ssl.SSLWantReadError):
        closed = False
    finally:
        stream.settimeout(_TIMEOUT_S)
    if closed:
        message = "the receiver closed the connection; it may have been restarted"
        raise OSError(message)


def _await_end(stream: socket.socket) -> None:
    """Say that no more comes, and wait until the receiver closes; raises OSError."""
    if isinstance(stream, ssl.SSLSocket):
        # close_notify, so that the receiver sees an end and not a cut. Not every receiver answers with its own.
        with suppress(ssl.SSLEOFError, ssl.SSLZeroReturnError):
            stream.unwrap()
    stream.shutdown(socket.SHUT_WR)
    while socket.socket.recv(stream, _PART):
        pass


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET
