"""The bench: everything a worker works with, in one place."""

from dataclasses import dataclass
from threading import Event

from models.capacity import Capacities
from models.catalog import Catalog
from models.loading import LoadedModels
from storage.artifacts import ArtifactStore
from storage.bus import Bus
from storage.circuits import Circuits
from storage.claims import Claims
from storage.orphans import Orphans
from storage.previews import PreviewWriter
from storage.uploads import Uploads
from workers.affinity import Affinity
from workers.arrivals import Arrivals
from workers.hands import Hands
from workers.narrator import Narrator
from workers.pace import Paces
from workers.queue import Doorbell
from workers.shares import Shares


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
