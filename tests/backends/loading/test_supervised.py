"""A model server behind our supervisor, as who switches models sees it."""

from __future__ import annotations

from contextlib import closing

from supervised import served_by_double, within

from backends.leases.records import ServerAddress
from backends.loading.supervised import Supervised


def test_a_supervisor_says_on_which_device_its_model_is(tmp_path):
    card = {"name": "gpu1", "kind": "whole", "memory_mib": 24_000}
    with within(tmp_path, {"tiny": served_by_double()}, device=card) as supervisor:
        supervisor.ready(token=7)
        with closing(Supervised(ServerAddress("vllm", supervisor.url, "tiny"))) as loading:
            inventory = loading.inventory()
        (found,) = inventory.found
        assert (found.served_model_id, found.token, inventory.device) == ("tiny", 7, "gpu1")
