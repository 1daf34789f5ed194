"""S3-compatible storage: what is stored once and locked, what is shown anew, and reading both without Tallystick.

Never in here: the database, a key, or a delete of what a log needs.
"""
