"""The invented world: fixed names and a fixed seed, so that every file seeded anywhere is the same.

Nothing here is a real person, firm or account. IBANs and LEIs have valid check digits on prefixes nobody was given.
"""
