"""Pods with ResourceClaims: which devices a claim gets, on which node, and writing it down.

``records`` and ``pools`` say what drivers offer, ``selectors`` and ``capacities`` whether a device is what a
request asks for, ``allocating`` searches (a pure function of all of these), ``results`` words what was found.
``known`` follows the cluster, ``claims`` is the rule that the scheduler asks, ``extended`` makes claims of
extended resources, ``binding`` writes. Nothing of it is imported before a pod with claims is met.

Source: KEP-4381; k8s.io/dynamic-resource-allocation/structured and
kubernetes/pkg/scheduler/framework/plugins/dynamicresources.
"""
