"""Inputs that are media, as a submit names them: read and checked as far as that needs no looking up."""

from collections.abc import Mapping
from typing import Any

from egress.addresses import Networks, check_url
from jobs.errors import FieldFault, InvalidInput
from jobs.references import MediaInput, OutputReference, UrlReference, parse_reference
from models.entry import Entry


def read_media(entry: Entry, given: Mapping[str, Any], callable_networks: Networks = ()) -> tuple[MediaInput, ...]:
    """Those that a checked input has. URLs may lead to public addresses, and into `callable_networks`.

    Raises:
        InvalidInput: naming each that is no reference.
    """
    found: list[MediaInput] = []
    faults: list[FieldFault] = []
    for name, accepts in entry.media_inputs.items():
        if given.get(name) is None:
            continue
        try:
            found.append(MediaInput(name, reference := parse_reference(given[name]), accepts))
            if isinstance(reference, UrlReference):
                check_url(reference.url, callable_networks)
        except ValueError as fault:
            faults.append(FieldFault(f"input.{name}", f"{fault}."))
    if faults:
        raise InvalidInput(f"The input does not fit the model {entry.name}.", faults)
    return tuple(found)


def needed_jobs(media: tuple[MediaInput, ...]) -> list[str]:
    """Ids of the jobs whose outputs are wanted."""
    return [one.reference.job_id for one in media if isinstance(one.reference, OutputReference)]
