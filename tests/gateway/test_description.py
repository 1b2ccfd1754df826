"""The gateway is what its description says, whatever it is sent: no answer outside it, and no failure of ours."""

from __future__ import annotations

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from iqa_double import METRICS, IqaDouble
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from served_gateway import Gateway, registry_of
from soak import amount
from vllm_double import VllmDouble

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    home = tmp_path_factory.mktemp("described") / "home"
    with (
        VllmDouble() as double,
        IqaDouble() as worker,
        Gateway(home, registry_of(double.url) + meter_at(worker.url)) as gateway,
    ):
        yield gateway


def meter_at(url):
    """One more model of the registry, which the role `iqa` is."""
    return f"""
  nima-mobilenet:
    roles: [iqa]
    capabilities: {{iqa: {{metrics: [{", ".join(METRICS)}]}}}}
    deployments:
      - {{name: only, provider: tf_iqa, base_url: "{url}", served_model_id: meter}}
"""


def tried(served, count):
    """Try cases that the description allows, and such as it does not, at the served gateway."""
    said = httpx.get(f"{served.url}/openapi.json").json()
    described = schemathesis.openapi.from_dict(said)
    operations = [found.ok() for found in described.get_all_operations()]
    assert len(operations) > 20

    @settings(
        max_examples=count,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(data=st.data())
    def one(data):
        operation = data.draw(st.sampled_from(operations))
        mode = data.draw(st.sampled_from([GenerationMode.POSITIVE, GenerationMode.NEGATIVE]))
        case = data.draw(operation.as_strategy(generation_mode=mode))
        response = case.call(base_url=served.url, timeout=30)
        case.validate_response(response, checks=CHECKS)

    one()


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_whatever_the_description_allows_is_answered_as_it_says(served):
    tried(served, amount(5000, 300))
