"""The circuit breakers, as the settings want them."""

from config.settings import Settings
from storage.claiming.circuits import Circuits
from storage.engine import Database


def open_circuits(database: Database, settings: Settings) -> Circuits:
    return Circuits(
        database,
        failures=settings.circuit_failures,
        window_s=settings.circuit_window_s,
        open_s=settings.circuit_open_s,
    )
