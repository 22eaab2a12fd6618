"""Mutation testing of the money paths: single small faults, each of which a test has to see.

`make mutants` (docs/mutants.md). `python_edits` and `text_edits` find where a fault can be put, `chosen`
holds some that no operator makes, `targets` says which tests have to see a fault in which file.
"""
