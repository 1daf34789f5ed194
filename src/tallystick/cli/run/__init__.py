"""Commands that serve, follow and witness: each is a process of its own until it is interrupted.

Never in here: what a process does (that is `wiring`).
"""
