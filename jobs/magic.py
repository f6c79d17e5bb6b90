"""What bytes are, by how they begin. Pure."""

HEAD_BYTES = 16  # that `sniff` looks at

_GENERIC = frozenset({"", "application/octet-stream", "binary/octet-stream"})
_SPELLINGS = {
    "image/jpg": "image/jpeg",
    "audio/x-wav": "audio/wav",
    "audio/wave": "audio/wav",
    "audio/vnd.wave": "audio/wav",
}


def sniff(head: bytes) -> str | None:
    """The media type of what begins so, if it is one of those that jobs take and make."""
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if head.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "image/webp"
    if head[:4] == b"RIFF" and head[8:12] == b"WAVE":
        return "audio/wav"
    if head[4:8] == b"ftyp":
        return "video/mp4"
    return None


def declared_type(text: str | None) -> str | None:
    """The media type in a Content-Type, in its usual spelling; None where it says nothing in particular."""
    plain = (text or "").partition(";")[0].strip().lower()
    return None if plain in _GENERIC else _SPELLINGS.get(plain, plain)
