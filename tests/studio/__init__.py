"""The Studio in a real browser, over the whole stack: what a person sees and does."""
