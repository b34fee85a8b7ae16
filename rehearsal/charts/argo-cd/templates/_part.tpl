{{- /* One part's workload, out of the pod that Argo CD's own manifests give it. root, name, labels, kind, values, pod. */ -}}
{{- define "part" -}}
{{- $values := .values -}}
{{- $pod := deepCopy (.pod | default dict) -}}
{{- $container := first ($pod.containers | default (list dict)) -}}
{{- $image := include "image" ($values.image | default .root.Values.global.image) -}}
{{- if eq $values.name "redis" }}{{ $_ := unset $pod "initContainers" }}{{ end -}}
{{- range $key, $value := dict "name" $values.name "image" $image "imagePullPolicy" "IfNotPresent" "resources" $values.resources -}}
{{- $_ := set $container $key $value -}}
{{- end -}}
{{- range $key := list "readinessProbe" "livenessProbe" -}}
{{- with index $container $key -}}
{{- $_ := mergeOverwrite . (dict "initialDelaySeconds" 10 "periodSeconds" 10 "timeoutSeconds" 1 "failureThreshold" 3) -}}
{{- end -}}
{{- end -}}
{{- range $pod.initContainers -}}
{{- $_ := mergeOverwrite . (dict "image" $image "imagePullPolicy" "IfNotPresent") -}}
{{- end -}}
{{- $_ := set $pod "containers" (list $container) -}}
{{- $_ := set $pod "serviceAccountName" .account -}}
{{- $_ := set $pod "priorityClassName" ($values.priorityClassName | default .root.Values.global.priorityClassName) -}}
{{- range $key := list "nodeSelector" "tolerations" "affinity" "topologySpreadConstraints" -}}
{{- with index $values $key }}{{ $_ := set $pod $key . }}{{ end -}}
{{- end -}}
apiVersion: apps/v1
kind: {{ .kind }}
metadata:
  name: {{ .name }}
  namespace: {{ .root.Release.Namespace }}
  labels: {{ toJson .labels }}
spec:
  replicas: {{ $values.replicas | default 1 }}
  {{- if eq .kind "StatefulSet" }}
  serviceName: {{ .name }}
  {{- end }}
  selector: {matchLabels: {{ toJson .labels }}}
  template:
    metadata:
      labels: {{ toJson .labels }}
    spec: {{ toJson $pod }}
---
{{ end -}}

{{- define "image" -}}
{{ .repository }}:{{ .tag }}
{{- end -}}

{{- /* An account with what Argo CD's own manifests allow a part. root, account, name, roles; hook for that of a job. */ -}}
{{- define "account" -}}
{{- $about := dict "namespace" .root.Release.Namespace -}}
{{- with .hook }}{{ $_ := set $about "annotations" . }}{{ end -}}
{{- $subjects := list (dict "kind" "ServiceAccount" "name" .account "namespace" .root.Release.Namespace) -}}
apiVersion: v1
kind: ServiceAccount
metadata: {{ merge (dict "name" .account) $about | toJson }}
---
{{- $all := . }}
{{- range $kind, $rules := .roles }}
apiVersion: rbac.authorization.k8s.io/v1
kind: {{ $kind }}
metadata: {{ merge (dict "name" $all.name) $about | toJson }}
rules: {{ toJson $rules }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: {{ $kind }}Binding
metadata: {{ merge (dict "name" $all.name) $about | toJson }}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: {{ $kind }}, name: {{ $all.name }}}
subjects: {{ toJson $subjects }}
---
{{- end }}
{{ end -}}
