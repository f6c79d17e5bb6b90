"""Faults on purpose: whatever dies, freezes or is full, what was accepted comes to its end once. The tests take
one fault each; `python -m tests.faults.chaos` mixes them at random."""
