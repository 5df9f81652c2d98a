"""Access reviews before ``v1``, which called the groups of a user ``group``."""

from kube_lite.api.identity import Json

from .parts import changed, renamed


def newer_review(review: Json) -> Json:
    """``v1beta1`` → ``v1``."""
    return _renamed(review, {"group": "groups"})


def older_review(review: Json) -> Json:
    """``v1`` → ``v1beta1``."""
    return _renamed(review, {"groups": "group"})


def _renamed(review: Json, names: dict[str, str]) -> Json:
    spec = review.get("spec")
    return changed(review, spec=renamed(spec, names)) if spec else review
