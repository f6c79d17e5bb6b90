"""How the shipped `scenes` model was made: drawings, captions, the networks, the judge.

Nothing here is imported by the service; the weights are the only thing that crosses over.
"""
