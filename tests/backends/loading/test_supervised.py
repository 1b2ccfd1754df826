"""A model server behind our supervisor, as who switches models sees it."""

from __future__ import annotations

from contextlib import closing

import pytest
from supervised import served_by_double, within

from backends.errors import LoadingFailed
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


def test_what_nobody_has_a_lease_on_makes_room(tmp_path, caplog):
    models = {name: served_by_double() for name in ("by-hand", "wanted")}
    with within(tmp_path, models) as supervisor:
        supervisor.ready("by-hand", token=7)
        with closing(Supervised(ServerAddress("vllm", supervisor.url, "wanted"))) as loading:
            loading.load(8, going_on=lambda: True)
        assert (supervisor.active()["model"], supervisor.active()["state"]) == ("wanted", "ready")
    assert "has by-hand (ready), of which the ledger knows nothing: it makes room for wanted" in caplog.text


def test_a_model_that_could_not_be_loaded_is_in_nobodys_way(tmp_path):
    models = {"broken": served_by_double() | {"command": ["/no/such/program"]}, "wanted": served_by_double()}
    with within(tmp_path, models) as supervisor:
        with (
            closing(Supervised(ServerAddress("vllm", supervisor.url, "broken"))) as loading,
            pytest.raises(
                LoadingFailed, match=r"/no/such/program: No such file or directory\. See the command"
            ),
        ):
            loading.load(7, going_on=lambda: True)
        with closing(Supervised(ServerAddress("vllm", supervisor.url, "wanted"))) as loading:
            loading.load(8, going_on=lambda: True)
        assert supervisor.active()["state"] == "ready"
