"""The bench: everything a worker works with, in one place."""

from dataclasses import dataclass
from threading import Event

from models.capacity import Capacities
from models.catalog import Catalog
from models.loading import LoadedModels
from storage.bus import Bus
from storage.claiming.circuits import Circuits
from storage.claiming.claims import Claims
from storage.jobs.orphans import Orphans
from storage.media.artifacts import ArtifactStore
from storage.media.previews import PreviewWriter
from storage.media.uploads import Uploads
from workers.attempts.hands import Hands
from workers.choosing.affinity import Affinity
from workers.choosing.arrivals import Arrivals
from workers.choosing.pace import Paces
from workers.choosing.shares import Shares
from workers.narrator import Narrator
from workers.queue import Doorbell


@dataclass(frozen=True, slots=True)
class Bench:
    """Opened once by workers.process and handed to every attempt."""

    name: str
    claims: Claims
    orphans: Orphans
    uploads: Uploads
    circuits: Circuits
    artifacts: ArtifactStore
    bus: Bus
    previews: PreviewWriter
    doorbell: Doorbell
    narrator: Narrator
    catalog: Catalog
    models: LoadedModels
    capacities: Capacities
    affinity: Affinity
    arrivals: Arrivals
    paces: Paces
    shares: Shares
    lease_s: float
    heartbeat_s: float
    draining: Event
    hands: Hands  # who else must reach the leases: cancel listener, drain
