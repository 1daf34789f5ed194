"""ASGI 3.0, as far as it is used here."""

from collections.abc import Awaitable, Callable, MutableMapping

Scope = MutableMapping[str, object]
Event = MutableMapping[str, object]
Receive = Callable[[], Awaitable[Event]]
Send = Callable[[Event], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]
