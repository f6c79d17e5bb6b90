"""Turns at batches: their lines read and taken in, their results written."""
