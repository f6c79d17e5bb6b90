"""The one guarded write to a job, and what is written down with it: feed, outbox, cached results."""
