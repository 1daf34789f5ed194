"""Payloads of the scale-out store: the keyring in PostgreSQL, the sealed records in S3-compatible storage.

Never in here: a payload or a data key in clear.
"""
