"""Event of ``events.k8s.io/v1beta1``, which has the fields of ``v1``; both are stored as the core group's."""

from ..conversions import core_event, newer_event

__all__ = ["core_event", "newer_event"]
