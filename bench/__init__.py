"""Figures of speed: always ratios, measured side by side in one run, because machines are noisy."""
