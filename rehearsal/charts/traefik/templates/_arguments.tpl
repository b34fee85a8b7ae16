{{- /* What Traefik is told, as the real chart says it for these values: one argument a line. */ -}}
{{- define "arguments" -}}
--global.checkNewVersion={{ .Values.global.checkNewVersion }}
{{- range $name, $port := .Values.ports }}
--entryPoints.{{ $name }}.address=:{{ $port.port }}/{{ lower $port.protocol }}
{{- with $port.http }}
{{- with (.redirections | default dict).entryPoint }}
--entryPoints.{{ $name }}.http.redirections.entryPoint.to=:{{ (index $.Values.ports .to).exposedPort }}
--entryPoints.{{ $name }}.http.redirections.entryPoint.scheme={{ .scheme }}
--entryPoints.{{ $name }}.http.redirections.entryPoint.permanent={{ .permanent }}
{{- end }}
{{- if (.tls | default dict).enabled }}
--entryPoints.{{ $name }}.http.tls=true
{{- end }}
{{- end }}
{{- with ($port.forwardedHeaders | default dict).trustedIPs }}
--entryPoints.{{ $name }}.forwardedHeaders.trustedIPs={{ join "," . }}
{{- end }}
{{- with ($port.proxyProtocol | default dict).trustedIPs }}
--entryPoints.{{ $name }}.proxyProtocol.trustedIPs={{ join "," . }}
{{- end }}
{{- end }}
{{- if .Values.api.dashboard }}
--api.dashboard=true
{{- end }}
--ping=true
{{- with .Values.metrics.prometheus }}
--metrics.prometheus=true
--metrics.prometheus.entrypoint={{ .entryPoint }}
{{- end }}
{{- $providers := dict "kubernetescrd" .Values.providers.kubernetesCRD "kubernetesingress" .Values.providers.kubernetesIngress }}
{{- range $name, $provider := $providers }}
{{- if $provider.enabled }}
--providers.{{ $name }}
--providers.{{ $name }}.allowEmptyServices={{ $provider.allowEmptyServices }}
{{- range $key := list "allowCrossNamespace" "allowExternalNameServices" "defaultTLSResourcesNamespace" "ingressClass" "labelSelector" "nativeLBByDefault" }}
{{- with index $provider $key }}
--providers.{{ $name }}.{{ $key }}={{ . }}
{{- end }}
{{- end }}
{{- range $key := list "crossProviderNamespaces" "namespaces" }}
{{- with index $provider $key }}
--providers.{{ $name }}.{{ $key }}={{ join "," . }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- if and .Values.providers.kubernetesIngress.enabled .Values.service.enabled }}
--providers.kubernetesingress.ingressendpoint.publishedservice={{ .Release.Namespace }}/{{ include "fullname" . }}
{{- end }}
--log.level={{ .Values.log.level }}
{{- if .Values.accessLog.enabled }}
--accesslog=true
{{- end }}
{{- range .Values.additionalArguments }}
{{ . }}
{{- end }}
{{- end -}}
