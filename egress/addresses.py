"""Which addresses a client may have us call: the guard against server-side request forgery. Pure."""

import re
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from urllib.parse import urlsplit

Address = IPv4Address | IPv6Address
Networks = Sequence[IPv4Network | IPv6Network]

_URL_CHARACTERS = 2_000
_PLACE = re.compile(r"(\[[^]]*\]|[^][:]*)(:\d*)?")  # host and port, nothing before or after the brackets
_NUMERIC = re.compile(r"(.*\.)?(\d+|0x[0-9a-f]*)\.?")  # hosts that end so are taken for IPv4 addresses everywhere
_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")

# IANA's registries of special-purpose addresses, whatever is not globally reachable, and multicast. A list of our
# own, since what the library calls private has changed between its versions.
_REFUSED_V4 = [
    IPv4Network(text)
    for text in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",  # link-local; the metadata of most clouds
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
        "168.63.129.16/32",  # Azure's metadata, in the middle of public space
    )
]
_GLOBAL_V6 = IPv6Network("2000::/3")  # the only global unicast space there is: no loopback, link-local, multicast
_REFUSED_V6 = [
    IPv6Network(text)
    for text in (
        "2001::/23",  # protocol assignments, among them Teredo, which embeds IPv4 addresses
        "2001:db8::/32",
        "2002::/16",  # 6to4, which embeds them as well
        "3fff::/20",
    )
]
_NAT64 = IPv6Network("64:ff9b::/96")


def is_allowed(address: Address, allowed: Networks = ()) -> bool:
    """May a stranger have us call this address? `allowed` are the operator's own exceptions."""
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped:
            return is_allowed(address.ipv4_mapped, allowed)
        if address in _NAT64:
            return is_allowed(IPv4Address(address.packed[-4:]), allowed)
        public = address in _GLOBAL_V6 and not any(address in network for network in _REFUSED_V6)
    else:
        public = not any(address in network for network in _REFUSED_V4)
    return public or any(address in network for network in allowed)


def check_url(url: str, allowed: Networks = ()) -> None:
    """Could we ever call this URL? Names are not resolved here: that is for the moment of the call.

    Raises:
        ValueError: with a sentence for the client.
    """
    if len(url) > _URL_CHARACTERS:
        raise ValueError(f"a URL may have {_URL_CHARACTERS:,} characters")
    if not url.isascii() or not url.isprintable() or set(url) & set(" \\"):
        raise ValueError("a URL has only printable ASCII characters, no blank and no backslash")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as fault:
        raise ValueError(f"this is not a URL: {fault}") from fault
    if parts.scheme not in ("http", "https"):
        raise ValueError("a URL begins with https:// or http://")
    if "@" in parts.netloc:
        raise ValueError("a URL has no credentials in it")
    if not host or port == 0 or not _PLACE.fullmatch(parts.netloc):
        raise ValueError("a URL names a host, and a port from 1 to 65535 if any")
    address = _literal(host, bracketed="[" in parts.netloc)
    if address is not None and not is_allowed(address, allowed):
        raise ValueError(f"{address} is not an address that this server calls for its clients")


def _literal(host: str, *, bracketed: bool) -> Address | None:
    """The address that a host is literally, or None for a name. Only the usual spellings: what else some
    resolver takes for an address (2130706433, 0177.0.0.1, 127.1) is refused, whatever it means.

    Raises:
        ValueError: it is neither.
    """
    if bracketed:
        try:
            if "%" not in host:
                return IPv6Address(host)
        except ValueError:
            pass
        raise ValueError("what stands in brackets is not an IPv6 address")
    if _NUMERIC.fullmatch(host):
        try:
            return IPv4Address(host)
        except ValueError as fault:
            raise ValueError("an IPv4 address is written as four decimal numbers") from fault
    labels = host.removesuffix(".").split(".")
    if len(host) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        raise ValueError("the host is neither a name nor an address")
    return None


def parse_resolved(text: str) -> Address:
    """An address as a resolver gives it, perhaps with a zone."""
    return ip_address(text.partition("%")[0])
