"""Which addresses and URLs a client may have us call."""

from ipaddress import ip_address, ip_network

import pytest

from egress.addresses import Networks, check_url, is_allowed
from egress.calls import Caller, Forbidden

LOOPBACK: Networks = (ip_network("127.0.0.0/8"),)

FORBIDDEN = [
    "127.0.0.1",
    "127.255.255.254",
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.1.1",
    "100.64.0.1",
    "100.100.100.200",
    "169.254.169.254",
    "168.63.129.16",
    "192.0.0.192",
    "192.0.2.1",
    "198.18.0.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::ffff:169.254.169.254",
    "64:ff9b::10.0.0.1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::1",
    "2002:7f00:1::",
    "2001:0:5ef5:79fd::1",
    "2001:db8::1",
    "100::1",
    "fe80::1",
    "fec0::1",
    "fc00::1",
    "fd00:ec2::254",
    "ff02::1",
]

ALLOWED = ["1.1.1.1", "172.32.0.1", "100.128.0.1", "2606:4700:4700::1111", "::ffff:1.1.1.1", "64:ff9b::1.1.1.1"]


@pytest.mark.parametrize("address", FORBIDDEN)
def test_an_address_that_is_not_public_is_never_called(address: str) -> None:
    assert not is_allowed(ip_address(address))
    with pytest.raises(Forbidden):
        Caller(resolve=lambda _host, _port: [address]).post("http://hooks.example/", b"{}", {}, 10.0)


@pytest.mark.parametrize("address", ALLOWED)
def test_a_public_address_may_be_called(address: str) -> None:
    assert is_allowed(ip_address(address))


def test_what_the_operator_allows_may_be_called_however_it_is_written() -> None:
    for address in ("10.1.2.3", "::ffff:10.1.2.3", "64:ff9b::10.1.2.3", "fd00::7"):
        assert is_allowed(ip_address(address), (ip_network("10.1.0.0/16"), ip_network("fd00::/64")))
    assert not is_allowed(ip_address("10.2.0.1"), (ip_network("10.1.0.0/16"),))


@pytest.mark.parametrize(
    "url",
    [
        "http://169.254.169.254/latest/meta-data",
        "http://127.0.0.1:6379",
        "http://[::1]/",
        "http://[::ffff:127.0.0.1]/",
        "http://[::ffff:7f00:1]:80/",
        "http://0.0.0.0/",
        "http://10.0.0.1",
        "http://2130706433/",
        "http://0177.0.0.1/",
        "http://0x7f000001/",
        "http://0x7f.1/",
        "http://127.1/",
        "http://127.0.0.1./",
        "http://１２７.0.0.1/",
        "http://[fe80::1%25eth0]/",
        "http://[::1]x/",
        "http://x[2606:4700::1]/",
        "http://[::1/",
        "ftp://example.com/",
        "example.com/hook",
        "http:///hook",
        "https://",
        "http://user:password@example.com/",
        "http://user@example.com/",
        "http://example.com\\@127.0.0.1/",
        "http://example.com:0/",
        "http://example.com:65536/",
        "http://example.com:x/",
        "http://exa mple.com/",
        "http://example.com/\r\nHost: evil",
        "http://münchen.example/",
        "http://a..b/",
        "http://-a.example/",
        "http://" + "a." * 130 + "example/",
        "https://example.com/" + "a" * 2_000,
    ],
)
def test_a_url_that_could_never_be_called_is_refused_before_anybody_asks_a_resolver(url: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        check_url(url)


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com",
        "http://example.com:8080/hook?token=a%20b&x=[1]#part",
        "HTTPS://Hooks.Example.COM./x",
        "http://1.1.1.1:8000/",
        "http://[2606:4700:4700::1111]:8443/",
        "https://1.2.3.example/",
        "https://under_score.xn--mnchen-3ya.example/",
        "https://example.com/" + "a" * 1_980,
    ],
)
def test_a_url_of_a_public_address_or_of_any_name_is_accepted(url: str) -> None:
    check_url(url)


def test_a_loopback_url_is_accepted_where_the_operator_allows_it() -> None:
    check_url("http://127.0.0.1:8000/", LOOPBACK)
    check_url("http://[::ffff:127.0.0.1]:8000/", LOOPBACK)
