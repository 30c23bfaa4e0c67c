"""Wrong and contradictory values are refused before anything is installed, with what to write instead."""

import pytest

from tests.charts.helm import refusal

DIGEST = f"sha256:{'0' * 64}"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (['image.repository=""'], "image.repository is empty: set it to where the serve image is"),
        (['image.tag="0.1.0"'], "image.digest and image.tag are both set: keep the digest and drop image.tag=0.1.0"),
        (['image.digest=""'], f"neither image.digest nor image.tag is set: set image.digest={DIGEST[:7]}"),
        (['release.claimName=""'], "release.claimName is empty: set it to the PersistentVolumeClaim"),
        (
            ['resources.requests.memory="5Gi"'],
            "resources.requests.memory 5Gi is more than resources.limits.memory 4Gi: raise the limit",
        ),
        (
            ['sharedMemory.sizeLimit="4096Mi"'],
            "sharedMemory.sizeLimit 4096Mi leaves nothing of resources.limits.memory 4Gi",
        ),
        (
            ["podDisruptionBudget.enabled=true"],
            "podDisruptionBudget.minAvailable 1 with replicaCount 1 would block every node drain: use more replicas",
        ),
        (
            ["rollout.maxUnavailable=0", "rollout.maxSurge=0"],
            "rollout.maxUnavailable and rollout.maxSurge are both 0, so that no rollout could begin: set one",
        ),
        (
            ["shutdown.delaySeconds=30"],
            "shutdown.gracePeriodSeconds 30 would kill requests in flight: "
            "with shutdown.delaySeconds 30 it must be at least 45",
        ),
        (
            ["serviceAccount.create=false"],
            "serviceAccount.create is false and serviceAccount.name is empty: name a service account that exists",
        ),
        (
            ["serviceAccount.create=false", 'serviceAccount.name="a"', 'serviceAccount.annotations={"a":"b"}'],
            "serviceAccount.annotations are set, but serviceAccount.create is false",
        ),
        (
            ["networkPolicy.enabled=false", 'networkPolicy.from=[{"podSelector":{}}]'],
            "networkPolicy.from is set, but networkPolicy.enabled is false, so that anyone could connect",
        ),
        (
            ["service.grpcPort=8000"],
            "service.httpPort 8000, service.grpcPort 8000 and service.metricsPort 8002 must differ",
        ),
    ],
)
def test_a_contradiction_is_refused_with_what_to_write_instead(settings: list[str], message: str) -> None:
    assert message in refusal(*settings)


@pytest.mark.parametrize(
    ("setting", "named"),
    [
        ("replicas=2", "replicas"),
        ("image.sha=1", "sha"),
        ('image.digest="sha256:abc"', "/image/digest"),
        ('image.repository="shop/facetry-serve@sha256:abc"', "/image/repository"),
        ('resources.limits.memory="4 GB"', "/resources/limits/memory"),
        ("gpu.count=-1", "/gpu/count"),
        ("service.httpPort=0", "/service/httpPort"),
        ('service.type="NodePort"', "/service/type"),
        ('release.subPath="../other"', "/release/subPath"),
        ("security.runAsUser=0", "/security/runAsUser"),
        ('podLabels={"app.kubernetes.io/name":"a"}', "app.kubernetes.io/name"),
        ('tolerations=[{"taint":"a"}]', "taint"),
    ],
)
def test_a_value_outside_the_schema_is_refused_by_its_name(setting: str, named: str) -> None:
    message = refusal(setting)
    assert "values don't meet the specifications of the schema" in message
    assert named in message
