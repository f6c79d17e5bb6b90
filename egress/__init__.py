"""What leaves the house: calls to addresses that a client named. Knows nothing of jobs."""
