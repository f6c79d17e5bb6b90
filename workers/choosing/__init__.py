"""What a worker takes next, and how fast it is, by what it has seen so far."""
