"""One witness as a log sees it: its address, its keys, the connection to it and what it remembers (C2SP tlog-witness).

The standard library's HTTP client: one small request on a connection that stays open needs nothing more, and nothing of
what a larger client would do by itself (redirects, proxies, cookies) is wanted.
"""

import re
import ssl
from base64 import b64encode
from collections.abc import Callable, Sequence
from contextlib import suppress
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from tallystick.audit.tlog.note import Checkpoint, Note, NoteError, parse_signature, signed_by
from tallystick.audit.tlog.policy import Witness
from tallystick.audit.witness.decide import PROOF_LIMIT, SIZE
from tallystick.audit.witness.state import WitnessError

TIMEOUT_SECONDS: Final = 5.0
"""How long one step of an exchange (connect, send, receive) may take."""
_ANSWER_LIMIT: Final = 256 << 10
_ATTEMPTS: Final = 3
_SIZE = re.compile(r"(0|[1-9][0-9]{0,18})\n")

Prove = Callable[[int], list[bytes]]
"""Consistency proof from an older size; raises LookupError for a size that cannot be proven from."""


class UnwillingError(Exception):
    """A witness did not cosign; the text says why."""


class Reply(NamedTuple):
    """What came back: status, media type, text."""

    status: int
    kind: str
    text: str


class Address(NamedTuple):
    """Where a witness takes checkpoints: its submission prefix, taken apart."""

    secure: bool
    host: str
    port: int | None
    path: str


class Peer:
    """A witness server, by the address that one or several of the policy's witnesses have. For one thread at a time."""

    def __init__(self, url: str, witnesses: Sequence[Witness], trust: ssl.SSLContext) -> None:
        self.url = url
        self._address = parse_url(url)
        self._names = {witness.verifier: witness.name for witness in witnesses}
        self._trust = trust
        self._connection: HTTPConnection | None = None
        self._sizes: dict[str, int] = {}

    def cosign(self, checkpoint: Checkpoint, note: Note, prove: Prove) -> dict[str, str]:
        """Ask for cosignatures: verified lines by the names of the policy's witnesses. Raises UnwillingError."""
        own = "".join(f"{signature.line}\n" for signature in note.signatures if signature.name == checkpoint.origin)
        # A witness that was not asked in this life tells where it stands.
        old = self._sizes.get(checkpoint.origin, 0)
        for _ in range(_ATTEMPTS):
            reply = self._post(_body(old, _proof(prove, old, checkpoint.size), f"{note.body}\n{own}"))
            if reply.status == HTTPStatus.OK:
                lines = self._verified(note, reply.text)
                self._sizes[checkpoint.origin] = checkpoint.size
                return lines
            told = _SIZE.fullmatch(reply.text) if reply.kind == SIZE else None
            if reply.status != HTTPStatus.CONFLICT or told is None or int(told[1]) == old:
                self._sizes.pop(checkpoint.origin, None)
                message = f"it answered {reply.status}: {reply.text.strip()[:200]!r}"
                raise UnwillingError(message)
            old = int(told[1])
            if old > checkpoint.size:
                message = (
                    f"it has cosigned {old} leaves of {checkpoint.origin}, and this log has {checkpoint.size}: "
                    "the log was rolled back (an old backup?), or the witness errs"
                )
                raise UnwillingError(message)
        message = "it names another size each time: somebody else sends it checkpoints of this log"
        raise UnwillingError(message)

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _verified(self, note: Note, text: str) -> dict[str, str]:
        if not text.endswith("\n"):
            message = "it answered no signature lines"
            raise UnwillingError(message)
        try:
            lines = tuple(parse_signature(line) for line in text[:-1].split("\n"))
            signed = signed_by(Note(note.body, lines), self._names)
        except NoteError as error:
            message = f"its answer is wrong: {error.message}"
            raise UnwillingError(message) from error
        if not signed or any(one.at == 0 for one in signed):
            message = "it signed with other keys than the policy names, or without a time"
            raise UnwillingError(message)
        return {self._names[one.verifier]: one.line for one in signed}

    def _post(self, body: bytes) -> Reply:
        reused = self._connection is not None
        try:
            return self._exchange(body)
        except (OSError, HTTPException) as error:
            self.close()
            # A connection that was kept may have been closed meanwhile: that is no failure yet.
            if not reused or isinstance(error, TimeoutError):
                message = f"it cannot be reached: {str(error) or type(error).__name__}"
                raise UnwillingError(message) from error
        try:
            return self._exchange(body)
        except (OSError, HTTPException) as error:
            self.close()
            message = f"it cannot be reached: {str(error) or type(error).__name__}"
            raise UnwillingError(message) from error

    def _exchange(self, body: bytes) -> Reply:
        if self._connection is None:
            self._connection = self._connect()
        headers = {"Content-Type": "text/plain; charset=utf-8"}
        self._connection.request("POST", f"{self._address.path}/add-checkpoint", body, headers)
        response = self._connection.getresponse()
        content = response.read(_ANSWER_LIMIT)
        if not response.isclosed():
            self.close()
        with suppress(UnicodeDecodeError):
            return Reply(response.status, response.headers.get("Content-Type", ""), content.decode())
        return Reply(response.status, "", "")

    def _connect(self) -> HTTPConnection:
        secure, host, port, _ = self._address
        if secure:
            return HTTPSConnection(host, port, timeout=TIMEOUT_SECONDS, context=self._trust)
        return HTTPConnection(host, port, timeout=TIMEOUT_SECONDS)


def parse_url(url: str) -> Address:
    """Take a submission prefix apart; raises WitnessError."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        parts, host, port = urlsplit(""), None, None
    if (
        parts.scheme not in {"http", "https"} or not host or parts.username is not None or parts.query or parts.fragment
        or not url.isascii() or not url.isprintable() or " " in url
    ):  # fmt: skip
        message = f"{url!r} is no address of a witness: http(s)://host[:port][/path]"
        raise WitnessError(message)
    return Address(parts.scheme == "https", host, port, parts.path.rstrip("/"))


def _proof(prove: Prove, old: int, size: int) -> list[bytes]:
    if old in {0, size}:
        return []
    try:
        proof = prove(old)
    except (LookupError, ValueError, OSError) as error:
        message = f"there is no proof from the {old} leaves that it has cosigned: {error}"
        raise UnwillingError(message) from error
    if len(proof) > PROOF_LIMIT:
        message = f"the proof from {old} leaves has more than {PROOF_LIMIT} hashes"
        raise UnwillingError(message)
    return proof


def _body(old: int, proof: Sequence[bytes], text: str) -> bytes:
    hashes = "".join(f"{b64encode(digest).decode()}\n" for digest in proof)
    return f"old {old}\n{hashes}\n{text}".encode()
