"""Batches: files of many lines, each of which becomes a job."""
