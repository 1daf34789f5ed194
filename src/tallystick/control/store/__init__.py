"""The control database itself: tables, connections, rows, and the transaction that every change is.

Never in here: what a change means (`change`), what the record is told (`outbox`), or a way around the transaction.
"""

__all__: list[str] = []
