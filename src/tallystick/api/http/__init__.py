"""HTTP as the console speaks it: problems, strict reading, ETags, cursors, headers.

Must never contain what a route does, or who may use it.
"""

from tallystick.api.http.answer import Answer, etag_of, message, stream
from tallystick.api.http.cursor import read_cursor, revision_of, write_cursor
from tallystick.api.http.problem import Trouble, body_trouble, place_of, trouble
from tallystick.api.http.read import read_body, read_json, read_message, read_query

__all__ = [
    "Answer",
    "Trouble",
    "body_trouble",
    "etag_of",
    "message",
    "place_of",
    "read_body",
    "read_cursor",
    "read_json",
    "read_message",
    "read_query",
    "revision_of",
    "stream",
    "trouble",
    "write_cursor",
]
