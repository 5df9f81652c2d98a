"""What the OpenAPI definitions do not tell about Go's structs, and the bytes of the reference depend on.

An optional scalar that is a pointer in Go keeps an explicit zero (``replicas: 0``); one that is not loses it
(``hostNetwork: false``). A field without ``omitempty``, or a struct that is no pointer, is written even when
nobody set it (``resources: {}``). The table below names both, for 1.36:

    core.v1.Container: ?restartPolicy name" resources{

says that ``restartPolicy`` is a pointer, and that ``name`` and ``resources`` are always written, with an
empty text and an empty struct. The other marks are ``!`` false, ``0``, ``#`` the quantity zero and ``-``
null. Source: the field tags in ``k8s.io/api``, ``apimachinery``, ``apiextensions-apiserver``,
``kube-aggregator``.
"""

from functools import cache
from typing import NamedTuple

PREFIX = "io.k8s.api."


class Shape(NamedTuple):
    """Facts about one struct."""

    pointers: frozenset[str]
    """Optional scalars whose zero is kept."""
    always: tuple[tuple[str, str], ...]
    """Fields that are always written, each with the mark of its zero."""


NO_SHAPE = Shape(frozenset(), ())


def shape_of(definition: str) -> Shape:
    """What is known of a definition; nothing for those that the table does not have."""
    return _shapes().get(definition.removeprefix(PREFIX), NO_SHAPE)


def learn(definition: str, shape: Shape) -> None:
    """Know the shape of a definition that the table does not have, because it is made of another."""
    _shapes()[definition.removeprefix(PREFIX)] = shape


@cache
def _shapes() -> dict[str, Shape]:
    shapes: dict[str, Shape] = {}
    for line in TABLE.replace("\n  ", " ").splitlines():
        names, _, words = line.partition(": ")
        fields = words.split()
        shape = Shape(
            frozenset(word[1:] for word in fields if word[0] == "?"),
            tuple((word[:-1], word[-1]) for word in fields if word[0] != "?"),
        )
        shapes.update(dict.fromkeys(names.split(), shape))
    return shapes


TABLE = """\
admissionregistration.v1.AuditAnnotation: key" valueExpression"
admissionregistration.v1.ExpressionWarning: fieldRef" warning"
admissionregistration.v1.MatchCondition admissionregistration.v1.Variable
  admissionregistration.v1alpha1.Variable admissionregistration.v1beta1.MatchCondition
  admissionregistration.v1beta1.Variable: name" expression"
admissionregistration.v1.MatchResources admissionregistration.v1alpha1.MatchResources
  admissionregistration.v1beta1.MatchResources: ?matchPolicy
admissionregistration.v1.MutatingAdmissionPolicy admissionregistration.v1.MutatingAdmissionPolicyBinding
  admissionregistration.v1.ValidatingAdmissionPolicyBinding
  admissionregistration.v1alpha1.MutatingAdmissionPolicy
  admissionregistration.v1alpha1.MutatingAdmissionPolicyBinding
  admissionregistration.v1beta1.MutatingAdmissionPolicy
  admissionregistration.v1beta1.MutatingAdmissionPolicyBinding batch.v1.JobTemplateSpec
  certificates.v1alpha1.ClusterTrustBundle certificates.v1beta1.ClusterTrustBundle coordination.v1.Lease
  coordination.v1alpha2.LeaseCandidate coordination.v1beta1.LeaseCandidate core.v1.LimitRange
  core.v1.PersistentVolumeClaimTemplate core.v1.PodTemplateSpec networking.v1.IPAddress
  networking.v1.IngressClass networking.v1.NetworkPolicy networking.v1beta1.IPAddress
  resource.v1.DeviceClass resource.v1.ResourceClaimTemplate resource.v1.ResourceClaimTemplateSpec
  resource.v1.ResourceSlice resource.v1alpha3.ResourcePoolStatusRequest resource.v1beta1.DeviceClass
  resource.v1beta1.ResourceClaimTemplate resource.v1beta1.ResourceClaimTemplateSpec
  resource.v1beta1.ResourceSlice resource.v1beta2.DeviceClass resource.v1beta2.ResourceClaimTemplate
  resource.v1beta2.ResourceClaimTemplateSpec resource.v1beta2.ResourceSlice scheduling.v1alpha2.Workload
  storage.v1.CSIDriver storage.v1.CSINode: metadata{ spec{
admissionregistration.v1.MutatingAdmissionPolicySpec
  admissionregistration.v1.ValidatingAdmissionPolicySpec
  admissionregistration.v1alpha1.MutatingAdmissionPolicySpec
  admissionregistration.v1beta1.MutatingAdmissionPolicySpec: ?failurePolicy
admissionregistration.v1.MutatingWebhook: ?failurePolicy ?matchPolicy ?reinvocationPolicy ?sideEffects
  ?timeoutSeconds name" clientConfig{ sideEffects- admissionReviewVersions-
admissionregistration.v1.MutatingWebhookConfiguration
  admissionregistration.v1.ValidatingWebhookConfiguration core.v1.ComponentStatus core.v1.Endpoints
  policy.v1.Eviction: metadata{
admissionregistration.v1.Mutation admissionregistration.v1alpha1.Mutation
  admissionregistration.v1beta1.Mutation: patchType"
admissionregistration.v1.NamedRuleWithOperations admissionregistration.v1.RuleWithOperations: ?scope
admissionregistration.v1.ParamRef admissionregistration.v1alpha1.ParamRef
  admissionregistration.v1beta1.ParamRef: ?parameterNotFoundAction
admissionregistration.v1.ServiceReference
  io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.ServiceReference: ?path ?port namespace" name"
admissionregistration.v1.ValidatingAdmissionPolicy apps.v1.DaemonSet apps.v1.Deployment
  apps.v1.ReplicaSet apps.v1.StatefulSet authentication.v1.TokenRequest authentication.v1.TokenReview
  authorization.v1.LocalSubjectAccessReview authorization.v1.SelfSubjectAccessReview
  authorization.v1.SelfSubjectRulesReview authorization.v1.SubjectAccessReview
  autoscaling.v1.HorizontalPodAutoscaler autoscaling.v1.Scale autoscaling.v2.HorizontalPodAutoscaler
  batch.v1.CronJob batch.v1.Job certificates.v1.CertificateSigningRequest
  certificates.v1beta1.PodCertificateRequest core.v1.Namespace core.v1.Node core.v1.PersistentVolume
  core.v1.PersistentVolumeClaim core.v1.Pod core.v1.ReplicationController core.v1.ResourceQuota
  core.v1.Service flowcontrol.v1.FlowSchema flowcontrol.v1.PriorityLevelConfiguration
  networking.v1.Ingress networking.v1.ServiceCIDR networking.v1beta1.ServiceCIDR
  policy.v1.PodDisruptionBudget resource.v1.ResourceClaim resource.v1alpha3.DeviceTaintRule
  resource.v1beta1.ResourceClaim resource.v1beta2.DeviceTaintRule resource.v1beta2.ResourceClaim
  scheduling.v1alpha2.PodGroup storage.v1.VolumeAttachment
  storagemigration.v1beta1.StorageVersionMigration
  io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.CustomResourceDefinition
  io.k8s.kube-aggregator.pkg.apis.apiregistration.v1.APIService: metadata{ spec{ status{
admissionregistration.v1.ValidatingWebhook: ?failurePolicy ?matchPolicy ?sideEffects ?timeoutSeconds
  name" clientConfig{ sideEffects- admissionReviewVersions-
admissionregistration.v1.Validation: ?reason expression"
admissionregistration.v1.WebhookClientConfig
  io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.WebhookClientConfig: ?url
apiserverinternal.v1alpha1.StorageVersion authentication.v1.SelfSubjectReview: metadata{ status{
apiserverinternal.v1alpha1.StorageVersionCondition: type" status" lastTransitionTime- reason"
apiserverinternal.v1alpha1.StorageVersionStatus: ?commonEncodingVersion
apps.v1.ControllerRevision: metadata{ data- revision0
apps.v1.DaemonSetCondition apps.v1.ReplicaSetCondition apps.v1.StatefulSetCondition
  autoscaling.v2.HorizontalPodAutoscalerCondition core.v1.NamespaceCondition
  core.v1.ReplicationControllerCondition
  io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.CustomResourceDefinitionCondition
  io.k8s.kube-aggregator.pkg.apis.apiregistration.v1.APIServiceCondition: type" status"
  lastTransitionTime-
apps.v1.DaemonSetSpec: ?revisionHistoryLimit selector- template{ updateStrategy{
apps.v1.DaemonSetStatus: ?collisionCount currentNumberScheduled0 numberMisscheduled0
  desiredNumberScheduled0 numberReady0
apps.v1.DeploymentCondition certificates.v1.CertificateSigningRequestCondition: type" status"
  lastUpdateTime- lastTransitionTime-
apps.v1.DeploymentSpec: ?progressDeadlineSeconds ?replicas ?revisionHistoryLimit selector- template{
  strategy{
apps.v1.DeploymentStatus: ?collisionCount ?terminatingReplicas
apps.v1.ReplicaSetSpec: ?replicas selector- template{
apps.v1.ReplicaSetStatus: ?terminatingReplicas replicas0
apps.v1.RollingUpdateDaemonSet apps.v1.RollingUpdateDeployment: ?maxSurge ?maxUnavailable
apps.v1.RollingUpdateStatefulSetStrategy: ?maxUnavailable ?partition
apps.v1.StatefulSetOrdinals: start0
apps.v1.StatefulSetSpec: ?replicas ?revisionHistoryLimit selector- template{ serviceName" updateStrategy{
apps.v1.StatefulSetStatus: ?collisionCount replicas0 availableReplicas0
authentication.v1.SelfSubjectReviewStatus: userInfo{
authentication.v1.TokenRequestSpec: ?expirationSeconds audiences- expirationSeconds- boundObjectRef-
authentication.v1.TokenRequestStatus: token" expirationTimestamp-
authentication.v1.TokenReviewStatus: user{
authorization.v1.NonResourceRule authorization.v1.ResourceRule rbac.v1.PolicyRule: verbs-
authorization.v1.SubjectAccessReviewStatus: allowed!
authorization.v1.SubjectRulesReviewStatus: resourceRules- nonResourceRules- incomplete!
autoscaling.v1.CrossVersionObjectReference autoscaling.v2.CrossVersionObjectReference rbac.v1.Subject
  scheduling.v1alpha2.TypedLocalObjectReference: kind" name"
autoscaling.v1.HorizontalPodAutoscalerSpec: ?minReplicas ?targetCPUUtilizationPercentage scaleTargetRef{
  maxReplicas0
autoscaling.v1.HorizontalPodAutoscalerStatus: ?currentCPUUtilizationPercentage ?observedGeneration
  currentReplicas0 desiredReplicas0
autoscaling.v1.ScaleStatus core.v1.ReplicationControllerStatus: replicas0
autoscaling.v2.ContainerResourceMetricSource: name" target{ container"
autoscaling.v2.ContainerResourceMetricStatus: name" current{ container"
autoscaling.v2.ExternalMetricSource autoscaling.v2.PodsMetricSource: metric{ target{
autoscaling.v2.ExternalMetricStatus autoscaling.v2.PodsMetricStatus: metric{ current{
autoscaling.v2.HPAScalingPolicy: type" value0 periodSeconds0
autoscaling.v2.HPAScalingRules: ?selectPolicy ?stabilizationWindowSeconds
autoscaling.v2.HorizontalPodAutoscalerSpec: ?minReplicas scaleTargetRef{ maxReplicas0
autoscaling.v2.HorizontalPodAutoscalerStatus: ?observedGeneration desiredReplicas0 currentMetrics-
autoscaling.v2.MetricIdentifier core.v1.EnvVar core.v1.NodeRuntimeHandler core.v1.PodOS
  core.v1.PodSchedulingGate core.v1.ResourceClaim core.v1.ResourceStatus core.v1.Volume
  discovery.v1.ForNode discovery.v1.ForZone flowcontrol.v1.GroupSubject
  flowcontrol.v1.PriorityLevelConfigurationReference flowcontrol.v1.UserSubject resource.v1.CounterSet
  resource.v1.DeviceRequest resource.v1beta1.CounterSet resource.v1beta1.Device
  resource.v1beta2.CounterSet resource.v1beta2.DeviceRequest: name"
autoscaling.v2.MetricSpec autoscaling.v2.MetricStatus core.v1.LimitRangeItem
  flowcontrol.v1.FlowDistinguisherMethod flowcontrol.v1.LimitResponse
  flowcontrol.v1.PriorityLevelConfigurationSpec: type"
autoscaling.v2.MetricTarget: ?averageUtilization type"
autoscaling.v2.MetricValueStatus: ?averageUtilization
autoscaling.v2.ObjectMetricSource: describedObject{ target{ metric{
autoscaling.v2.ObjectMetricStatus: metric{ current{ describedObject{
autoscaling.v2.ResourceMetricSource: name" target{
autoscaling.v2.ResourceMetricStatus: name" current{
batch.v1.CronJobSpec: ?failedJobsHistoryLimit ?startingDeadlineSeconds ?successfulJobsHistoryLimit
  ?suspend ?timeZone schedule" jobTemplate{
batch.v1.JobCondition core.v1.PersistentVolumeClaimCondition core.v1.PodCondition: type" status"
  lastProbeTime- lastTransitionTime-
batch.v1.JobSpec: ?activeDeadlineSeconds ?backoffLimit ?backoffLimitPerIndex ?completionMode ?completions
  ?managedBy ?manualSelector ?maxFailedIndexes ?parallelism ?podReplacementPolicy ?suspend
  ?ttlSecondsAfterFinished template{
batch.v1.JobStatus: ?failedIndexes ?ready ?terminating
batch.v1.PodFailurePolicy batch.v1.SuccessPolicy: rules-
batch.v1.PodFailurePolicyOnExitCodesRequirement: ?containerName operator" values-
batch.v1.PodFailurePolicyOnPodConditionsPattern core.v1.ComponentCondition: type" status"
batch.v1.PodFailurePolicyRule: action"
batch.v1.SuccessPolicyRule: ?succeededCount ?succeededIndexes
certificates.v1.CertificateSigningRequestSpec: ?expirationSeconds request- signerName"
certificates.v1alpha1.ClusterTrustBundleSpec certificates.v1beta1.ClusterTrustBundleSpec: trustBundle"
certificates.v1beta1.PodCertificateRequestSpec: ?maxExpirationSeconds signerName" podName" podUID"
  serviceAccountName" serviceAccountUID" nodeName" nodeUID" pkixPublicKey- proofOfPossession-
  stubPKCS10Request-
coordination.v1.LeaseSpec: ?holderIdentity ?leaseDurationSeconds ?leaseTransitions ?preferredHolder
  ?strategy
coordination.v1alpha2.LeaseCandidateSpec coordination.v1beta1.LeaseCandidateSpec: leaseName"
  binaryVersion"
core.v1.AWSElasticBlockStoreVolumeSource core.v1.CinderPersistentVolumeSource core.v1.CinderVolumeSource
  core.v1.PortworxVolumeSource: volumeID"
core.v1.AppArmorProfile core.v1.SeccompProfile: ?localhostProfile type"
core.v1.AttachedVolume core.v1.VolumeDevice: name" devicePath"
core.v1.AzureDiskVolumeSource: ?cachingMode ?fsType ?kind ?readOnly diskName" diskURI"
core.v1.AzureFilePersistentVolumeSource: ?secretNamespace secretName" shareName" secretNamespace-
core.v1.AzureFileVolumeSource: secretName" shareName"
core.v1.Binding: metadata{ target{
core.v1.CSIPersistentVolumeSource: driver" volumeHandle"
core.v1.CSIVolumeSource: ?fsType ?readOnly driver"
core.v1.CephFSPersistentVolumeSource core.v1.CephFSVolumeSource: monitors-
core.v1.ClientIPConfig: ?timeoutSeconds
core.v1.ClusterTrustBundleProjection: ?name ?optional ?signerName path"
core.v1.ConfigMap core.v1.Secret: ?immutable metadata{
core.v1.ConfigMapEnvSource core.v1.ConfigMapProjection core.v1.SecretEnvSource core.v1.SecretProjection:
  ?optional
core.v1.ConfigMapKeySelector core.v1.SecretKeySelector: ?optional key"
core.v1.ConfigMapNodeConfigSource: namespace" name" kubeletConfigKey"
core.v1.ConfigMapVolumeSource core.v1.SecretVolumeSource: ?defaultMode ?optional
core.v1.Container core.v1.EphemeralContainer: ?restartPolicy name" resources{
core.v1.ContainerExtendedResourceRequest: containerName" resourceName" requestName"
core.v1.ContainerImage: names-
core.v1.ContainerPort: containerPort0
core.v1.ContainerResizePolicy: resourceName" restartPolicy"
core.v1.ContainerStateRunning: startedAt-
core.v1.ContainerStateTerminated: exitCode0 startedAt- finishedAt-
core.v1.ContainerStatus: ?started ?stopSignal name" state{ lastState{ ready! restartCount0 image"
  imageID"
core.v1.DaemonEndpoint: Port0
core.v1.DownwardAPIVolumeFile: ?mode path"
core.v1.DownwardAPIVolumeSource: ?defaultMode
core.v1.EndpointAddress: ?nodeName ip"
core.v1.EndpointPort: ?appProtocol port0
core.v1.Event: metadata{ involvedObject{ source{ firstTimestamp- lastTimestamp- eventTime-
  reportingComponent" reportingInstance"
core.v1.EventSeries: lastObservedTime-
core.v1.FCVolumeSource: ?lun
core.v1.FileKeySelector: ?optional volumeName" path" key"
core.v1.FlexPersistentVolumeSource core.v1.FlexVolumeSource: driver"
core.v1.GCEPersistentDiskVolumeSource: pdName"
core.v1.GRPCAction: ?service port0 service-
core.v1.GitRepoVolumeSource: repository"
core.v1.GlusterfsPersistentVolumeSource: ?endpointsNamespace endpoints" path"
core.v1.GlusterfsVolumeSource: endpoints" path"
core.v1.HTTPGetAction core.v1.TCPSocketAction: port0
core.v1.HTTPHeader core.v1.Sysctl: name" value"
core.v1.HostAlias core.v1.HostIP core.v1.PodIP: ip"
core.v1.HostPathVolumeSource: ?type path"
core.v1.ISCSIPersistentVolumeSource core.v1.ISCSIVolumeSource: ?initiatorName targetPortal" iqn" lun0
core.v1.KeyToPath: ?mode key" path"
core.v1.Lifecycle: ?stopSignal
core.v1.LimitRangeSpec: limits-
core.v1.LinuxContainerUser: uid0 gid0
core.v1.LoadBalancerIngress: ?ipMode
core.v1.LocalVolumeSource: ?fsType path"
core.v1.ModifyVolumeStatus: status"
core.v1.NFSVolumeSource: server" path"
core.v1.NodeAddress: type" address"
core.v1.NodeAllocatableResourceClaimStatus: resourceClaimName" resources-
core.v1.NodeCondition: type" status" lastHeartbeatTime- lastTransitionTime-
core.v1.NodeDaemonEndpoints: kubeletEndpoint{
core.v1.NodeFeatures: ?supplementalGroupsPolicy
core.v1.NodeRuntimeHandlerFeatures: ?recursiveReadOnlyMounts ?userNamespaces
core.v1.NodeSelector: nodeSelectorTerms-
core.v1.NodeSelectorRequirement io.k8s.apimachinery.pkg.apis.meta.v1.FieldSelectorRequirement
  io.k8s.apimachinery.pkg.apis.meta.v1.LabelSelectorRequirement: key" operator"
core.v1.NodeStatus: daemonEndpoints{ nodeInfo{
core.v1.NodeSwapStatus: ?capacity
core.v1.NodeSystemInfo: machineID" systemUUID" bootID" kernelVersion" osImage" containerRuntimeVersion"
  kubeletVersion" kubeProxyVersion" operatingSystem" architecture"
core.v1.ObjectFieldSelector: fieldPath"
core.v1.PersistentVolumeClaimSpec: ?storageClassName ?volumeAttributesClassName ?volumeMode resources{
core.v1.PersistentVolumeClaimStatus: ?currentVolumeAttributesClassName
core.v1.PersistentVolumeClaimVolumeSource: claimName"
core.v1.PersistentVolumeSpec: ?volumeAttributesClassName ?volumeMode
core.v1.PhotonPersistentDiskVolumeSource: pdID"
core.v1.PodAffinityTerm: topologyKey"
core.v1.PodCertificateProjection: ?maxExpirationSeconds
core.v1.PodDNSConfigOption: ?value
core.v1.PodExtendedResourceClaimStatus: requestMappings- resourceClaimName"
core.v1.PodReadinessGate: conditionType"
core.v1.PodResourceClaim scheduling.v1alpha2.PodGroupResourceClaim: ?resourceClaimName
  ?resourceClaimTemplateName name"
core.v1.PodResourceClaimStatus scheduling.v1alpha2.PodGroupResourceClaimStatus: ?resourceClaimName name"
core.v1.PodSchedulingGroup: ?podGroupName
core.v1.PodSecurityContext: ?fsGroup ?fsGroupChangePolicy ?runAsGroup ?runAsNonRoot ?runAsUser
  ?seLinuxChangePolicy ?supplementalGroupsPolicy
core.v1.PodSpec: ?activeDeadlineSeconds ?automountServiceAccountToken ?enableServiceLinks ?hostUsers
  ?hostnameOverride ?preemptionPolicy ?priority ?runtimeClassName ?setHostnameAsFQDN
  ?shareProcessNamespace ?terminationGracePeriodSeconds containers-
core.v1.PodTemplate: metadata{ template{
core.v1.PortStatus networking.v1.IngressPortStatus: ?error port0 protocol"
core.v1.PreferredSchedulingTerm: weight0 preference{
core.v1.Probe: ?terminationGracePeriodSeconds
core.v1.ProjectedVolumeSource: ?defaultMode sources-
core.v1.QuobyteVolumeSource: registry" volume"
core.v1.RBDPersistentVolumeSource core.v1.RBDVolumeSource: monitors- image"
core.v1.ReplicationControllerSpec: ?replicas
core.v1.ResourceFieldSelector: resource" divisor#
core.v1.ResourceHealth: ?message resourceID"
core.v1.ScaleIOPersistentVolumeSource core.v1.ScaleIOVolumeSource: gateway" system" secretRef-
core.v1.ScopedResourceSelectorRequirement: scopeName" operator"
core.v1.SecurityContext: ?allowPrivilegeEscalation ?privileged ?procMount ?readOnlyRootFilesystem
  ?runAsGroup ?runAsNonRoot ?runAsUser
core.v1.ServiceAccount: ?automountServiceAccountToken metadata{
core.v1.ServiceAccountTokenProjection: ?expirationSeconds path"
core.v1.ServicePort: ?appProtocol port0 targetPort0
core.v1.ServiceSpec: ?allocateLoadBalancerNodePorts ?internalTrafficPolicy ?ipFamilyPolicy
  ?loadBalancerClass ?trafficDistribution
core.v1.ServiceStatus networking.v1.IngressStatus: loadBalancer{
core.v1.SleepAction: seconds0
core.v1.Taint resource.v1.DeviceTaint resource.v1alpha3.DeviceTaint resource.v1beta1.DeviceTaint
  resource.v1beta2.DeviceTaint: key" effect"
core.v1.Toleration resource.v1.DeviceToleration resource.v1beta1.DeviceToleration
  resource.v1beta2.DeviceToleration: ?tolerationSeconds
core.v1.TopologySelectorLabelRequirement: key" values-
core.v1.TopologySpreadConstraint: ?minDomains ?nodeAffinityPolicy ?nodeTaintsPolicy maxSkew0 topologyKey"
  whenUnsatisfiable"
core.v1.TypedLocalObjectReference: ?apiGroup apiGroup- kind" name"
core.v1.TypedObjectReference: ?apiGroup ?namespace apiGroup- kind" name"
core.v1.VolumeMount: ?mountPropagation ?recursiveReadOnly name" mountPath"
core.v1.VolumeMountStatus: ?recursiveReadOnly name" mountPath"
core.v1.VsphereVirtualDiskVolumeSource: volumePath"
core.v1.WeightedPodAffinityTerm: weight0 podAffinityTerm{
core.v1.WindowsSecurityContextOptions: ?gmsaCredentialSpec ?gmsaCredentialSpecName ?hostProcess
  ?runAsUserName
discovery.v1.Endpoint: ?hostname ?nodeName ?zone addresses- conditions{
discovery.v1.EndpointConditions: ?ready ?serving ?terminating
discovery.v1.EndpointPort: ?appProtocol ?name ?port ?protocol
discovery.v1.EndpointSlice: metadata{ addressType" endpoints- ports-
events.v1.Event: metadata{ eventTime- regarding{ deprecatedSource{ deprecatedFirstTimestamp-
  deprecatedLastTimestamp-
events.v1.EventSeries: count0 lastObservedTime-
flowcontrol.v1.ExemptPriorityLevelConfiguration: ?lendablePercent ?nominalConcurrencyShares
flowcontrol.v1.FlowSchemaCondition flowcontrol.v1.PriorityLevelConfigurationCondition:
  lastTransitionTime-
flowcontrol.v1.FlowSchemaSpec: priorityLevelConfiguration{ matchingPrecedence0
flowcontrol.v1.LimitedPriorityLevelConfiguration: ?borrowingLimitPercent ?lendablePercent
  ?nominalConcurrencyShares nominalConcurrencyShares- limitResponse{
flowcontrol.v1.NonResourcePolicyRule: verbs- nonResourceURLs-
flowcontrol.v1.PolicyRulesWithSubjects: subjects-
flowcontrol.v1.QueuingConfiguration: queues0 handSize0 queueLengthLimit0
flowcontrol.v1.ResourcePolicyRule: verbs- apiGroups- resources- namespaces-
flowcontrol.v1.ServiceAccountSubject: namespace" name"
flowcontrol.v1.Subject: kind"
io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.CustomResourceColumnDefinition: name" type"
  jsonPath"
io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.CustomResourceConversion: strategy"
io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.CustomResourceDefinitionNames: plural" kind"
io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.CustomResourceDefinitionSpec: group" names{
  scope" versions-
io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.CustomResourceDefinitionStatus: conditions-
  acceptedNames{ storedVersions-
io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.CustomResourceDefinitionVersion:
  ?deprecationWarning name" served! storage!
io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.CustomResourceSubresourceScale:
  ?labelSelectorPath specReplicasPath" statusReplicasPath"
io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSON: --
io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps: ?$ref ?additionalItems
  ?additionalProperties ?default ?example ?items ?maxItems ?maxLength ?maxProperties ?maximum ?minItems
  ?minLength ?minProperties ?minimum ?multipleOf ?x-kubernetes-list-type
  ?x-kubernetes-map-type ?x-kubernetes-preserve-unknown-fields
io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.SelectableField: jsonPath"
io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.ValidationRule: ?optionalOldSelf ?reason rule"
io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.WebhookConversion: conversionReviewVersions-
io.k8s.apimachinery.pkg.apis.meta.v1.APIGroup: name" versions- preferredVersion{
io.k8s.apimachinery.pkg.apis.meta.v1.APIResource: name" singularName" namespaced! kind" verbs-
io.k8s.apimachinery.pkg.apis.meta.v1.APIVersions: versions- serverAddressByClientCIDRs-
io.k8s.apimachinery.pkg.apis.meta.v1.Condition: type" status" lastTransitionTime- reason" message"
io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions: ?gracePeriodSeconds
  ?ignoreStoreReadErrorWithClusterBreakingPotential ?orphanDependents ?propagationPolicy
io.k8s.apimachinery.pkg.apis.meta.v1.GroupVersionForDiscovery: groupVersion" version"
io.k8s.apimachinery.pkg.apis.meta.v1.ListMeta: ?remainingItemCount
io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta: ?deletionGracePeriodSeconds
io.k8s.apimachinery.pkg.apis.meta.v1.OwnerReference: ?blockOwnerDeletion ?controller apiVersion" kind"
  name" uid"
io.k8s.apimachinery.pkg.apis.meta.v1.Preconditions: ?resourceVersion ?uid
io.k8s.apimachinery.pkg.apis.meta.v1.ServerAddressByClientCIDR: clientCIDR" serverAddress"
io.k8s.apimachinery.pkg.apis.meta.v1.ShardInfo: selector"
io.k8s.kube-aggregator.pkg.apis.apiregistration.v1.APIServiceSpec: groupPriorityMinimum0 versionPriority0
io.k8s.kube-aggregator.pkg.apis.apiregistration.v1.ServiceReference: ?port
networking.v1.HTTPIngressPath: ?pathType pathType- backend{
networking.v1.HTTPIngressRuleValue: paths-
networking.v1.IPBlock: cidr"
networking.v1.IngressClassParametersReference: ?apiGroup ?namespace ?scope kind" name" scope-
networking.v1.IngressServiceBackend: name" port{
networking.v1.IngressSpec: ?ingressClassName
networking.v1.NetworkPolicyPort: ?endPort ?port ?protocol
networking.v1.NetworkPolicySpec: podSelector{
node.v1.RuntimeClass: metadata{ handler"
policy.v1.PodDisruptionBudgetSpec: ?maxUnavailable ?minAvailable ?unhealthyPodEvictionPolicy
policy.v1.PodDisruptionBudgetStatus: disruptionsAllowed0 currentHealthy0 desiredHealthy0 expectedPods0
rbac.v1.ClusterRole rbac.v1.Role: metadata{ rules-
rbac.v1.ClusterRoleBinding rbac.v1.RoleBinding: metadata{ roleRef{
rbac.v1.RoleRef: apiGroup" kind" name"
resource.v1.AllocatedDeviceStatus resource.v1beta1.AllocatedDeviceStatus
  resource.v1beta2.AllocatedDeviceStatus: ?shareID driver" pool" device" conditions-
resource.v1.AllocationResult resource.v1.ResourceClaimSpec resource.v1beta1.AllocationResult
  resource.v1beta1.ResourceClaimSpec resource.v1beta2.AllocationResult
  resource.v1beta2.ResourceClaimSpec: devices{
resource.v1.CELDeviceSelector resource.v1beta1.CELDeviceSelector resource.v1beta2.CELDeviceSelector:
  expression"
resource.v1.CapacityRequestPolicy resource.v1beta1.CapacityRequestPolicy
  resource.v1beta2.CapacityRequestPolicy: default-
resource.v1.Counter resource.v1.DeviceCapacity resource.v1beta1.Counter resource.v1beta1.DeviceCapacity
  resource.v1beta2.Counter resource.v1beta2.DeviceCapacity: value#
resource.v1.Device resource.v1beta2.Device: ?allNodes ?allowMultipleAllocations ?bindsToNode ?nodeName
  name"
resource.v1.DeviceAllocationConfiguration resource.v1beta1.DeviceAllocationConfiguration
  resource.v1beta2.DeviceAllocationConfiguration: source"
resource.v1.DeviceAttribute resource.v1beta1.DeviceAttribute resource.v1beta2.DeviceAttribute: ?bool ?int
  ?string ?version
resource.v1.DeviceClaim resource.v1beta1.DeviceClaim resource.v1beta2.DeviceClaim: requests-
resource.v1.DeviceClassSpec resource.v1beta1.DeviceClassSpec resource.v1beta2.DeviceClassSpec:
  ?extendedResourceName
resource.v1.DeviceConstraint resource.v1beta1.DeviceConstraint resource.v1beta2.DeviceConstraint:
  ?distinctAttribute ?matchAttribute
resource.v1.DeviceCounterConsumption resource.v1beta1.DeviceCounterConsumption
  resource.v1beta2.DeviceCounterConsumption: counterSet"
resource.v1.DeviceRequestAllocationResult resource.v1beta1.DeviceRequestAllocationResult
  resource.v1beta2.DeviceRequestAllocationResult: ?adminAccess ?shareID request" driver" pool" device"
resource.v1.DeviceSubRequest resource.v1beta1.DeviceSubRequest resource.v1beta2.DeviceSubRequest: name"
  deviceClassName"
resource.v1.ExactDeviceRequest resource.v1beta2.ExactDeviceRequest: ?adminAccess deviceClassName"
resource.v1.NodeAllocatableResourceMapping resource.v1beta1.NodeAllocatableResourceMapping
  resource.v1beta2.NodeAllocatableResourceMapping: ?capacityKey
resource.v1.OpaqueDeviceConfiguration resource.v1beta1.OpaqueDeviceConfiguration
  resource.v1beta2.OpaqueDeviceConfiguration: driver" parameters-
resource.v1.ResourceClaimConsumerReference resource.v1beta1.ResourceClaimConsumerReference
  resource.v1beta2.ResourceClaimConsumerReference: resource" name" uid"
resource.v1.ResourcePool resource.v1beta1.ResourcePool resource.v1beta2.ResourcePool: name" generation0
  resourceSliceCount0
resource.v1.ResourceSliceSpec resource.v1beta2.ResourceSliceSpec: ?allNodes ?nodeName
  ?perDeviceNodeSelection driver" pool{
resource.v1alpha3.DeviceTaintRuleSpec resource.v1beta2.DeviceTaintRuleSpec: taint{
resource.v1alpha3.DeviceTaintSelector resource.v1beta2.DeviceTaintSelector: ?device ?driver ?pool
resource.v1alpha3.PoolStatus: ?allocatedDevices ?availableDevices ?nodeName ?resourceSliceCount
  ?totalDevices ?unavailableDevices ?validationError generation0
resource.v1alpha3.ResourcePoolStatusRequestSpec: ?limit ?poolName driver"
resource.v1alpha3.ResourcePoolStatusRequestStatus: ?poolCount
resource.v1beta1.BasicDevice: ?allNodes ?allowMultipleAllocations ?bindsToNode ?nodeName
resource.v1beta1.DeviceRequest: ?adminAccess name" deviceClassName"
resource.v1beta1.ResourceSliceSpec: ?perDeviceNodeSelection driver" pool{
scheduling.v1.PriorityClass: ?preemptionPolicy metadata{ value0
scheduling.v1alpha2.GangSchedulingPolicy: minCount0
scheduling.v1alpha2.PodGroupSpec: ?disruptionMode ?priority podGroupTemplateRef- schedulingPolicy{
scheduling.v1alpha2.PodGroupTemplate: ?disruptionMode ?priority name" schedulingPolicy{
  schedulingConstraints-
scheduling.v1alpha2.PodGroupTemplateReference: workload-
scheduling.v1alpha2.TopologyConstraint: key"
scheduling.v1alpha2.WorkloadPodGroupTemplateReference: workloadName" podGroupTemplateName"
scheduling.v1alpha2.WorkloadSpec: podGroupTemplates-
storage.v1.CSIDriverSpec: ?attachRequired ?fsGroupPolicy ?nodeAllocatableUpdatePeriodSeconds
  ?podInfoOnMount ?preventPodSchedulingIfMissing ?requiresRepublish ?seLinuxMount
  ?serviceAccountTokenInSecrets ?storageCapacity
storage.v1.CSINodeDriver: name" nodeID" topologyKeys-
storage.v1.CSINodeSpec: drivers-
storage.v1.CSIStorageCapacity: metadata{ storageClassName"
storage.v1.StorageClass: ?allowVolumeExpansion ?reclaimPolicy ?volumeBindingMode metadata{ provisioner"
storage.v1.TokenRequest: ?expirationSeconds audience"
storage.v1.VolumeAttachmentSource: ?persistentVolumeName
storage.v1.VolumeAttachmentSpec: attacher" source{ nodeName"
storage.v1.VolumeAttachmentStatus: attached!
storage.v1.VolumeAttributesClass storage.v1beta1.VolumeAttributesClass: metadata{ driverName"
storage.v1.VolumeError: ?errorCode time-
storage.v1.VolumeNodeResources: ?count
"""
