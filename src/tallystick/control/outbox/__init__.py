"""What the record is told of control state: leaves that are written with each change, and the relay that brings them.

Never in here: a decision about a change, or a leaf that is not also in the outbox.
"""

__all__: list[str] = []
