"""What layers ask for at least."""

from typing import Any

import pytest

from components.platform.layer import resources
from components.platform.resource_requests import ResourceRequests, total_requests

ONE = {"resources": resources("100m", "256Mi")}


@pytest.mark.parametrize(
    ("values", "cpu", "memory"),
    [
        ({}, 0, 0),
        (ONE, 100, 256),
        ({"a": ONE, "b": {"c": ONE}}, 200, 512),
        ({"replicaCount": 3} | ONE, 300, 768),
        ({"replicas": 3, "webhook": ONE}, 100, 256),
        ({"resources": {"requests": {"cpu": 1.5, "memory": "1Gi"}}}, 1500, 1024),
        ({"resources": {"requests": {"cpu": "2"}}}, 2000, 0),
        ({"resources": {"mon": {"requests": {"cpu": "1", "memory": "1Gi"}}, "osd": ONE["resources"]}}, 1100, 1280),
        ({"resources": {"limits": {"memory": "1Gi"}}}, 0, 0),
        ({"a": {"resources": {"requests": {"storage": "20Gi"}}}}, 0, 0),
    ],
)
def test_requests_are_added_up(values: Any, cpu: int, memory: int) -> None:
    assert total_requests(values) == ResourceRequests(cpu, memory)
