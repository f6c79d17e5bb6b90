"""Behaviour, seen from outside wherever possible: real brokers, databases, processes and pipelines."""
