"""`tally doctor`: checks, each with its status, its evidence, and what to do about it.

Must never repair anything, and no check may end the others.
"""
