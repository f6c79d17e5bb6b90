"""What outlives a process: the database, the artifacts, the bus."""
