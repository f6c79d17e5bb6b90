"""How predictions name a model: owner/name, owner/name:version, or a version alone. Every owner will do."""

from jobs.errors import FieldFault, InvalidInput, ModelNotFound
from models.catalog import Catalog
from models.entry import Entry


def version_named(catalog: Catalog, text: str) -> Entry:
    """The version that a prediction asks for: name@version, as we list them, or with its model in front of it.

    Raises:
        InvalidInput: there is none, or there are several of that version.
    """
    name, colon, version = text.rpartition("/")[2].partition(":")
    try:
        if "/" in text or colon:
            return version_of(catalog, name, version)
        found = [entry for entry in catalog.entries() if entry.version == text]
        if len(found) > 1:
            names = " or ".join(entry.full_name for entry in found[:5])
            raise _wrong(f"Several models have a version {text[:64]!r}: say {names}.")
        return found[0] if found else catalog.find(text)
    except ModelNotFound as missing:
        raise _wrong(str(missing)) from missing


def version_of(catalog: Catalog, name: str, version: str = "") -> Entry:
    """That version of that model; the newest when none is said. Raises: ModelNotFound."""
    entry = catalog.find(name)
    if not version:
        return entry
    of, at, number = version.rpartition("@")
    if at and of != entry.name:
        raise ModelNotFound(f"The model {entry.name} has no version {version[:64]!r}.")
    return catalog.find(f"{entry.name}@{number}")


def _wrong(detail: str) -> InvalidInput:
    return InvalidInput("The version is not valid.", [FieldFault("version", detail)])
