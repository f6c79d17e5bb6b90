"""Attempts at jobs: claimed under a lease, generated, stored, concluded."""
