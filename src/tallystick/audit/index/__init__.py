"""The query index: the log's leaves as rows, for questions. Append-only, and rebuilt from the log at any time.

Never in here: anything that is not in the log, payloads, or an answer that somebody has to trust: each row names the
leaf that it came from, and that leaf can be proved.
"""

from tallystick.audit.index.rows import millionths
from tallystick.audit.index.search import COLUMNS, Query
from tallystick.audit.index.store import PLACE, Index, IndexError_, LogFiles
from tallystick.audit.leaf.kinds import KINDS

__all__ = ["COLUMNS", "KINDS", "PLACE", "Index", "IndexError_", "LogFiles", "Query", "millionths"]
