"""Pulling: a model's files from the hub into this machine's cache, before a worker needs them. Imports torch: only
diffusers knows which files a pipeline is made of."""

from pathlib import Path

from jobs.errors import ModelUnavailable
from models.entry import Entry


def pull(entry: Entry) -> Path | None:
    """The folder that the files are in now, of the pinned revision, safetensors only; None when the entry names no
    source. What is there already is not fetched again.

    Raises:
        ModelUnavailable: they cannot be fetched.
    """
    if entry.source is None or entry.source.hub is None:
        return entry.weights_folder
    from diffusers import DiffusionPipeline

    source = entry.source
    try:
        folder = DiffusionPipeline.download(
            source.hub,
            revision=source.revision,
            variant=source.variant,
            use_safetensors=True,  # None would fall back to pickle
            trust_remote_code=False,
        )
    except Exception as fault:  # whatever the hub's library raises: no network, no access, no such revision
        reason = str(fault).strip().splitlines() or [type(fault).__name__]
        raise ModelUnavailable(f"{entry.full_name} cannot be pulled: {reason[0][:500]}") from fault
    return Path(folder)
