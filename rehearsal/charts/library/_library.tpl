{{- /* What all stand-in charts share; packed into each of them. */ -}}
{{- define "fullname" -}}
{{- $name := .Values.nameOverride | default .Chart.Name -}}
{{- if .Values.fullnameOverride }}{{ .Values.fullnameOverride }}
{{- else if contains $name .Release.Name }}{{ .Release.Name }}
{{- else }}{{ .Release.Name }}-{{ $name }}{{ end -}}
{{- end -}}

{{- /* One workload. root, name, labels; kind, replicas, values (resources, spreading …), image, hostNetwork. */ -}}
{{- define "workload" -}}
{{- $kind := .kind | default "Deployment" -}}
{{- $values := .values | default dict -}}
apiVersion: apps/v1
kind: {{ $kind }}
metadata:
  name: {{ .name }}
  namespace: {{ .root.Release.Namespace }}
  labels: {{ toJson .labels }}
spec:
  {{- if ne $kind "DaemonSet" }}
  replicas: {{ .replicas | default 1 }}
  {{- end }}
  {{- if eq $kind "StatefulSet" }}
  serviceName: {{ .name }}
  {{- end }}
  {{- with .update }}
  updateStrategy: {{ toJson . }}
  {{- end }}
  selector: {matchLabels: {{ toJson .labels }}}
  template:
    metadata:
      labels: {{ toJson (merge dict .labels ($values.podLabels | default dict)) }}
    spec:
      serviceAccountName: {{ .account | default "default" }}
      {{- if .hostNetwork }}
      hostNetwork: true
      {{- end }}
      {{- with $values.priorityClassName | default $values.priorityClass }}
      priorityClassName: {{ . }}
      {{- end }}
      {{- range $key := list "nodeSelector" "tolerations" "affinity" "topologySpreadConstraints" }}
      {{- with index $values $key }}
      {{ $key }}: {{ toJson . }}
      {{- end }}
      {{- end }}
      containers:
        - name: {{ .container | default .name }}
          image: {{ .image | default (printf "stand-in.invalid/%s:%s" .name .root.Chart.Version) }}
          {{- with $values.resources }}
          resources: {{ toJson . }}
          {{- end }}
          securityContext:
            allowPrivilegeEscalation: false
            capabilities: {drop: [ALL]}
            runAsNonRoot: true
            runAsUser: 65534
            seccompProfile: {type: RuntimeDefault}
---
{{ end -}}

{{- /* A Service for the pods of a workload. root, name, labels, ports ({name: {port, targetPort}}). */ -}}
{{- define "service" -}}
apiVersion: v1
kind: Service
metadata:
  name: {{ .name }}
  namespace: {{ .root.Release.Namespace }}
  labels: {{ toJson .labels }}
spec:
  selector: {{ toJson .labels }}
  ports:
    {{- range $name, $port := .ports }}
    - {name: {{ $name }}, port: {{ $port }}, targetPort: {{ $port }}}
    {{- end }}
---
{{ end -}}

{{- /* A disruption budget where the values ask for one. root, name, labels, values. */ -}}
{{- define "budget" -}}
{{- if (.values | default dict).enabled -}}
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  name: {{ .name }}
  namespace: {{ .root.Release.Namespace }}
spec:
  selector: {matchLabels: {{ toJson .labels }}}
  {{- if .values.maxUnavailable }}
  maxUnavailable: {{ .values.maxUnavailable }}
  {{- else }}
  minAvailable: {{ .values.minAvailable | default 1 }}
  {{- end }}
---
{{ end -}}
{{- end -}}

{{- /* A webhook, served by the rehearsal. root, name, system, rules; kind, policy. */ -}}
{{- define "webhook" -}}
apiVersion: admissionregistration.k8s.io/v1
kind: {{ .kind | default "ValidatingWebhookConfiguration" }}
metadata:
  name: {{ .name }}
webhooks:
  {{- $all := . }}
  {{- range $rule := .rules }}
  - name: {{ $rule.resource | replace "*/*" "all" | replace "/" "-" }}.{{ $all.system }}.rehearsal.homelab
    clientConfig:
      url: {{ $all.root.Values.rehearsal.webhooks }}/validate/{{ $all.system }}
      caBundle: {{ $all.root.Values.rehearsal.authority }}
    rules:
      - apiGroups: {{ toJson $rule.groups }}
        apiVersions: ["*"]
        operations: {{ toJson ($rule.operations | default (list "CREATE" "UPDATE")) }}
        resources: [{{ $rule.resource | quote }}]
    failurePolicy: {{ $all.policy | default "Fail" }}
    sideEffects: None
    timeoutSeconds: 10
    admissionReviewVersions: [v1]
  {{- end }}
---
{{ end -}}

{{- /* A hook's Job; it asks the rehearsal, which ends it well or badly. root, name, hook, question; weight. */ -}}
{{- define "hook" -}}
apiVersion: batch/v1
kind: Job
metadata:
  name: {{ .name }}
  namespace: {{ .root.Release.Namespace }}
  annotations:
    helm.sh/hook: {{ .hook }}
    helm.sh/hook-delete-policy: {{ .policy | default "before-hook-creation,hook-succeeded" }}
spec:
  backoffLimit: {{ .retries | default 4 }}
  activeDeadlineSeconds: 900
  template:
    metadata:
      labels: {app: {{ .name }}}
    spec:
      restartPolicy: {{ .restart | default "OnFailure" }}
      containers:
        - name: {{ .name }}
          image: {{ .root.Values.rehearsal.image }}
          imagePullPolicy: IfNotPresent
          {{- if .question }}
          command: [/pause, ask, {{ .root.Values.rehearsal.questions | quote }}, {{ printf "/jobs/%s" .question | quote }}]
          {{- else }}
          command: [/pause, exit]
          {{- end }}
          {{- with .resources }}
          resources: {{ toJson . }}
          {{- end }}
          securityContext:
            allowPrivilegeEscalation: false
            capabilities: {drop: [ALL]}
            runAsNonRoot: true
            runAsUser: 65534
            seccompProfile: {type: RuntimeDefault}
---
{{ end -}}

{{- /* What a program's release has, in the chart's manifests.yaml: JSON by KIND/NAME. */ -}}
{{- define "released" -}}
{{- $found := dict -}}
{{- $text := .Files.Get "manifests.yaml" | required (printf "%s was not built: there are no manifests of it" .Chart.Name) -}}
{{- range $each := splitList "\n---\n" $text -}}
{{- $thing := fromYaml $each -}}
{{- $_ := set $found (printf "%s/%s" $thing.kind $thing.metadata.name) $thing -}}
{{- end -}}
{{- toJson $found -}}
{{- end -}}

{{- /* A Deployment of a release, with the chart's values. root, name (of its account too), labels, spec. */ -}}
{{- define "released-deployment" -}}
{{- $pod := .spec.template.spec -}}
{{- $container := first $pod.containers -}}
{{- $_ := set $container "imagePullPolicy" "IfNotPresent" -}}
{{- $_ := set $container "resources" (.root.Values.resources | default dict) -}}
{{- $_ := set $pod "serviceAccountName" .name -}}
{{- $values := .root.Values -}}
{{- range $key := list "priorityClassName" "nodeSelector" "tolerations" "affinity" "topologySpreadConstraints" -}}
{{- with index $values $key }}{{ $_ := set $pod $key . }}{{ end -}}
{{- end -}}
{{- $_ := set .spec "replicas" $values.replicaCount -}}
{{- $_ := set .spec "selector" (dict "matchLabels" .labels) -}}
{{- $_ := set .spec.template "metadata" (dict "labels" .labels) -}}
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ .name }}
  namespace: {{ .root.Release.Namespace }}
  labels: {{ toJson .labels }}
spec: {{ toJson .spec }}
---
apiVersion: v1
kind: ServiceAccount
metadata:
  name: {{ .name }}
  namespace: {{ .root.Release.Namespace }}
---
{{ end -}}

{{- /* A ClusterRole with these rules, for the account of the same name. root, name, rules. */ -}}
{{- define "released-rights" -}}
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata:
  name: {{ .name }}
rules: {{ toJson .rules }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata:
  name: {{ .name }}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: {{ .name }}}
subjects:
  - {kind: ServiceAccount, name: {{ .name }}, namespace: {{ .root.Release.Namespace }}}
---
{{ end -}}
