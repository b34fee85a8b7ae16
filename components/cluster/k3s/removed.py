"""Feature gates and arguments of Kubernetes components that Kubernetes has removed.

Sources: the feature gates and flags in the source code of the first release of each minor version of Kubernetes
(modules `k8s.io/kubernetes` and `k8s.io/apiserver`), compared with the source code of later versions up to v1.37.
"""

from collections.abc import Collection

_GATES = {
    30: """
        APISelfSubjectReview AdvancedAuditing AllowInsecureBackendProxy AttachVolumeLimit
        BalanceAttachedNodeVolumes BlockVolume BoundServiceAccountTokenVolume CRIContainerLogRotation
        CSIBlockVolume CSIDriverRegistry CSIInlineVolume CSIMigration CSIMigrationAWS
        CSIMigrationAWSComplete CSIMigrationAzureDisk CSIMigrationAzureDiskComplete CSIMigrationAzureFile
        CSIMigrationAzureFileComplete CSIMigrationGCE CSIMigrationGCEComplete CSIMigrationOpenStack
        CSIMigrationOpenStackComplete CSIMigrationvSphere CSIMigrationvSphereComplete CSINodeInfo
        CSIServiceAccountToken CSIStorageCapacity CSIVolumeFSGroupPolicy CSRDuration
        ConfigurableFSGroupPolicy ControllerManagerLeaderMigration CronJobControllerV2 CronJobTimeZone
        DaemonSetUpdateSurge DefaultPodTopologySpread DelegateFSGroupToCSIDriver DevicePlugins
        DisableAcceleratorUsageMetrics DownwardAPIHugePages DryRun DynamicKubeletConfig
        EnableAggregatedDiscoveryTimeout EndpointSlice EndpointSliceNodeName EndpointSliceProxying
        EndpointSliceTerminatingCondition EphemeralContainers EvenPodsSpread ExpandCSIVolumes
        ExpandInUsePersistentVolumes ExpandPersistentVolumes ExpandedDNSConfig
        ExperimentalHostUserNamespaceDefaulting ExternalPolicyForExternalIP GCERegionalPersistentDisk
        GRPCContainerProbe GenericEphemeralVolume HugePageStorageMediumSize HyperVContainer
        IPTablesOwnershipCleanup IPv6DualStack IdentifyPodOS ImmutableEphemeralVolumes IndexedJob
        IngressClassNamespacedParams JobMutableNodeSchedulingDirectives JobTrackingWithFinalizers
        KubeletCredentialProviders KubeletPodResources KubeletPodResourcesGetAllocatable
        LegacyNodeRoleBehavior LegacyServiceAccountTokenNoAutoGeneration LegacyServiceAccountTokenTracking
        LocalStorageCapacityIsolation MinimizeIPTablesRestore MixedProtocolLBService MountContainers
        MultiCIDRRangeAllocator NamespaceDefaultLabelName NetworkPolicyEndPort NetworkPolicyStatus
        NodeDisruptionExclusion NodeLease NonPreemptingPriority OpenAPIV3 PersistentLocalVolumes
        PodAffinityNamespaceSelector PodDisruptionBudget PodHasNetworkCondition PodOverhead PodPriority
        PodSecurity PodShareProcessNamespace PreferNominatedNode ProbeTerminationGracePeriod
        ProxyTerminatingEndpoints RemoveSelfLink ResourceLimitsPriorityFunction ResourceQuotaScopeSelectors
        RetroactiveDefaultStorageClass RootCAConfigMap RotateKubeletClientCertificate RunAsGroup
        RuntimeClass SCTPSupport ScheduleDaemonSetPods SeccompDefault SecurityContextDeny SelectorIndex
        ServiceAccountIssuerDiscovery ServiceAppProtocol ServiceIPStaticSubrange
        ServiceInternalTrafficPolicy ServiceLBNodePortControl ServiceLoadBalancerClass
        ServiceLoadBalancerFinalizer ServiceNodeExclusion ServiceTopology SetHostnameAsFQDN StartupProbe
        StatefulSetMinReadySeconds StorageObjectInUseProtection StreamingProxyRedirects SupportIPVSProxyMode
        SupportNodePidsLimit SupportPodPidsLimit SuspendJob Sysctls TTLAfterFinished TaintBasedEvictions
        TaintNodesByCondition TokenRequest TokenRequestProjection TopologyManager
        UserNamespacesStatelessPodsSupport ValidateProxyRedirects VolumePVCDataSource
        VolumeSnapshotDataSource VolumeSubpath VolumeSubpathEnvExpansion WarningHeaders
        WindowsEndpointSliceProxying WindowsGMSA WindowsHostProcessContainers WindowsRunAsUserName
    """,
    31: """
        APIPriorityAndFairness CSIMigrationRBD CSINodeExpandSecret ConsistentHTTPGetHandlers
        CustomResourceValidationExpressions DefaultHostNetworkHostPortsInPodTemplates
        InTreePluginAWSUnregister InTreePluginAzureDiskUnregister InTreePluginAzureFileUnregister
        InTreePluginGCEUnregister InTreePluginOpenStackUnregister InTreePluginRBDUnregister
        InTreePluginvSphereUnregister JobReadyPods ReadWriteOncePod ServiceNodePortStaticSubrange
        SkipReadOnlyValidationGCE
    """,
    32: """
        CloudDualStackNodeIPs DRAControlPlaneController HPAContainerMetrics KMSv2 KMSv2KDF
        LegacyServiceAccountTokenCleanUp MinDomainsInPodTopologySpread NewVolumeManagerReconstruction
        NodeOutOfServiceVolumeDetach PodHostIPs ServerSideApply ServerSideFieldValidation
        StableLoadBalancerNodeSet ValidatingAdmissionPolicy ZeroLimitedNominalConcurrencyShares
    """,
    33: """
        APIListChunking AdmissionWebhookMatchConditions AggregatedDiscoveryEndpoint AppArmor AppArmorFields
        CPUManager DisableCloudProviders DisableKubeletCloudCredentialProviders EfficientWatchResumption
        JobPodFailurePolicy KubeProxyDrainingTerminatingNodes PDBUnhealthyPodEvictionPolicy
        PersistentVolumeLastPhaseTransitionTime RemainingItemCount VolumeCapacityPriority WatchBookmark
    """,
    34: """
        DevicePluginCDIDevices ElasticIndexedJob LegacySidecarContainers PodDisruptionConditions
        StatefulSetStartOrdinal
    """,
    35: """
        AllowServiceLBStatusOnNonLB ComponentSLIs CronJobsScheduledAnnotation LoadBalancerIPMode
        PodIndexLabel ProbeHostPodSecurityStandards SizeMemoryBackedVolumes StatefulSetAutoDeletePVC
        StrictCostEnforcementForVAP StrictCostEnforcementForWebhooks UserNamespacesPodSecurityStandards
    """,
    36: """
        CSIMigrationPortworx HonorPVReclaimPolicy InPlacePodVerticalScalingAllocatedStatus
        InTreePluginPortworxUnregister MemoryManager ServiceTrafficDistribution
        StructuredAuthorizationConfiguration TopologyAwareHints WatchFromStorageWithoutResourceVersion
    """,
    37: """
        APIServerTracing AnonymousAuthConfigurableEndpoints AnyVolumeDataSource AuthorizeNodeWithSelectors
        AuthorizeWithSelectors BtreeWatchCache ConsistentListFromCache JobBackoffLimitPerIndex
        JobPodReplacementPolicy JobSuccessPolicy LogarithmicScaleDown OrderedNamespaceDeletion
        PodLifecycleSleepAction PodLifecycleSleepActionAllowZero PreventStaticPodAPIReferences
        RelaxedDNSSearchValidation ResilientWatchCacheInitialization RetryGenerateName
        SchedulerQueueingHints SidecarContainers StreamingCollectionEncodingToJSON
        StreamingCollectionEncodingToProtobuf StructuredAuthenticationConfiguration
    """,
}
"""Removed feature gates by the minor version that no longer has them. 30 lists the removals up to v1.30."""

_ARGUMENTS = {
    "kubelet-arg": {
        30: """
            allow-privileged azure-container-registry-config cadvisor-port chaos-chance cni-bin-dir cni-cache-dir
            cni-conf-dir container-runtime docker-endpoint dynamic-config-dir experimental-bootstrap-kubeconfig
            experimental-dockershim-root-directory experimental-kernel-memcg-notification image-pull-progress-deadline
            master-service-namespace network-plugin network-plugin-mtu non-masquerade-cidr seccomp-profile-root
        """,
        31: "iptables-drop-bit iptables-masquerade-bit keep-terminated-pod-volumes",
        34: "cloud-config register-schedulable",
        36: "pod-infra-container-image",
    },
    "kube-apiserver-arg": {
        30: """
            basic-auth-file enable-swagger-ui experimental-encryption-provider-config kubelet-https
            master-service-namespace service-account-api-audiences target-ram-mb
        """,
        31: "insecure-bind-address insecure-port",
    },
    "kube-controller-manager-arg": {
        30: """
            deleting-pods-burst deleting-pods-qps deployment-controller-sync-period enable-taint-manager
            experimental-cluster-signing-duration horizontal-pod-autoscaler-use-rest-clients pod-eviction-timeout
            register-retry-count
        """,
        31: "horizontal-pod-autoscaler-downscale-delay horizontal-pod-autoscaler-upscale-delay",
    },
    "kube-scheduler-arg": {
        30: """
            algorithm-provider hard-pod-affinity-symmetric-weight lock-object-name lock-object-namespace
            policy-config-file policy-configmap policy-configmap-namespace scheduler-name use-legacy-policy-config
        """,
    },
    "kube-proxy-arg": {30: "cleanup-ipvs resource-container udp-timeout", 31: "proxy-port-range"},
}
"""Removed arguments by K3s option, and by the minor version that no longer has them."""


def removed_gates(minor: int) -> Collection[str]:
    """Return the feature gates that Kubernetes 1.`minor` no longer has."""
    return {name for since, names in _GATES.items() if since <= minor for name in names.split()}


def removed_arguments(option: str, minor: int) -> Collection[str]:
    """Return the arguments that Kubernetes 1.`minor` no longer has in the component of `option`, such as
    `kubelet-arg`."""
    by_version = _ARGUMENTS.get(option, {})
    return {name for since, names in by_version.items() if since <= minor for name in names.split()}
