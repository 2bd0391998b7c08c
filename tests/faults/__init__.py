"""Deliberate faults in the code, each of which the tests must catch: ``python -m tests.faults``."""
