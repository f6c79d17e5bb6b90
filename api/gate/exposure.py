"""To whom the API may be offered: without keys, to nobody but this machine."""

import ipaddress

from config.settings import Settings, SettingsError


def check_exposure(settings: Settings, host: str) -> None:
    """Raises: SettingsError."""
    if settings.auth == "keys":
        raise SettingsError("SAFELIGHT_AUTH: keys are not served yet; use off, on a loopback address")
    if host != "localhost" and not _is_loopback(host):
        raise SettingsError(f"SAFELIGHT_AUTH is off, so the API listens on a loopback address only, not on {host}")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
