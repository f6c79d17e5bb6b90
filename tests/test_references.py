"""References of media inputs: what they may say."""

import base64

import pytest

from jobs.magic import declared_type, sniff
from jobs.references import (
    DataReference,
    OutputReference,
    UploadReference,
    UrlReference,
    is_to_be_fetched,
    parse_reference,
)

ID = "0197a000-0000-7000-8000-00000000abcd"  # the same in every process that collects the tests


@pytest.mark.parametrize(
    ("text", "reference"),
    [
        (f"upload:{ID}", UploadReference(ID)),
        (f"upload:{ID.upper()}", UploadReference(ID)),
        (f"job:{ID}#2", OutputReference(ID, 2)),
        (f"job:{ID}", OutputReference(ID, 0)),
        ("https://example.com/a?b#c", UrlReference("https://example.com/a?b#c")),
        ("data:image/png;base64,AAEC", DataReference("image/png", b"\0\1\2")),
        ("data:image/svg+xml,%3Csvg%3E", DataReference("image/svg+xml", b"<svg>")),
    ],
)
def test_a_reference_says_where_the_bytes_are(text: str, reference: object) -> None:
    assert parse_reference(text) == reference


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a picture",
        "upload:",
        "upload:../../etc/passwd",
        "file:///etc/passwd",
        "ftp://example.com/a",
        "/etc/passwd",
        f"job:{ID}#",
        f"job:{ID}#-1",
        f"job:{ID}#٣",
        f"job:{ID}#99999",
        f"job:{ID}#0#1",
        "data:image/png;base64",
        "data:image/png;base64,@@@",
        "data:image/png;base64,é",
    ],
)
def test_anything_else_is_refused_with_a_sentence(text: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        parse_reference(text)


def test_a_url_among_the_inputs_is_something_to_be_fetched() -> None:
    assert is_to_be_fetched({"image": "HTTPS://example.com/a"})
    assert not is_to_be_fetched({"image": f"upload:{ID}", "seed": 3, "prompt": "no https:// at the beginning"})


def test_what_bytes_are_is_told_by_how_they_begin() -> None:
    assert sniff(b"\x89PNG\r\n\x1a\n....") == "image/png"
    assert sniff(b"RIFF....WEBPVP8 ") == "image/webp"
    assert sniff(b"RIFF....WAVEfmt ") == "audio/wav"
    assert sniff(b"\0\0\0\x18ftypisom") == "video/mp4"
    assert sniff(b"<svg onload=alert(1)>") is None
    assert sniff(base64.b64decode("")) is None


def test_a_content_type_has_many_spellings() -> None:
    assert declared_type("image/PNG; charset=binary") == "image/png"
    assert declared_type("audio/x-wav") == "audio/wav"
    assert declared_type("application/octet-stream") is None
    assert declared_type(None) is None
