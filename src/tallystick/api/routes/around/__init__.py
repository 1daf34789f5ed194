"""Routes around control state: the console itself, servers, the record, webhooks. Must never contain a decision."""

__all__: list[str] = []
