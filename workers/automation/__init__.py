"""What starts jobs without a client: the clock, files in watched folders, rules."""
