"""Commands about control state: what there is, what is wanted, who reviews it. All go through the REST API.

Must never contain a decision, or a second way to change something.
"""
