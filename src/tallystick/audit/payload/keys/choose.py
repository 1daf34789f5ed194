"""Which key provider the settings name. They reach the writer process as JSON, so nothing in them is secret."""

from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import msgspec

from tallystick.audit.payload.keys.file import FileProvider
from tallystick.audit.payload.keys.kms import AwsKmsProvider
from tallystick.audit.payload.keys.token import TokenProvider
from tallystick.audit.payload.model import KeyProvider, Locked


@dataclass(frozen=True, slots=True)
class Choice:
    """`audit.keys` of the settings. What a provider does not need is empty."""

    provider: str = "file"
    url: str = ""
    key: str = ""
    mount: str = "transit"
    token_file: str = ""
    ca_file: str = ""
    module: str = ""
    token: str = ""
    pin_file: str = ""
    region: str = ""


_NEEDED = {
    "file": (),
    "transit": ("url", "key", "token_file"),
    "pkcs11": ("module", "token", "key", "pin_file"),
    "aws-kms": ("key",),
}


def open_provider(state: Path, choice: str = "") -> KeyProvider:
    """The key provider that a JSON object names (the fields of `Choice`); "" is the file. Raises Locked."""
    try:
        asked = msgspec.json.decode(choice or "{}", type=Choice, strict=True)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        _fail("?", f"audit.keys cannot be read: {error}", "correct audit.keys in tally.yaml")
    needed = _NEEDED.get(asked.provider)
    if needed is None:
        remedy = f"set audit.keys.provider to one of {', '.join(_NEEDED)}"
        _fail(asked.provider, "there is no such provider", remedy)
    given = {name: value for name, value in msgspec.to_builtins(asked).items() if value}
    missing = [name for name in needed if name not in given]
    if missing:
        _fail(asked.provider, f"{', '.join(missing)} missing", f"set audit.keys.{missing[0]} in tally.yaml")
    match asked.provider:
        case "transit":
            # Only here: its client of HTTP is a sixth of the time that a writer takes to start.
            from tallystick.audit.payload.keys.transit import TransitProvider  # noqa: PLC0415 - as above

            return TransitProvider(
                asked.url, asked.key, Path(asked.token_file), mount=asked.mount, ca_file=asked.ca_file
            )
        case "pkcs11":
            return TokenProvider(asked.module, asked.token, asked.key, Path(asked.pin_file))
        case "aws-kms":
            return AwsKmsProvider(asked.key, asked.region, url=asked.url)
        case _:
            return FileProvider(state)


def _fail(provider: str, what: str, remedy: str) -> NoReturn:
    raise Locked(provider, what, remedy)
