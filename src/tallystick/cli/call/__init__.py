"""Using the gateway from a terminal, as its clients do: `tally call` and `tally inspect`.

Must never contain a way around the gateway: what it refuses stays refused.
"""
