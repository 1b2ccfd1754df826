from __future__ import annotations

import pytest
from client_desk import model_at

from backends.leases.seam import GrantedAtOnce

pytestmark = pytest.mark.anyio


async def test_in_mode_off_the_deployment_with_the_fewest_requests_is_granted_at_once():
    model = model_at("http://127.0.0.1:9")
    first = model.deployments[0]
    second = first.model_copy(update={"name": "second"})
    leasing = GrantedAtOnce()

    def lease():
        return leasing.lease(model, [first, second], priority="batch")

    async with lease() as one, lease() as two:
        assert [one.deployment.name, two.deployment.name] == ["only", "second"]
        assert one.wait_ms == 0.0
    async with lease() as again:
        assert again.deployment.name == "only"
