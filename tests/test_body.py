"""What a request body may be: a plain JSON object, whatever bytes a client sends."""

import json
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis.strategies import (
    binary,
    booleans,
    dictionaries,
    floats,
    integers,
    lists,
    none,
    recursive,
    text,
)

from forms.strict_json import fingerprint, parse_object
from jobs.errors import InvalidInput

REFUSED = {
    "nothing": b"",
    "blanks": b" \n\t ",
    "a word": b"hello",
    "half an object": b'{"a": 1',
    "a comma too many": b'{"a": 1,}',
    "single quotes": b"{'a': 1}",
    "a comment": b'{"a": 1 /* one */}',
    "trailing garbage": b'{"a": 1} x',
    "two objects": b'{"a": 1}{"b": 2}',
    "an array": b"[1, 2]",
    "an empty array": b"[]",
    "a string": b'"hello"',
    "a number": b"7",
    "null": b"null",
    "true": b"true",
    "NaN": b'{"a": NaN}',
    "Infinity": b'{"a": Infinity}',
    "minus Infinity": b'{"a": -Infinity}',
    "NaN in an array": b'{"a": [1, {"b": NaN}]}',
    "a number beyond any float": b'{"a": 1e999}',
    "a number beneath any float": b'{"a": -1e999}',
    "2 to the 63rd": b'{"a": 9223372036854775808}',
    "2 to the 64th": b'{"a": 18446744073709551616}',
    "less than minus 2 to the 63rd": b'{"a": -9223372036854775809}',
    "an integer of ten thousand digits": b'{"a": 1' + b"0" * 10_000 + b"}",
    "a leading zero": b'{"a": 007}',
    "a plus sign": b'{"a": +1}',
    "hexadecimal": b'{"a": 0x10}',
    "a name twice": b'{"a": 1, "a": 2}',
    "a name twice, deep inside": b'{"a": [{"b": {"c": 1, "c": 1}}]}',
    "a name twice, once escaped": b'{"a": 1, "\\u0061": 2}',
    "a lone high surrogate": b'{"a": "\\ud800"}',
    "a lone low surrogate": b'{"a": ["\\udc00"]}',
    "surrogates the wrong way round": b'{"a": "\\udc00\\ud800"}',
    "a lone surrogate in a name": b'{"\\ud800": 1}',
    "a lone surrogate in a name that stands twice": b'{"\\ud800": 1, "\\ud800": 2}',
    "NUL, escaped": b'{"a": "x\\u0000y"}',
    "NUL in a name": b'{"a": {"\\u0000": 1}}',
    "NUL, raw": b'{"a": "x\0y"}',
    "a raw newline in text": b'{"a": "x\ny"}',
    "bytes that are no UTF-8": b'{"a": "\xff\xfe"}',
    "Latin-1": '{"a": "é"}'.encode("latin-1"),
    "a surrogate in UTF-8": b'{"a": "\xed\xa0\x80"}',
    "UTF-8, an overlong way": b'{"a": "\xc0\x80"}',
    "UTF-16": '{"a": 1}'.encode("utf-16"),
    "a byte order mark": b'\xef\xbb\xbf{"a": 1}',
    "a bad escape": b'{"a": "\\x41"}',
    "33 levels of objects": b'{"a":' * 33 + b"1" + b"}" * 33,
    "500 levels of arrays": b'{"a":' + b"[" * 500 + b"]" * 500 + b"}",
    "a hundred thousand levels of arrays": b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "a hundred thousand levels of objects": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "a hundred thousand levels, never closed": b"[" * 100_000,
}

ACCEPTED: dict[str, tuple[bytes, dict[str, Any]]] = {
    "an empty object": (b"{}", {}),
    "blanks around": (b' \r\n{"a": 1}\n', {"a": 1}),
    "2 to the 63rd less one": (b'{"a": 9223372036854775807}', {"a": (1 << 63) - 1}),
    "minus 2 to the 63rd": (b'{"a": -9223372036854775808}', {"a": -(1 << 63)}),
    "a number that rounds to zero": (b'{"a": 1e-999}', {"a": 0.0}),
    "the largest float": (b'{"a": 1.7976931348623157e308}', {"a": 1.7976931348623157e308}),
    "a whole pair of surrogates": (b'{"a": "\\ud83c\\udf05"}', {"a": "🌅"}),
    "text of the world": ('{"é": "絵"}'.encode(), {"é": "絵"}),
    "an escaped newline": (b'{"a": "x\\ny"}', {"a": "x\ny"}),
    "the same name in two objects": (b'{"a": {"b": 1}, "c": {"b": 2}}', {"a": {"b": 1}, "c": {"b": 2}}),
    "names that differ in case": (b'{"a": 1, "A": 2}', {"a": 1, "A": 2}),
    "an empty name": (b'{"": ""}', {"": ""}),
    "null, true and false": (b'{"a": [null, true, false]}', {"a": [None, True, False]}),
    "32 levels": (b'{"a":' * 32 + b"1" + b"}" * 32, json.loads('{"a":' * 32 + "1" + "}" * 32)),
}


@pytest.mark.parametrize("body", REFUSED.values(), ids=REFUSED.keys())
def test_a_body_that_is_no_plain_object_is_refused_with_a_sentence(body: bytes) -> None:
    with pytest.raises(InvalidInput) as refused:
        parse_object(body)
    sentence = str(refused.value)
    assert sentence.endswith((".", ")"))
    assert len(sentence) < 300
    sentence.encode("utf-8")  # it can be sent
    [fault.field.encode("utf-8") for fault in refused.value.faults]


@pytest.mark.parametrize(("body", "meant"), ACCEPTED.values(), ids=ACCEPTED.keys())
def test_a_plain_object_means_what_it_says(body: bytes, meant: dict[str, Any]) -> None:
    assert parse_object(body) == meant


@pytest.mark.parametrize("name", ["NUL", "half of a surrogate pair"])
def test_bad_text_is_refused_by_the_path_of_its_field(name: str) -> None:
    code = {"NUL": "\\u0000", "half of a surrogate pair": "\\udfff"}[name]
    body = f'{{"input": {{"prompts": ["good", "{code}"]}}}}'.encode()
    with pytest.raises(InvalidInput) as refused:
        parse_object(body)
    assert [fault.field for fault in refused.value.faults] == ["input.prompts.1"]


def test_a_name_given_twice_is_named() -> None:
    with pytest.raises(InvalidInput, match="'prompt' stands twice"):
        parse_object(b'{"prompt": 1, "seed": 2, "prompt": 3}')


@pytest.mark.timeout(60)
def test_a_huge_object_with_a_name_given_twice_is_refused_without_long_thought() -> None:
    """Finding the name must not compare every name with every other: a request would hold the process."""
    names = ",".join(f'"{number:x}":0' for number in range(90_000))
    body = f'{{{names},"last":0,"last":0}}'.encode()
    assert len(body) < 1 << 20
    started = time.process_time()
    with pytest.raises(InvalidInput, match="'last' stands twice"):
        parse_object(body)
    assert time.process_time() - started < 15


TEXTS = text(max_size=8)
VALUES = recursive(
    none() | booleans() | integers(-(1 << 64), 1 << 64) | floats() | TEXTS,
    lambda inner: lists(inner, max_size=4) | dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)


@given(binary(max_size=200))
@settings(max_examples=300, deadline=None)
def test_any_bytes_are_an_object_or_refused_and_nothing_else(body: bytes) -> None:
    only_an_object_or_refused(body)


@given(VALUES, booleans())
@settings(max_examples=300, deadline=None)
def test_any_json_is_an_object_or_refused_and_nothing_else(value: Any, escaped: bool) -> None:
    only_an_object_or_refused(json.dumps(value, ensure_ascii=escaped).encode("utf-8", "surrogatepass"))


def only_an_object_or_refused(body: bytes) -> None:
    """What was accepted can be stored and sent: it survives strict JSON and UTF-8 unchanged."""
    try:
        found = parse_object(body)
    except InvalidInput:
        return
    assert isinstance(found, dict)
    strict = json.dumps(found, allow_nan=False, ensure_ascii=False).encode("utf-8")
    assert parse_object(strict) == found
    assert b"\0" not in strict


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (b'{"a": 1, "b": [1, 2]}', b'{"b":[1,2],"a":1}'),
        (b'{"a": {"x": 1, "y": 2}}', b'{ "a" : { "y": 2, "x": 1 } }'),
        (b'{"a": "\\u00e9"}', '{"a": "é"}'.encode()),
        (b'{"a": 1.50}', b'{"a": 15e-1}'),
    ],
    ids=["order and blanks", "order within", "escapes", "ways of writing a number"],
)
def test_the_same_body_written_otherwise_has_the_same_fingerprint(one: bytes, other: bytes) -> None:
    assert fingerprint(parse_object(one)) == fingerprint(parse_object(other))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (b'{"a": 1}', b'{"a": 2}'),
        (b'{"a": 1}', b'{"a": "1"}'),
        (b'{"a": true}', b'{"a": 1}'),
        (b'{"a": null}', b"{}"),
        (b'{"a": [1, 2]}', b'{"a": [2, 1]}'),
        (b'{"a": {"b": 1}}', b'{"a": {}, "b": 1}'),
    ],
)
def test_another_body_has_another_fingerprint(one: bytes, other: bytes) -> None:
    assert fingerprint(parse_object(one)) != fingerprint(parse_object(other))
