"""Webhook configurations before ``v1``: more was left to chance.

Source: pkg/apis/admissionregistration/v1beta1/defaults.go.
"""

from kube_lite.api.identity import Json

SECONDS = 30


def default_webhooks(configuration: Json) -> None:
    """A webhook that does not answer in half a minute lets pass; nobody knows what else it does."""
    for webhook in configuration.get("webhooks") or ():
        webhook.setdefault("failurePolicy", "Ignore")
        webhook.setdefault("matchPolicy", "Exact")
        webhook.setdefault("timeoutSeconds", SECONDS)
        webhook.setdefault("sideEffects", "Unknown")
        webhook["admissionReviewVersions"] = webhook.get("admissionReviewVersions") or ["v1beta1"]
