"""The key management system of a cloud as key provider: an adapter of two calls, and the one for AWS KMS.

Another cloud takes a `KeyProvider` of its own: `wrap` is its encrypt, `unwrap` its decrypt, both with the context as
additional authenticated data. boto3 is imported only when this provider is chosen (extra `kms`).
"""

from base64 import b64encode
from collections.abc import Mapping
from typing import Final, NoReturn, Protocol, TypedDict, runtime_checkable

from tallystick.audit.payload.model import Locked

_CONTEXT: Final = "tallystick"


class Encrypted(TypedDict):
    """What KMS answers to Encrypt, as far as it is used."""

    CiphertextBlob: bytes


class Decrypted(TypedDict):
    """What KMS answers to Decrypt, as far as it is used."""

    Plaintext: bytes


@runtime_checkable
class KmsClient(Protocol):
    """The two operations of AWS KMS that are needed."""

    def encrypt(self, *, KeyId: str, Plaintext: bytes, EncryptionContext: Mapping[str, str]) -> Encrypted:  # noqa: N803 - the API's names
        """Operation Encrypt."""
        ...

    def decrypt(self, *, KeyId: str, CiphertextBlob: bytes, EncryptionContext: Mapping[str, str]) -> Decrypted:  # noqa: N803 - the API's names
        """Operation Decrypt."""
        ...


class AwsKmsProvider:
    """Wraps by a symmetric key of AWS KMS. KMS rotates below the key id, and every ciphertext stays readable."""

    name = "aws-kms"

    def __init__(self, key: str, region: str, *, url: str = "") -> None:
        self._key = key
        self._region = region
        self._url = url
        self._failures: tuple[type[Exception], ...] = ()
        self._client: KmsClient | None = None

    def wrap(self, key: bytes, context: bytes) -> bytes:
        """Encrypt under the key."""
        client = self._connected()
        try:
            answer = client.encrypt(KeyId=self._key, Plaintext=key, EncryptionContext={_CONTEXT: _text(context)})
        except self._failures as error:
            self._refused("kms:Encrypt", error)
        return b"aws-kms:" + self._key.encode() + b"\n" + answer["CiphertextBlob"]

    def unwrap(self, wrapped: bytes, context: bytes) -> bytes:
        """Decrypt with the key that wrapped it."""
        head, _, blob = wrapped.partition(b"\n")
        key = head.removeprefix(b"aws-kms:").decode(errors="replace")
        client = self._connected()
        try:
            answer = client.decrypt(KeyId=key, CiphertextBlob=blob, EncryptionContext={_CONTEXT: _text(context)})
        except self._failures as error:
            self._refused("kms:Decrypt", error)
        return answer["Plaintext"]

    def version(self, wrapped: bytes) -> str:
        """Id or ARN of the key; KMS does not tell which of its versions it used."""
        return wrapped.partition(b"\n")[0].removeprefix(b"aws-kms:").decode(errors="replace")

    def _connected(self) -> KmsClient:
        if self._client is None:
            self._client = self._connect()
        return self._client

    def _connect(self) -> KmsClient:
        try:
            import boto3  # noqa: PLC0415 - optional  # pyright: ignore[reportMissingTypeStubs] - has none
            from botocore import exceptions  # noqa: PLC0415 - optional  # pyright: ignore[reportMissingTypeStubs] - as above
        except ImportError:
            self._fail("the library boto3 is not installed", "pip install 'tallystick[kms]'")
        self._failures = (exceptions.BotoCoreError, exceptions.ClientError)
        try:
            client: object = boto3.client(  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType] - no types
                "kms", region_name=self._region or None, endpoint_url=self._url or None
            )
        except (*self._failures, ValueError) as error:
            self._refused("a connection", error)
        if not isinstance(client, KmsClient):
            self._fail("boto3 is of another kind", "install a release of boto3 that has KMS")
        return client

    def _refused(self, action: str, error: Exception) -> NoReturn:
        remedy = f"aws kms describe-key --key-id {self._key}; its policy has to allow {action} to this machine's role"
        self._fail(f"{action} failed: {error}", remedy)

    def _fail(self, what: str, remedy: str) -> NoReturn:
        provider = f"aws-kms ({self._key})"
        raise Locked(provider, what, remedy)


def _text(context: bytes) -> str:
    return b64encode(context).decode()
