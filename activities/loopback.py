"""Telling this machine from others: what stays on it needs no encryption."""

import ipaddress


def is_loopback(host: str) -> bool:
    """Whether the host, a name or an address without brackets, can only be this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
