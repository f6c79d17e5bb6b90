"""A request as a user might make it, from a model's own defaults and examples: to warm it up or to measure it."""

from typing import Any

from models.entry import Entry
from models.runner import Request


def sample_request(entry: Entry, seed: int = 0, **given: Any) -> Request:
    """Inputs that the model does not know are left out of `given`.

    Raises:
        InvalidInput: the model's schema does not allow what is given.
    """
    rules: dict[str, Any] = entry.input.get("properties", {})
    required = {name: _example(rules.get(name, {})) for name in entry.input.get("required", ())}
    known = {name: value for name, value in given.items() if name in rules}
    entry.validate_input(required | known)
    return Request(entry.resolve(required | known), seed, attempt=1)


def fewest_steps(entry: Entry) -> int:
    """That the model's schema allows."""
    return int(entry.input.get("properties", {}).get("steps", {}).get("minimum", 1))


def _example(rule: dict[str, Any]) -> Any:
    for name in ("examples", "enum"):
        if rule.get(name):
            return rule[name][0]
    return rule.get("default", rule.get("minimum", ""))
