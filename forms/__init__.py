"""What a client may ask for, and the submission it becomes: the same check for every way in. No web, no SQL."""
