"""Control state as one process has it: opened, kept on record, followed, and changed by the directory.

Never in here: what a change means or whether it may be made (that is the room `control`).
"""
