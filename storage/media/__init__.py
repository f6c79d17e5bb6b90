"""Bytes of pictures, films and speech: outputs, inputs and previews, and the rows that say who needs them."""
