"""Addresses: variables filled in, and which hosts are private."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.addresses import expand, is_private, missing_variables, problem_with_template, problem_with_url
from registry.errors import BadDeploymentUrl
from registry.schema import Deployment


@pytest.mark.parametrize(
    ("template", "environ", "url"),
    [
        ("http://host:1", {}, "http://host:1"),
        ("http://host:1/", {}, "http://host:1"),
        ("http://host:1/v1", {}, "http://host:1"),
        ("http://host:1/v1/", {}, "http://host:1"),
        ("http://host/api/v1", {}, "http://host/api"),
        ("${A:-http://host:1}", {}, "http://host:1"),
        ("${A:-http://host:1}", {"A": ""}, "http://host:1"),
        ("${A:-http://host:1}", {"A": "http://other:2/v1"}, "http://other:2"),
        ("http://${HOST}:${PORT:-80}", {"HOST": "h"}, "http://h:80"),
        ("${A:-http://host:1}", {"A": "${B}"}, "${B}"),
    ],
)
def test_variables_are_filled_in_once_and_v1_is_dropped(template, environ, url):
    assert expand(template, environ) == url


def test_a_variable_without_default_is_missed_when_unset_or_empty():
    assert missing_variables("http://${A}:${B:-1}/${C}", {"C": ""}) == ("A", "C")
    assert missing_variables("http://${A}", {"A": "h"}) == ()


@pytest.mark.parametrize(
    "template",
    [
        "http://$HOST",
        "http://${HOST",
        "http://${1A}",
        "${A:-${B}}",
        "http://h/${MY_TOKEN:-x}",
        "http://",
        "${A}\x1b[2J",
        "${A} b",
    ],
)
def test_a_template_that_cannot_work_is_refused(template):
    assert problem_with_template(template)


@pytest.mark.parametrize(
    "template", ["${A}", "http://${HOST}:1", "${A:-http://h:1}", "https://h.example.com/x"]
)
def test_a_template_that_can_work_is_taken(template):
    assert problem_with_template(template) is None


@pytest.mark.parametrize(
    "url",
    [
        "",
        "host:80",
        "ftp://host",
        "http://user@host",
        "http://user:pw@host",
        "http://host?x=1",
        "http://host#x",
        "http://a b",
        "http://host:0",
        "http://host:65536",
        "http://host:http",
        "http://[::zz]",
        "http://10.0.0.1%2f@evil.example",
        "http://evil.example\\@10.0.0.1/",
        "http://bücher.example",
        "http://host/\n",
        "http://host\n",
        "file:///etc/passwd",
    ],
)
def test_what_two_readers_could_read_differently_is_no_address(url):
    assert problem_with_url(url)
    assert not is_private(url)


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "LOCALHOST",
        "localhost.",
        "127.0.0.1",
        "127.8.9.10",
        "127.1",
        "2130706433",
        "10.1.2.3",
        "172.16.0.1",
        "172.31.255.255",
        "192.168.1.1",
        "169.254.1.1",
        "[::1]",
        "[fd00::1]",
        "[fe80::1]",
        "[::ffff:192.168.1.1]",
        "imageworks-vllm",
        "tf_iqa",
        "gpu.local",
        "gpu.home.arpa",
        "host.docker.internal",
        "x.localhost",
    ],
)
def test_these_hosts_are_private(host):
    assert is_private(f"http://{host}:8600/v1")


@pytest.mark.parametrize(
    "host",
    [
        "example.com",
        "api.example.com",
        "localhost.example.com",
        "local",
        "127.0.0.1.example.com",
        "8.8.8.8",
        "134744072",
        "0x08080808",
        "8.8.2056",
        "010.8.8.8",
        "172.32.0.1",
        "100.64.0.1",
        "[2001:4860:4860::8888]",
        "[::ffff:8.8.8.8]",
        "ai.",
        "notlocal.",
        "evil-local.com",
    ],
)
def test_these_hosts_are_not(host):
    # A bare `local` is an unqualified name; only what ends in `.local` is multicast DNS.
    assert is_private(f"https://{host}/") == (host == "local")


@given(st.ip_addresses(v=4))
def test_no_global_address_is_private_however_it_is_written(address):
    if address.is_global:
        for host in (str(address), str(int(address)), hex(int(address)), f"[::ffff:{address}]"):
            assert not is_private(f"http://{host}:1")


def deployment(**fields):
    return Deployment(**{"name": "a", "provider": "vllm", "served_model_id": "m", **fields})


def test_a_public_address_needs_consent_even_where_nobody_marked_it():
    assert deployment(base_url="${A:-http://h:1}").needs_consent({"A": "https://api.example.com"})
    assert not deployment(base_url="${A:-http://h:1}").needs_consent({})
    assert deployment(base_url="http://h:1", remote=True).needs_consent({})
    assert not deployment(provider="embedded").needs_consent({})


def test_an_address_that_lacks_its_variable_says_which():
    with pytest.raises(BadDeploymentUrl, match=r"deployment a of m .* GPU_HOST is not set"):
        deployment(base_url="http://${GPU_HOST}:1").url({})


def test_an_address_that_is_none_is_told_without_repeating_it():
    with pytest.raises(BadDeploymentUrl, match="not an address") as caught:
        deployment(base_url="${A:-http://h:1}").url({"A": "http://me:s3cret@h"})
    assert "s3cret" not in str(caught.value)


def test_an_embedded_deployment_has_no_address():
    with pytest.raises(BadDeploymentUrl, match="within ImageWorks"):
        deployment(provider="embedded").url({})
