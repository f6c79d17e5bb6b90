"""Celery and everything that runs beside it: queue, tasks, attempts, leases, the reaper."""
