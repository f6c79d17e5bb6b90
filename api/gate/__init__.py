"""Who and what is let in, and at what pace."""
