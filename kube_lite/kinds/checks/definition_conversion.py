"""Rules for the conversion of custom resources between their versions.

Source: ``validateCustomResourceConversion`` in
``apiextensions-apiserver/pkg/apis/apiextensions/validation/validation.go``.
"""

from collections.abc import Iterator

from kube_lite.api.errors import Cause
from kube_lite.api.fielderrors import forbidden, invalid, not_supported, required
from kube_lite.api.identity import Json
from kube_lite.api.names import check_label_1035

from .webhook_clients import check_bundle, check_client

REVIEW_VERSIONS = ("v1", "v1beta1")


def check_conversion(
    conversion: Json, *, preserves: bool, any_version: bool, any_bundle: bool
) -> Iterator[Cause]:
    """How objects get from one version to another.

    Args:
        preserves: the definition keeps unknown fields.
        any_version: versions of reviews need not be known to this server.
        any_bundle: certificates need not be any.
    """
    path, strategy = "spec.conversion", conversion.get("strategy") or ""
    webhook = conversion.get("webhook") or {}
    if conversion and strategy != "None" and preserves:
        why = "must be None if spec.preserveUnknownFields is true"
        yield invalid(f"{path}.strategy", strategy, why)
    if not conversion:
        return
    if not strategy:
        yield required(f"{path}.strategy")
    elif strategy not in ("None", "Webhook"):
        yield not_supported(f"{path}.strategy", strategy, ("None", "Webhook"))
    versions, client = webhook.get("conversionReviewVersions"), webhook.get("clientConfig")
    if strategy == "Webhook":
        yield from _check_client(client, f"{path}.webhookClientConfig", any_bundle=any_bundle)
        here = f"{path}.conversionReviewVersions"
        yield from _check_reviews(versions or [], here, any_version=any_version)
        return
    for name, given in (("webhookClientConfig", client is not None), ("conversionReviewVersions", versions)):
        if given:
            yield forbidden(f"{path}.{name}", "should not be set when strategy is not set to Webhook")


def _check_client(client: Json | None, path: str, *, any_bundle: bool) -> Iterator[Cause]:
    if client is None:
        yield required(path, "required when strategy is set to Webhook")
        return
    yield from check_client(path, client)
    if client.get("caBundle") and not any_bundle:
        yield from check_bundle(f"{path}.caBundle", client["caBundle"])


def _check_reviews(versions: list[str], path: str, *, any_version: bool) -> Iterator[Cause]:
    if not versions:
        yield required(path)
        return
    for position, version in enumerate(versions):
        here = f"{path}[{position}]"
        if version in versions[:position]:
            yield invalid(here, version, "duplicate version")
            continue
        for why in check_label_1035(version):
            yield invalid(here, version, why)
    if not any_version and set(versions).isdisjoint(REVIEW_VERSIONS):
        yield invalid(path, versions, f"must include at least one of {', '.join(REVIEW_VERSIONS)}")
