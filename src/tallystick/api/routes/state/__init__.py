"""Routes of control state: resources, lifecycle, declarations, the history, search. Must never contain a decision."""

__all__: list[str] = []
