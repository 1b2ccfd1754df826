"""What the ledger keeps of a model comes back as it was."""

from __future__ import annotations

from dataclasses import replace

from lease_desk import on_two_cards, served

from backends.leases.records import Served


def test_a_model_comes_back_with_the_servers_that_have_one_model_at_a_time():
    model = on_two_cards("d1", "d2", tags=frozenset({"pair"}))
    model = replace(model, model=replace(model.model, servers={"d2": model.servers["d2"].url}))
    for one in (model, served()):
        assert Served.from_json(one.as_json()) == one
