"""Webhooks: systems outside are told of what happened to control state, and their signed answers become steps.

Out: a follower of the published history, one line per webhook, at least once. In: a signed message is one step, under
the same gates as any other. It must never delay a change, nor take the word of an account that nobody has mapped.
"""

from tallystick.control.webhooks.answers import Verdict, read_verdict
from tallystick.control.webhooks.events import EVENTS, Event
from tallystick.control.webhooks.hook import Hook, hook_of
from tallystick.control.webhooks.post import Admits, Post
from tallystick.control.webhooks.receiver import Heard, Receiver
from tallystick.control.webhooks.sender import HookStatus, Sender

__all__ = [
    "EVENTS",
    "Admits",
    "Event",
    "Heard",
    "Hook",
    "HookStatus",
    "Post",
    "Receiver",
    "Sender",
    "Verdict",
    "hook_of",
    "read_verdict",
]
