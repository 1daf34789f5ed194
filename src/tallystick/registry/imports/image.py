"""A server that is a container image, or a package under one of ToolHive's schemes, as a program to start.

Only the image, its environment and its own arguments are carried. Volumes, ports, users and networks in a catalog say
what the image may reach on the machine: that is for whoever runs it to decide, so they are reported.
"""

import re
from collections.abc import Mapping
from typing import Final

from tallystick.registry.imports import draft
from tallystick.registry.imports.part import Part

_IMAGE: Final = re.compile(r"[a-z0-9][A-Za-z0-9._:/@-]*")
_SCHEMES: Final[Mapping[str, tuple[str, ...]]] = {"npx://": ("npx", "-y"), "uvx://": ("uvx",)}
_PACKAGE: Final = re.compile(r"@?[A-Za-z0-9~][A-Za-z0-9@~._/=-]*")

_REACH: Final = "what the program may reach is for whoever runs it to decide, never for a catalog"
_CHECK: Final = "add what you have checked to the server's command"
REACHING: Final = (
    "volumes",
    "user",
    "extraHosts",
    "allowHosts",
    "disableNetwork",
    "privileged",
    "publish",
    "permissions",
)
"""Fields that widen or bound what a container may reach."""


def leave_reach(part: Part, keys: tuple[str, ...] = REACHING) -> None:
    """Leave what says what a container may reach."""
    for key in keys:
        part.leave(key, "is not carried over", _REACH, _CHECK)


def program(
    image: Part, server: str, env: Mapping[str, str], arguments: list[str], cwd: str = ""
) -> dict[str, object] | None:
    """Return the transport that starts the image (or package) named here; None: it cannot be started."""
    text = image.string()
    scheme = next((each for each in _SCHEMES if text.startswith(each)), "")
    name = text.removeprefix(scheme)
    if (_PACKAGE if scheme else _IMAGE).fullmatch(name) is None or (not scheme and "://" in text):
        why = "only images and packages under plain names are started"
        image.leave(None, "names nothing that can be started", why, "register the server's command by hand")
        return None
    image.carry(None, "transport.stdio.command")
    draft.started(image)
    if scheme:
        start = [*_SCHEMES[scheme], name]
    else:
        passed = [word for variable in env for word in ("-e", variable)]
        start = ["docker", "run", "-i", "--rm", *passed, name]
        if "@sha256:" not in name:
            why = "a tag can be moved to another image"
            image.note("is not named by its digest", why, "write <image>@sha256:... into the server's command")
    return draft.stdio([*start, *arguments], env, cwd)
