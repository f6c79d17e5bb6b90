"""Who may work on what, until when; and what waits to be claimed."""
