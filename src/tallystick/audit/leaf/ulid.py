"""The form of a ULID: 10 letters of time (milliseconds since the epoch), 16 of chance, in Crockford's base 32."""

from typing import Final

CROCKFORD: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
ULID_LENGTH: Final = 26
_TIME_LETTERS: Final = 10


def made_at(ulid: str) -> float:
    """Seconds since the epoch at which a ULID was made; raises ValueError for what is none."""
    millis = 0
    for letter in ulid[:_TIME_LETTERS]:
        millis = millis * len(CROCKFORD) + CROCKFORD.index(letter)
    return millis / 1000
