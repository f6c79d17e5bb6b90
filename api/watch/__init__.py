"""What one process knows of jobs as they change, and how it tells whoever waits for one."""
