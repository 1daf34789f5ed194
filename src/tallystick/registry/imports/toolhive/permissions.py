"""Reads ToolHive's permission profiles: what a container may read, write and reach.

Tallystick isolates no containers, so nothing of a profile can be in force here. Saying so, line by line, is the import.
"""

from typing import Final

from tallystick.registry.imports.part import Part

_WHY: Final = {
    "read": "a server that Tallystick starts may read whatever the gateway's account may",
    "write": "a server that Tallystick starts may write whatever the gateway's account may",
    "network": "Tallystick does not bound which hosts a server that it starts may reach",
    "privileged": "Tallystick starts no containers",
    "name": "a profile has no counterpart",
}
_REMEDY: Final = "keep it in force where the server runs (container runtime, network policy)"


def read_profile(profile: Part, _: object = None) -> None:
    """Report every part of a profile. An allowance for everything is said as one."""
    for key, why in _WHY.items():
        profile.leave(key, "is not in force here", why, _REMEDY)
    outbound = profile.part("network").part("outbound")
    if outbound.peek("insecure_allow_all") is True:
        outbound.note("let the server reach every host", _WHY["network"], "ask the server's owner which hosts it needs")
    if profile.peek("privileged") is True:
        profile.note("let the server do everything on its machine", _WHY["privileged"], "do not run it like this")
