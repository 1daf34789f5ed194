"""The rules of this repository as functions over a tree of files: each takes a root and returns what breaks it.

test_architecture.py and test_docs.py apply them to this repository; test_each_rule_bites.py plants a violation of each.
"""
