{{- define "artstore.parentRefs" -}}
{{- if .Values.gateway.create -}}
- {name: {{ include "artstore.fullname" . }}, sectionName: https}
{{- else -}}
{{- if not .Values.gateway.parentRefs -}}
{{- fail "gateway.create is false, so gateway.parentRefs must say where the routes attach" -}}
{{- end -}}
{{- toYaml .Values.gateway.parentRefs -}}
{{- end -}}
{{- end -}}

{{/* The Gateway's name and namespace, for policies of it: its own, or the first of parentRefs. */}}
{{- define "artstore.gatewayName" -}}
{{- if .Values.gateway.create -}}
{{- include "artstore.fullname" . -}}
{{- else -}}
{{- (first .Values.gateway.parentRefs).name -}}
{{- end -}}
{{- end -}}

{{- define "artstore.xdsName" -}}
{{- .Values.gateway.patches.xdsName | default (printf "%s/%s/https" .Release.Namespace (include "artstore.gatewayName" .)) -}}
{{- end -}}

{{/* Names of the HTTPRoutes to elements, as JSON: `parts` of uploads, and files' `bytes` where downloads are redirected. */}}
{{- define "artstore.elementRoutes" -}}
{{- $parts := list -}}
{{- $bytes := list -}}
{{- if and .Values.gateway.enabled .Values.gateway.envoyGateway -}}
{{- range .Values.elements -}}
{{- if .route -}}
{{- $parts = append $parts (printf "element-%s-parts" .id) -}}
{{- if $.Values.gateway.patches.redirect }}{{ $bytes = append $bytes (printf "element-%s-bytes" .id) }}{{ end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- dict "parts" $parts "bytes" $bytes | toJson -}}
{{- end -}}

{{/* Whether the short cut of downloads is on: where no element has a route, nobody is told of any. */}}
{{- define "artstore.redirects" -}}
{{- if (include "artstore.elementRoutes" . | fromJson).bytes -}}true{{- end -}}
{{- end -}}

{{/* (root, name): the head of an HTTPRoute's spec */}}
{{- define "artstore.routeHead" -}}
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata:
  name: {{ include "artstore.fullname" .root }}-{{ .name }}
  labels:
    {{- include "artstore.labels" (dict "root" .root "component" "gateway") | nindent 4 }}
spec:
  parentRefs:
    {{- include "artstore.parentRefs" .root | nindent 4 }}
  hostnames: [{{ include "artstore.host" .root | quote }}]
{{- end -}}

{{/* (root, kind, name): the head of a policy of Envoy Gateway */}}
{{- define "artstore.policyHead" -}}
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: {{ .kind }}
metadata:
  name: {{ include "artstore.fullname" .root }}{{ with .name }}-{{ . }}{{ end }}
  labels:
    {{- include "artstore.labels" (dict "root" .root "component" "gateway") | nindent 4 }}
{{- end -}}

{{/* (root, names): the HTTPRoutes that a policy is for */}}
{{- define "artstore.targets" -}}
{{- $name := include "artstore.fullname" .root -}}
{{- range .names }}
- {group: gateway.networking.k8s.io, kind: HTTPRoute, name: {{ $name }}-{{ . }}}
{{- end }}
{{- end -}}

{{/* Of a BackendTrafficPolicy: bytes of any length, with no buffering and no limit in time but for standing still. */}}
{{- define "artstore.streaming" -}}
connection: {bufferLimit: 1Mi}
timeout:
  tcp: {connectTimeout: 2s}
  http:
    requestTimeout: 0s
    connectionIdleTimeout: 60s
    # Said here, or the ClientTrafficPolicy's counts, which is for requests that send no file.
    streamIdleTimeout: {{ .Values.gateway.limits.bytesIdleTimeout }}
{{- end -}}
