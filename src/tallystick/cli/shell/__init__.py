"""What has to do with the terminal itself: completion, and which version this is.

Must never contain anything that asks a console for more than names.
"""
