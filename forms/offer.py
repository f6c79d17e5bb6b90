"""What one tenant may name as a model: the catalog, and aliases over it."""

from collections.abc import Iterator
from dataclasses import dataclass

from jobs.aliases import Routes
from models.catalog import Catalog
from models.entry import Entry


@dataclass(frozen=True, slots=True)
class Offer:
    """The models by the names that clients say. An alias is understood by the first of its versions; which one a job
    gets is decided when it is submitted."""

    catalog: Catalog
    routes: Routes
    tenant: str

    def __iter__(self) -> Iterator[Entry]:
        """The newest version of each model, the default one first."""
        return iter(sorted(self.catalog, key=lambda entry: not entry.default))

    def find(self, name: str) -> Entry:
        """Raises: ModelNotFound."""
        alias = self.routes.get((self.tenant, name))
        return self.catalog.find(alias.targets[0].model if alias else name)
