"""PostgreSQL: a connection that knows what a lost answer means, and the lease of a tenant's writer.

Never in here: what the rows are for, or a clock of our own.
"""
