"""Thirty invented tickets."""

from tallystick_demo_bank.seed.people import lines
from tallystick_demo_bank.store import Store


def fill(store: Store) -> None:
    """Seed the tickets, each closed one with a resolution."""
    for line in lines("tickets"):
        queue, priority, status, assignee, title, body = line.split("|")
        resolution = "Done, customer told" if status == "closed" else None
        columns = "title, body, queue, priority, status, assignee, resolution"
        store.write(
            f"INSERT INTO tickets ({columns}) VALUES (?, ?, ?, ?, ?, ?, ?)",  # noqa: S608 - a constant
            *(title, body, queue, priority, status, assignee or None, resolution),
        )
    remark = "Called the supplier on the number in our file."
    store.write("INSERT INTO comments (ticket, author, body) VALUES (11, 'fraud.desk', ?)", remark)
