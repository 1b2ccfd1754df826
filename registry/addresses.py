"""The addresses of deployments: `${VAR:-default}` filled in, and which hosts are within the private network."""

from __future__ import annotations

import ipaddress
import re
import socket
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^${}]*))?\}")
# Narrower than RFC 3986 on purpose: without user names, escapes and queries no two URL parsers can disagree
# about the host, and no address can carry a secret into a log.
_URL = re.compile(
    r"(?P<scheme>https?)://(?P<host>[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?P<port>:[0-9]{1,5})?(?P<path>/[A-Za-z0-9._~/-]*)?\Z"
)
_PLAIN = re.compile(r"[\x21-\x7e]*\Z")
_SECRET = re.compile(r"key|token|secret|passw|credential", re.IGNORECASE)
_MAX_PORT = 65_535

# Names that no public DNS may ever answer (RFC 6761, 6762, 8375; ICANN's `internal`).
_PRIVATE_SUFFIXES = (".localhost", ".local", ".internal", ".home.arpa")
_PRIVATE_NETWORKS = tuple(
    ipaddress.ip_network(network)
    for network in (
        "127.0.0.0/8",
        "10.0.0.0/8",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "169.254.0.0/16",
        "0.0.0.0/32",
        "::1/128",
        "::/128",
        "fc00::/7",
        "fe80::/10",
    )
)


def problem_with_template(template: str) -> str | None:
    """Say what is wrong with a base URL as a file has it; None where nothing is.

    What depends on the environment is judged by its defaults; a variable without one is left for `expand`.
    """
    variables = list(_VARIABLE.finditer(template))
    if "$" in _VARIABLE.sub("", template):
        return "has a $ that is no variable; write ${NAME} or ${NAME:-default}"
    if not _PLAIN.match(_VARIABLE.sub(lambda match: match[2] or "", template)):
        return "has a character that no address may have"
    for variable in variables:
        if _SECRET.search(variable[1]):
            return (
                f"would put the secret ${{{variable[1]}}} into an address, which is logged; "
                "name the variable in api_key_env instead"
            )
    if any(variable[2] is None for variable in variables):
        return None
    return problem_with_url(_fill(template, {}))


def problem_with_url(url: str) -> str | None:
    """Say what is wrong with an address; None where nothing is."""
    match = _URL.match(url)
    if match is None:
        return (
            "is not an address such as http://host:8600; user names, passwords and queries are not allowed "
            "(a key goes into the variable that api_key_env names)"
        )
    if match["port"] and not 0 < int(match["port"][1:]) <= _MAX_PORT:
        return f"has the port {match['port'][1:]}, which is not from 1 to {_MAX_PORT}"
    if match["host"].startswith("["):
        try:
            ipaddress.IPv6Address(match["host"][1:-1])
        except ValueError:
            return f"has the host {match['host']}, which is no IPv6 address"
    return None


def variables_of(template: str) -> frozenset[str]:
    """Name the environment's variables that a base URL is filled in from."""
    return frozenset(variable[1] for variable in _VARIABLE.finditer(template))


def missing_variables(template: str, environ: Mapping[str, str]) -> tuple[str, ...]:
    """Name the variables that a template needs, has no default for, and that are unset or empty."""
    return tuple(
        variable[1]
        for variable in _VARIABLE.finditer(template)
        if variable[2] is None and not environ.get(variable[1])
    )


def expand(template: str, environ: Mapping[str, str]) -> str:
    """Fill in a base URL's variables and drop a trailing ``/v1``, which each provider adds where its routes have it.

    Args:
        template: a URL with ``${NAME}`` and ``${NAME:-default}``; as in a shell, an empty variable takes the default.
        environ: the environment's variables.
    """
    return _fill(template, environ).strip().rstrip("/").removesuffix("/v1").rstrip("/")


def is_private(url: str) -> bool:
    """Tell whether a URL's host is this machine or its private network.

    Private are loopback, RFC 1918, link-local and unique local addresses, unqualified names (``imageworks-vllm``:
    what a compose file or the local resolver gives), and the suffixes that public DNS never answers. Everything
    else counts as public, what is no address at all too.
    """
    match = _URL.match(url)
    if match is None or problem_with_url(url) is not None:
        return False
    host = match["host"].strip("[]").lower()
    address = _address(host)
    if address is not None:
        return any(address in network for network in _PRIVATE_NETWORKS if network.version == address.version)
    if host.endswith("."):
        # A final dot makes a name absolute, so `ai.` is the public top-level domain.
        host = host.rstrip(".")
        return host == "localhost" or host.endswith(_PRIVATE_SUFFIXES)
    return "." not in host or host.endswith(_PRIVATE_SUFFIXES)


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        # Resolvers also read 134744072, 0x8080808 and 8.8.2056 as 8.8.8.8.
        try:
            return ipaddress.IPv4Address(socket.inet_aton(host))
        except OSError:
            return None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def _fill(template: str, environ: Mapping[str, str]) -> str:
    return _VARIABLE.sub(lambda match: environ.get(match[1]) or match[2] or "", template)
