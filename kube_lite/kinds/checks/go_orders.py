"""Structs whose fields stand in memory in another order than that of their numbers, or are called otherwise.

What does not travel is left out. Source: ``types.go`` of each group in ``pkg/apis``, by names only.
"""

from collections.abc import Mapping

ORDERS: Mapping[str, str] = {
    "core.v1.VolumeSource": (
        "hostPath emptyDir gcePersistentDisk awsElasticBlockStore gitRepo secret nfs iscsi glusterfs "
        "persistentVolumeClaim rbd quobyte flexVolume cinder cephfs flocker downwardAPI fc azureFile "
        "configMap vsphereVolume azureDisk photonPersistentDisk projected portworxVolume scaleIO "
        "storageos csi ephemeral image"
    ),
    "core.v1.PersistentVolumeSource": (
        "gcePersistentDisk awsElasticBlockStore hostPath glusterfs nfs rbd quobyte iscsi flexVolume "
        "cinder cephfs fc flocker azureFile vsphereVolume azureDisk photonPersistentDisk "
        "portworxVolume scaleIO local storageos csi"
    ),
    "core.v1.PersistentVolumeClaimSpec": (
        "accessModes selector resources volumeName storageClassName volumeMode dataSource "
        "dataSourceRef volumeAttributesClassName"
    ),
    "core.v1.ClusterTrustBundleProjection": ("name signerName labelSelector optional path"),
    "core.v1.VolumeMount": ("name readOnly recursiveReadOnly mountPath subPath mountPropagation subPathExpr"),
    "core.v1.PodCondition": (
        "type observedGeneration status lastProbeTime lastTransitionTime reason message"
    ),
    "core.v1.ReplicationControllerSpec": ("replicas minReadySeconds selector template"),
    "core.v1.ReplicationControllerStatus": (
        "replicas fullyLabeledReplicas readyReplicas availableReplicas observedGeneration conditions"
    ),
    "core.v1.ServiceSpec": (
        "type ports selector clusterIP clusterIPs ipFamilies ipFamilyPolicy externalName externalIPs "
        "loadBalancerIP sessionAffinity sessionAffinityConfig loadBalancerSourceRanges "
        "externalTrafficPolicy healthCheckNodePort publishNotReadyAddresses "
        "allocateLoadBalancerNodePorts loadBalancerClass internalTrafficPolicy trafficDistribution"
    ),
    "core.v1.ServicePort": ("name protocol appProtocol port targetPort nodePort"),
    "core.v1.EndpointAddress": ("ip hostname nodeName targetRef"),
    "apps.v1.DeploymentStatus": (
        "observedGeneration replicas updatedReplicas readyReplicas availableReplicas "
        "unavailableReplicas terminatingReplicas conditions collisionCount"
    ),
    "apps.v1.DeploymentCondition": ("type status lastUpdateTime lastTransitionTime reason message"),
    "apps.v1.ReplicaSetSpec": ("replicas minReadySeconds selector template"),
    "apps.v1.ReplicaSetStatus": (
        "replicas fullyLabeledReplicas readyReplicas availableReplicas terminatingReplicas "
        "observedGeneration conditions"
    ),
    "batch.v1.JobStatus": (
        "conditions startTime completionTime active terminating ready succeeded failed "
        "completedIndexes failedIndexes uncountedTerminatedPods"
    ),
    "batch.v1.CronJobSpec": (
        "schedule timeZone startingDeadlineSeconds concurrencyPolicy suspend jobTemplate "
        "successfulJobsHistoryLimit failedJobsHistoryLimit"
    ),
    "networking.v1.HTTPIngressPath": ("path pathType backend"),
    "networking.v1.IngressBackend": ("service resource"),
    "storage.v1.CSIDriverSpec": (
        "attachRequired fsGroupPolicy podInfoOnMount volumeLifecycleModes storageCapacity "
        "tokenRequests requiresRepublish seLinuxMount nodeAllocatableUpdatePeriodSeconds "
        "serviceAccountTokenInSecrets preventPodSchedulingIfMissing"
    ),
    "autoscaling.v2.HPAScalingRules": ("stabilizationWindowSeconds selectPolicy policies tolerance"),
    "autoscaling.v2.MetricSpec": ("type object pods resource containerResource external"),
    "autoscaling.v2.ContainerResourceMetricSource": ("name container target"),
    "autoscaling.v2.MetricStatus": ("type object pods resource containerResource external"),
    "autoscaling.v2.ContainerResourceMetricStatus": ("name container current"),
    "resource.v1.AllocatedDeviceStatus": ("driver pool device shareID conditions data networkData"),
    "admissionregistration.v1.ValidatingAdmissionPolicySpec": (
        "paramKind matchConstraints validations matchConditions failurePolicy auditAnnotations variables"
    ),
    "admissionregistration.v1.ValidatingWebhook": (
        "name clientConfig rules failurePolicy matchPolicy namespaceSelector objectSelector "
        "sideEffects timeoutSeconds admissionReviewVersions matchConditions"
    ),
    "admissionregistration.v1.MutatingWebhook": (
        "name clientConfig rules failurePolicy matchPolicy namespaceSelector objectSelector "
        "sideEffects timeoutSeconds admissionReviewVersions reinvocationPolicy matchConditions"
    ),
    "certificates.v1.CertificateSigningRequestSpec": (
        "request signerName expirationSeconds usages username uid groups extra"
    ),
    "certificates.v1.CertificateSigningRequestCondition": (
        "type status reason message lastUpdateTime lastTransitionTime"
    ),
}
"""Message → the JSON names of its fields, in Go's order."""

_RBD = {"monitors": "CephMonitors", "image": "RBDImage", "pool": "RBDPool", "user": "RadosUser"}
_ISCSI = {"chapAuthDiscovery": "DiscoveryCHAPAuth", "chapAuthSession": "SessionCHAPAuth"}
NAMES: Mapping[str, Mapping[str, str]] = {
    "core.v1.RBDVolumeSource": _RBD,
    "core.v1.RBDPersistentVolumeSource": _RBD,
    "core.v1.ISCSIVolumeSource": _ISCSI,
    "core.v1.ISCSIPersistentVolumeSource": _ISCSI,
    "core.v1.GlusterfsVolumeSource": {"endpoints": "EndpointsName"},
    "core.v1.GlusterfsPersistentVolumeSource": {"endpoints": "EndpointsName"},
    "core.v1.GCEPersistentDiskVolumeSource": {"pdName": "PDName"},
    "core.v1.FCVolumeSource": {"wwids": "WWIDs"},
    "core.v1.AzureDiskVolumeSource": {"diskURI": "DataDiskURI"},
    "core.v1.ContainerStatus": {"lastState": "LastTerminationState"},
    "resource.v1.DeviceAttribute": {
        "bool": "BoolValue", "int": "IntValue", "string": "StringValue", "version": "VersionValue",
    },
}  # fmt: skip
"""Message → JSON name → Go's name, where it is not the same word."""
