"""Media that came in, into the artifact store: measured first, so that what says it is a picture, and is none, is
stored nowhere."""

from jobs.uploads import Content
from storage.media.artifacts import ArtifactStore
from storage.media.dimensions import read_size
from storage.media.incoming import Incoming


def store_media(artifacts: ArtifactStore, incoming: Incoming, media_type: str) -> Content:
    """Keep it; whoever lists its key in a row makes it last.

    Raises:
        ValueError: it says that it is a picture, and is none.
        OSError: it cannot be stored.
    """
    incoming.flush()
    width, height = read_size(incoming.path, media_type) or (None, None)
    stored = artifacts.keep(incoming, media_type)
    return Content(stored.key, stored.sha256, stored.bytes, media_type, width, height)
