"""Control state: resources, their revisions and history, their reviews, and what the record is still to be told."""
