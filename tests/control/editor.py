"""One of many who edit the same thing: reads it, changes it, tries again when somebody was faster."""

import sys
from dataclasses import replace

from tallystick.control import Control
from tallystick.control.model import Actor, Conflict, Key
from tests.control.outbox.crash import place_of
from tests.control.stage import opened, publish, tenant

SHARED = Key("Tenant", "retail")


def edit(control: Control, name: str, times: int) -> int:
    """Count one up in a label, so many times; return how often somebody was faster."""
    conflicts = 0
    while times:
        found = control.get(SHARED)
        assert found is not None
        labels = {**found.labels, "count": str(int(found.labels.get("count", "0")) + 1), name: str(times)}
        change = replace(tenant(), labels=labels, expected=found.version)
        outcome = control.commit([change], Actor(name, operator=name))
        if isinstance(outcome, Conflict):
            assert outcome.why == "version"
            conflicts += 1
        else:
            times -= 1
    return conflicts


def main() -> None:
    """Edit and publish: `python -m tests.control.editor <database> <name> <times>`."""
    with opened(place_of(sys.argv[1]), sys.argv[2]) as control:
        edit(control, f"editor-{sys.argv[2]}", int(sys.argv[3]))
        publish(control)


if __name__ == "__main__":
    main()
