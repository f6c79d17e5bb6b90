"""Jobs and groups of jobs, as clients see them: accepted, read, canceled, retried, forgotten; who waits for what."""
