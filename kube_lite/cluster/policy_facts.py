# ruff: noqa: E501 - one fact, one line
"""What a release grants from the start, as facts: roles, and who has them.

A role is a line with its name, followed by a line for each rule: verbs, API groups, resources, and names where
only those are meant. ``-`` is the core group; a rule for paths has ``paths`` in the place of groups. ``READ``,
``CHANGE`` and ``ALL`` stand for the usual verbs, ``EVENTS`` for a whole rule that most controllers have.

``view = view`` takes in the rules of the roles that are ``> view``: these have the label
``rbac.authorization.k8s.io/aggregate-to-view``. ``@1.34`` is the first release that has a role or rule,
``@..1.31`` the last one.
Source: ``plugin/pkg/auth/authorizer/rbac/bootstrappolicy``.
"""

CLUSTER_ROLES = """
cluster-admin
  * | * | *
  * | paths | *
system:discovery
  get | paths | /api /api/* /apis /apis/* /healthz /livez /openapi /openapi/* /readyz /version /version/
system:monitoring
  get | paths | /healthz /healthz/* /livez /livez/* /metrics /metrics/slis /readyz /readyz/*  @..1.31
  get | paths | /flagz /healthz /healthz/* /livez /livez/* /metrics /metrics/slis /readyz /readyz/* /statusz  @1.32
  get | - | nodes/metrics  @1.36
system:basic-user
  create | authorization.k8s.io | selfsubjectaccessreviews selfsubjectrulesreviews
  create | authentication.k8s.io | selfsubjectreviews  @1.27
system:public-info-viewer
  get | paths | /healthz /livez /readyz /version /version/
admin = admin
edit = edit > admin
view = view > edit
system:aggregate-to-admin > admin
  create | authorization.k8s.io | localsubjectaccessreviews
  ALL | rbac.authorization.k8s.io | rolebindings roles
system:aggregate-to-edit > edit
  READ | - | pods/attach pods/exec pods/portforward pods/proxy secrets services/proxy
  impersonate | - | serviceaccounts
  CHANGE | - | pods pods/attach pods/exec pods/portforward pods/proxy
  create | - | pods/eviction
  CHANGE | - | configmaps persistentvolumeclaims replicationcontrollers replicationcontrollers/scale secrets serviceaccounts services services/proxy
  create | - | serviceaccounts/token
  CHANGE | - events.k8s.io | events
  CHANGE | apps | daemonsets deployments deployments/rollback deployments/scale replicasets replicasets/scale statefulsets statefulsets/scale
  CHANGE | autoscaling | horizontalpodautoscalers
  CHANGE | batch | cronjobs jobs
  CHANGE | extensions | daemonsets deployments deployments/rollback deployments/scale ingresses networkpolicies replicasets replicasets/scale replicationcontrollers/scale
  CHANGE | policy | poddisruptionbudgets
  CHANGE | networking.k8s.io | ingresses networkpolicies
  ALL | coordination.k8s.io | leases  @1.30
  CHANGE | resource.k8s.io | resourceclaims resourceclaimtemplates  @1.34
system:aggregate-to-view > view
  READ | - | configmaps endpoints persistentvolumeclaims persistentvolumeclaims/status pods replicationcontrollers replicationcontrollers/scale serviceaccounts services services/status
  READ | - | bindings limitranges namespaces/status pods/log pods/status replicationcontrollers/status resourcequotas resourcequotas/status
  READ | - | namespaces
  READ | - events.k8s.io | events
  READ | discovery.k8s.io | endpointslices
  READ | apps | controllerrevisions daemonsets daemonsets/status deployments deployments/scale deployments/status replicasets replicasets/scale replicasets/status statefulsets statefulsets/scale statefulsets/status
  READ | autoscaling | horizontalpodautoscalers horizontalpodautoscalers/status
  READ | batch | cronjobs cronjobs/status jobs jobs/status
  READ | extensions | daemonsets daemonsets/status deployments deployments/scale deployments/status ingresses ingresses/status networkpolicies replicasets replicasets/scale replicasets/status replicationcontrollers/scale
  READ | policy | poddisruptionbudgets poddisruptionbudgets/status
  READ | networking.k8s.io | ingresses ingresses/status networkpolicies
  READ | resource.k8s.io | resourceclaims resourceclaims/status resourceclaimtemplates  @1.34
system:heapster
  READ | - | events namespaces nodes pods
  READ | extensions | deployments
system:node
  create | authentication.k8s.io | tokenreviews
  create | authorization.k8s.io | localsubjectaccessreviews subjectaccessreviews
  READ | - | services
  create get list watch | - | nodes
  patch update | - | nodes/status
  patch update | - | nodes
  EVENTS
  READ | - | pods
  create delete | - | pods
  patch update | - | pods/status
  create | - | pods/eviction
  READ | - | configmaps secrets
  get | - | persistentvolumeclaims persistentvolumes
  get | - | endpoints
  create get list watch | certificates.k8s.io | certificatesigningrequests
  create delete get patch update | coordination.k8s.io | leases
  get | storage.k8s.io | volumeattachments
  create | - | serviceaccounts/token
  get patch update | - | persistentvolumeclaims/status
  READ | storage.k8s.io | csidrivers
  create delete get patch update | storage.k8s.io | csinodes
  READ | node.k8s.io | runtimeclasses
  get | resource.k8s.io | resourceclaims  @1.34
  deletecollection | resource.k8s.io | resourceslices  @1.34
  get | - | serviceaccounts  @1.34
system:node-problem-detector
  get | - | nodes
  patch | - | nodes/status
  EVENTS
system:kubelet-api-admin
  READ | - | nodes
  proxy | - | nodes
  * | - | nodes/log nodes/metrics nodes/proxy nodes/stats  @..1.32
  * | - | nodes/configz nodes/healthz nodes/log nodes/metrics nodes/pods nodes/proxy nodes/stats  @1.33
system:node-bootstrapper
  create get list watch | certificates.k8s.io | certificatesigningrequests
system:auth-delegator
  create | authentication.k8s.io | tokenreviews
  create | authorization.k8s.io | subjectaccessreviews
system:kube-aggregator
  READ | - | endpoints services
system:kube-controller-manager
  EVENTS
  create | coordination.k8s.io | leases
  get update | coordination.k8s.io | leases | kube-controller-manager
  create | - | secrets serviceaccounts
  delete | - | secrets
  get | - | configmaps namespaces secrets serviceaccounts
  update | - | secrets serviceaccounts
  create | authentication.k8s.io | tokenreviews
  create | authorization.k8s.io | subjectaccessreviews
  list watch | * | *
  create | - | serviceaccounts/token
system:kube-dns
  list watch | - | endpoints services
system:persistent-volume-provisioner
  create delete get list watch | - | persistentvolumes
  get list update watch | - | persistentvolumeclaims
  READ | storage.k8s.io | storageclasses
  watch | - | events
  EVENTS
system:kube-scheduler
  EVENTS
  create | coordination.k8s.io | leases
  get update | coordination.k8s.io | leases | kube-scheduler  @..1.30
  get list update watch | coordination.k8s.io | leases | kube-scheduler  @1.31
  ALL | coordination.k8s.io | leasecandidates  @1.31
  READ | - | nodes
  delete get list watch | - | pods
  create | - | bindings pods/binding
  patch update | - | pods/status
  READ | - | replicationcontrollers services
  READ | apps extensions | replicasets
  READ | apps | statefulsets
  READ | policy | poddisruptionbudgets
  READ | - | persistentvolumeclaims persistentvolumes
  create | authentication.k8s.io | tokenreviews
  create | authorization.k8s.io | subjectaccessreviews
  READ | storage.k8s.io | csinodes
  READ | storage.k8s.io | volumeattachments  @1.34
  READ | - | namespaces
  READ | storage.k8s.io | csidrivers
  READ | storage.k8s.io | csistoragecapacities
  READ | resource.k8s.io | deviceclasses  @1.34
  get list patch update watch | resource.k8s.io | resourceclaims  @1.34
  get list patch update watch | resource.k8s.io | resourceclaims/status  @1.34
  update | - | pods/finalizers  @1.34
  READ | resource.k8s.io | resourceslices  @1.34
  create delete | resource.k8s.io | resourceclaims  @1.35
  patch update | resource.k8s.io | resourceclaims/binding  @1.36
system:node-proxier
  list watch | - | endpoints services
  get list watch | - | nodes
  EVENTS
  list watch | networking.k8s.io | servicecidrs  @1.33
  list watch | discovery.k8s.io | endpointslices
system:certificates.k8s.io:certificatesigningrequests:nodeclient
  create | certificates.k8s.io | certificatesigningrequests/nodeclient
system:certificates.k8s.io:certificatesigningrequests:selfnodeclient
  create | certificates.k8s.io | certificatesigningrequests/selfnodeclient
system:volume-scheduler
  get list patch update watch | - | persistentvolumes
  READ | storage.k8s.io | storageclasses
  get list patch update watch | - | persistentvolumeclaims
system:certificates.k8s.io:legacy-unknown-approver
  approve | certificates.k8s.io | signers | kubernetes.io/legacy-unknown
system:certificates.k8s.io:kubelet-serving-approver
  approve | certificates.k8s.io | signers | kubernetes.io/kubelet-serving
system:certificates.k8s.io:kube-apiserver-client-approver
  approve | certificates.k8s.io | signers | kubernetes.io/kube-apiserver-client
system:certificates.k8s.io:kube-apiserver-client-kubelet-approver
  approve | certificates.k8s.io | signers | kubernetes.io/kube-apiserver-client-kubelet
system:service-account-issuer-discovery
  get | paths | /.well-known/openid-configuration /.well-known/openid-configuration/ /openid/v1/jwks /openid/v1/jwks/
"""

# ``system:controller:`` and the name; each is bound to the account of that name in kube-system.
CONTROLLER_ROLES = """
attachdetach-controller
  list watch | - | persistentvolumeclaims persistentvolumes
  READ | - | nodes
  patch update | - | nodes/status
  list watch | - | pods
  EVENTS
  create delete get list watch | storage.k8s.io | volumeattachments
  READ | storage.k8s.io | csidrivers
  READ | storage.k8s.io | csinodes
clusterrole-aggregation-controller
  escalate get list patch update watch | rbac.authorization.k8s.io | clusterroles
cronjob-controller
  get list update watch | batch | cronjobs
  create delete get list patch update watch | batch | jobs
  update | batch | cronjobs/status
  update | batch | cronjobs/finalizers
  delete list watch | - | pods
  EVENTS
daemon-set-controller
  READ | apps extensions | daemonsets
  update | apps extensions | daemonsets/status
  update | apps extensions | daemonsets/finalizers
  list watch | - | nodes
  create delete list patch watch | - | pods
  create | - | pods/binding
  create delete get list patch update watch | apps | controllerrevisions
  EVENTS
deployment-controller
  get list update watch | apps extensions | deployments
  update | apps extensions | deployments/status
  update | apps extensions | deployments/finalizers
  create delete get list patch update watch | apps extensions | replicasets
  get list update watch | - | pods
  EVENTS
disruption-controller
  READ | apps extensions | deployments
  READ | apps extensions | replicasets
  READ | - | replicationcontrollers
  READ | policy | poddisruptionbudgets
  READ | apps | statefulsets
  update | policy | poddisruptionbudgets/status
  patch update | - | pods/status
  get | * | */scale
  EVENTS
endpoint-controller
  READ | - | pods services
  create delete get list update watch | - | endpoints
  create | - | endpoints/restricted
  EVENTS
endpointslice-controller
  READ | - | nodes pods services
  update | - | services/finalizers
  create delete get list update watch | discovery.k8s.io | endpointslices
  create | discovery.k8s.io | endpointslices/restricted
  EVENTS
endpointslicemirroring-controller
  READ | - | endpoints services
  update | - | services/finalizers
  update | - | endpoints/finalizers
  create delete get list update watch | discovery.k8s.io | endpointslices
  create | discovery.k8s.io | endpointslices/restricted
  EVENTS
expand-controller
  get list patch update watch | - | persistentvolumes
  patch update | - | persistentvolumeclaims/status
  READ | - | persistentvolumeclaims
  EVENTS
ephemeral-volume-controller
  READ | - | pods
  update | - | pods/finalizers
  create get list watch | - | persistentvolumeclaims
  EVENTS
resource-claim-controller  @1.34
  READ | - | pods
  update | - | pods/finalizers
  create delete get list watch | resource.k8s.io | resourceclaims
  patch update | resource.k8s.io | resourceclaims resourceclaims/status
  patch update | - | pods/status
  EVENTS
  patch update | resource.k8s.io | resourceclaims/binding  @1.36
device-taint-eviction-controller  @1.36
  delete get list watch | - | pods
  patch update | - | pods/status
  READ | resource.k8s.io | resourceclaims
  READ | resource.k8s.io | resourceslices
  READ | resource.k8s.io | deviceclasses
  READ | resource.k8s.io | devicetaintrules
  EVENTS
generic-garbage-collector
  delete get list patch update watch | * | *
  EVENTS
horizontal-pod-autoscaler
  READ | autoscaling | horizontalpodautoscalers
  update | autoscaling | horizontalpodautoscalers/status
  get update | * | */scale
  list watch | - | pods
  list watch | metrics.k8s.io | pods
  READ | custom.metrics.k8s.io | *
  READ | external.metrics.k8s.io | *
  EVENTS
job-controller
  get list patch update watch | batch | jobs
  update | batch | jobs/status
  update | batch | jobs/finalizers
  create delete list patch watch | - | pods
  EVENTS
namespace-controller
  delete get list watch | - | namespaces
  update | - | namespaces/finalize namespaces/status
  delete deletecollection get list watch | * | *
node-controller
  delete get list patch update watch | - | nodes
  patch update | - | nodes/status
  patch update | - | pods/status
  delete get list watch | - | pods
  EVENTS
persistent-volume-binder
  create delete get list update watch | - | persistentvolumes
  update | - | persistentvolumes/status
  get list update watch | - | persistentvolumeclaims
  update | - | persistentvolumeclaims/status
  create delete get list watch | - | pods
  READ | storage.k8s.io | storageclasses
  list watch | - | nodes
  EVENTS
  watch | - | events
pod-garbage-collector
  delete list watch | - | pods
  READ | - | nodes
  patch | - | pods/status
replicaset-controller
  get list update watch | apps extensions | replicasets
  update | apps extensions | replicasets/status
  update | apps extensions | replicasets/finalizers
  create delete list patch watch | - | pods
  EVENTS
replication-controller
  get list update watch | - | replicationcontrollers
  update | - | replicationcontrollers/status
  update | - | replicationcontrollers/finalizers
  create delete list patch watch | - | pods
  EVENTS
resourcequota-controller
  list watch | * | *
  update | - | resourcequotas/status
  EVENTS
route-controller
  list watch | - | nodes
  patch | - | nodes/status
  EVENTS
service-account-controller
  create | - | serviceaccounts
  EVENTS
service-controller
  READ | - | services
  patch update | - | services/status
  list watch | - | nodes
  EVENTS
service-cidrs-controller  @1.33
  get list patch update watch | networking.k8s.io | servicecidrs
  patch update | networking.k8s.io | servicecidrs/finalizers
  patch update | networking.k8s.io | servicecidrs/status
  READ | networking.k8s.io | ipaddresses
  EVENTS
statefulset-controller
  list watch | - | pods
  READ | apps | statefulsets
  update | apps | statefulsets/status
  update | apps | statefulsets/finalizers
  create delete get patch update | - | pods
  create delete get list patch update watch | apps | controllerrevisions
  create get list watch | - | persistentvolumeclaims
  delete update | - | persistentvolumeclaims
  update | - | pods/finalizers
  EVENTS
ttl-controller
  list patch update watch | - | nodes
  EVENTS
certificate-controller
  delete get list watch | certificates.k8s.io | certificatesigningrequests
  update | certificates.k8s.io | certificatesigningrequests/approval certificatesigningrequests/status
  approve | certificates.k8s.io | signers | kubernetes.io/kube-apiserver-client-kubelet
  sign | certificates.k8s.io | signers | kubernetes.io/kube-apiserver-client kubernetes.io/kube-apiserver-client-kubelet kubernetes.io/kubelet-serving kubernetes.io/legacy-unknown
  create | authorization.k8s.io | subjectaccessreviews
  EVENTS
pvc-protection-controller
  get list update watch | - | persistentvolumeclaims
  update | - | persistentvolumeclaims/status  @1.36
  READ | - | pods
  EVENTS
pv-protection-controller
  get list update watch | - | persistentvolumes
  EVENTS
volumeattributesclass-protection-controller  @1.34
  READ | - | persistentvolumeclaims
  READ | - | persistentvolumes
  get list update watch | storage.k8s.io | volumeattributesclasses
  EVENTS
ttl-after-finished-controller
  delete get list watch | batch | jobs
  EVENTS
root-ca-cert-publisher
  create update | - | configmaps
  EVENTS
validatingadmissionpolicy-status-controller  @1.30
  READ | admissionregistration.k8s.io | validatingadmissionpolicies
  get patch update | admissionregistration.k8s.io | validatingadmissionpolicies/status
  EVENTS
legacy-service-account-token-cleaner  @1.29
  get | - | configmaps | kube-apiserver-legacy-service-account-token-tracking
  delete patch | - | secrets
selinux-warning-controller  @1.33
  EVENTS
  READ | - | persistentvolumes
  READ | - | persistentvolumeclaims
  READ | - | pods
  READ | storage.k8s.io | csidrivers
"""

# Namespace, slash and name.
ROLES = """
kube-system/extension-apiserver-authentication-reader
  READ | - | configmaps | extension-apiserver-authentication
kube-system/system::leader-locking-kube-controller-manager
  create get list update watch | coordination.k8s.io | leases
  create get list update watch | coordination.k8s.io | leasecandidates  @1.31
kube-system/system::leader-locking-kube-scheduler
  create get list update watch | coordination.k8s.io | leases
  create get list update watch | coordination.k8s.io | leasecandidates  @1.31
kube-system/system:controller:bootstrap-signer
  READ | - | secrets
kube-system/system:controller:cloud-provider
  create get list watch | - | configmaps
kube-system/system:controller:token-cleaner
  delete get list watch | - | secrets
  EVENTS
kube-public/system:controller:bootstrap-signer
  READ | - | configmaps
  update | - | configmaps | cluster-info
  EVENTS
"""

# Name, role where that is called otherwise, and who has it. An account is of kube-system.
CLUSTER_BINDINGS = """
cluster-admin | | group:system:masters
system:monitoring | | group:system:monitoring
system:discovery | | group:system:authenticated
system:basic-user | | group:system:authenticated
system:public-info-viewer | | group:system:authenticated group:system:unauthenticated
system:node-proxier | | user:system:kube-proxy
system:kube-controller-manager | | user:system:kube-controller-manager
system:kube-dns | | account:kube-dns
system:kube-scheduler | | user:system:kube-scheduler
system:volume-scheduler | | user:system:kube-scheduler
system:node | |
system:service-account-issuer-discovery | | group:system:serviceaccounts
"""
BINDINGS = """
kube-system/system::extension-apiserver-authentication-reader | extension-apiserver-authentication-reader | user:system:kube-controller-manager user:system:kube-scheduler
kube-system/system::leader-locking-kube-controller-manager | | user:system:kube-controller-manager account:kube-controller-manager account:leader-election-controller
kube-system/system::leader-locking-kube-scheduler | | user:system:kube-scheduler account:kube-scheduler
kube-system/system:controller:bootstrap-signer | | account:bootstrap-signer
kube-system/system:controller:cloud-provider | | account:cloud-provider
kube-system/system:controller:token-cleaner | | account:token-cleaner
kube-public/system:controller:bootstrap-signer | | account:bootstrap-signer
"""
