"""Several processes over one control database: how they hear of each other's changes, and whose turn it is.

Never in here: what is written, or anything that is right only if everybody hears of everything.
"""

__all__: list[str] = []
