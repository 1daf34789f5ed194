"""The REST API as its callers see it: the messages and a typed client."""
