"""A sign that a text is not what it looks like."""

from typing import NamedTuple

from tallystick.registry.definition.model import Severity


class Sign(NamedTuple):
    """What was found in one text, and what to say of it."""

    code: str
    severity: Severity
    text: str
