"""Where the objects that controllers deal with are found in the API."""

from kube_lite.api.identity import GroupVersionKind, GroupVersionResource

CONFIG_MAPS = GroupVersionResource("", "v1", "configmaps")
DEPLOYMENTS = GroupVersionResource("apps", "v1", "deployments")
ENDPOINTS = GroupVersionResource("", "v1", "endpoints")
ENDPOINT_SLICES = GroupVersionResource("discovery.k8s.io", "v1", "endpointslices")
EVENTS = GroupVersionResource("", "v1", "events")
NAMESPACES = GroupVersionResource("", "v1", "namespaces")
NODES = GroupVersionResource("", "v1", "nodes")
PODS = GroupVersionResource("", "v1", "pods")
REPLICA_SETS = GroupVersionResource("apps", "v1", "replicasets")
REPLICATION_CONTROLLERS = GroupVersionResource("", "v1", "replicationcontrollers")
SERVICE_ACCOUNTS = GroupVersionResource("", "v1", "serviceaccounts")
SERVICES = GroupVersionResource("", "v1", "services")

DEPLOYMENT = GroupVersionKind("apps", "v1", "Deployment")
ENDPOINTS_KIND = GroupVersionKind("", "v1", "Endpoints")
REPLICA_SET = GroupVersionKind("apps", "v1", "ReplicaSet")
REPLICATION_CONTROLLER = GroupVersionKind("", "v1", "ReplicationController")
SERVICE = GroupVersionKind("", "v1", "Service")
