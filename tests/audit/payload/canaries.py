"""Canaries: personal data that is easy to know again, and a search for it in any form that a store could hold it in."""

import re
import zlib
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Final

CANARIES: Final = {
    "PAN": "4929 1234 5678 9012",
    "PAN without spaces": "5500005555555559",
    "IBAN": "GB29NWBK60161331926819",
    "name": "Zsófia Kovács-Thornbury",
    "address": "zsofia.thornbury@canary.example",
}


def forms_of(text: str) -> Iterator[tuple[str, bytes]]:
    """Every way in which a text could stand in a file, with what it is called."""
    plain = text.encode()
    yield "utf-8", plain
    yield "utf-16-le", text.encode("utf-16-le")
    yield "utf-16-be", text.encode("utf-16-be")
    yield "JSON", re.sub(rb"[^\x00-\x7f]", b"", text.encode("ascii", "backslashreplace")).replace(b"\\x", b"\\u00")
    yield "hex", plain.hex().encode()
    yield "HEX", plain.hex().upper().encode()
    for shift in range(3):
        # What stands before shifts the digits; the first and the last depend on the neighbours and are left out.
        digits = b64encode(bytes(shift) + plain).rstrip(b"=")
        inner = digits[(0, 2, 3)[shift] : len(digits) - (1 if (shift + len(plain)) % 3 else 0)]
        yield f"base64+{shift}", inner
        yield f"base64url+{shift}", inner.replace(b"+", b"-").replace(b"/", b"_")


def sightings(folder: Path) -> list[str]:
    """Where any canary is found below a directory: file, canary and form."""
    found: list[str] = []
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.is_symlink():
            content = path.read_bytes()
            found += [f"{path.relative_to(folder)}: {name}" for name in seen_in(content)]
    return found


def seen_in(content: bytes) -> list[str]:
    """Which canaries are in some bytes, also where they are compressed."""
    found = [
        f"{name} as {form}" for name, text in CANARIES.items() for form, wanted in forms_of(text) if wanted in content
    ]
    for start in (match.start() for match in re.finditer(rb"\x78[\x01\x5e\x9c\xda]", content)):
        try:
            inside = zlib.decompressobj().decompress(content[start:], 1 << 20)
        except zlib.error:
            continue
        found += [f"{name} compressed" for name, text in CANARIES.items() if text.encode() in inside]
    return found
