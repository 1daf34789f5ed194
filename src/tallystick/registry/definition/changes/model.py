"""One structural difference between two JSON Schemas."""

from dataclasses import dataclass
from typing import Literal

Direction = Literal["wider", "narrower", "breaking", "unclear"]
"""What a change of a schema does to the values that fit: more of them, fewer, fewer so that calls which were right are
not any more, or what cannot be told from its structure."""


@dataclass(frozen=True, slots=True)
class Change:
    """One change at a `place` in a schema. `is_text`: it is in what a model reads and not in what fits."""

    direction: Direction
    place: str
    text: str
    before: object = None
    after: object = None
    is_text: bool = False
