"""Who signed in at which console, and how things stand: login, logout, whoami, status, doctor.

Must never print a token, or keep one where others can read it.
"""
