{{/* Names, labels, images, and the parts that every pod has. */}}

{{- define "artstore.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else if contains "artstore" .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-artstore" .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* What selects all pods of the release. */}}
{{- define "artstore.selector" -}}
app.kubernetes.io/name: artstore
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{/* (root, component) */}}
{{- define "artstore.componentSelector" -}}
{{ include "artstore.selector" .root }}
app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{/* (root, component) */}}
{{- define "artstore.labels" -}}
{{ include "artstore.componentSelector" . }}
app.kubernetes.io/version: {{ .root.Values.image.tag | default .root.Chart.AppVersion | quote }}
app.kubernetes.io/part-of: artstore
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
{{- with .root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* (root, component): without the chart's version, with which no pod changes */}}
{{- define "artstore.podLabels" -}}
{{ include "artstore.componentSelector" . }}
app.kubernetes.io/version: {{ .root.Values.image.tag | default .root.Chart.AppVersion | quote }}
app.kubernetes.io/part-of: artstore
{{- with .root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* The key of admin's Secret that holds the file for `bootstrap`: its name follows from the list of elements, so that the
Job waits until the maker of secrets has written this very list. */}}
{{- define "artstore.bootstrapKey" -}}
{{- if .Values.secrets.existing.admin -}}
bootstrap.json
{{- else -}}
bootstrap-{{ .Values.elements | toJson | sha256sum | trunc 8 }}.json
{{- end -}}
{{- end -}}

{{/* (root, image) */}}
{{- define "artstore.image" -}}
{{- $image := .root.Values.image -}}
{{- printf "%s/%s/%s:%s" $image.registry $image.repositoryPrefix .image ($image.tag | default .root.Chart.AppVersion) -}}
{{- end -}}

{{- define "artstore.postgresImage" -}}
{{- printf "%s/%s:%s" .Values.image.registry .Values.postgresql.repository (toString .Values.postgresql.tag) -}}
{{- end -}}

{{- define "artstore.host" -}}
{{- required "gateway.host must be set: the public name, which clients' urls and the tokens' issuer follow from" .Values.gateway.host -}}
{{- end -}}

{{- define "artstore.publicUrl" -}}
https://{{ include "artstore.host" . }}
{{- end -}}

{{- define "artstore.issuer" -}}
{{- .Values.gateway.issuer | default (include "artstore.publicUrl" .) -}}
{{- end -}}

{{- define "artstore.adminUrl" -}}
http://{{ include "artstore.fullname" . }}-admin:8000
{{- end -}}

{{/* (root, name): the Secret of a service, or of `migrations` or `database` */}}
{{- define "artstore.secret" -}}
{{- $given := get .root.Values.secrets.existing .name -}}
{{- if $given -}}
{{- $given -}}
{{- else if .root.Values.secrets.create -}}
{{- printf "%s-%s" (include "artstore.fullname" .root) .name -}}
{{- else -}}
{{- fail (printf "secrets.create is false, so secrets.existing.%s must name a Secret" .name) -}}
{{- end -}}
{{- end -}}

{{- define "artstore.databaseHost" -}}
{{- if .Values.database.bundled -}}
{{ include "artstore.fullname" . }}-postgresql
{{- else -}}
{{ required "database.host must be set where PostgreSQL is not bundled" .Values.database.host }}
{{- end -}}
{{- end -}}

{{- define "artstore.setsUpDatabase" -}}
{{- if or .Values.database.bundled .Values.database.setup.enabled -}}true{{- end -}}
{{- end -}}

{{- define "artstore.pullSecrets" -}}
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- end -}}

{{/* Pod Security, profile "restricted". */}}
{{- define "artstore.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
fsGroupChangePolicy: OnRootMismatch
seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{- define "artstore.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
runAsNonRoot: true
capabilities: {drop: [ALL]}
{{- end -}}

{{/* (name, value): variables from a map, in the order of their names */}}
{{- define "artstore.env" -}}
{{- range $name, $value := . }}
- name: {{ $name }}
  value: {{ $value | quote }}
{{- end }}
{{- end -}}

{{- define "artstore.hasCa" -}}
{{- if or .Values.elementsCa.existingSecret .Values.elementsCa.existingConfigMap -}}true{{- end -}}
{{- end -}}

{{- define "artstore.caVolume" -}}
{{- if .Values.elementsCa.existingSecret }}
- name: ca
  secret:
    secretName: {{ .Values.elementsCa.existingSecret }}
    items: [{key: {{ .Values.elementsCa.key | quote }}, path: ca.crt}]
{{- else if .Values.elementsCa.existingConfigMap }}
- name: ca
  configMap:
    name: {{ .Values.elementsCa.existingConfigMap }}
    items: [{key: {{ .Values.elementsCa.key | quote }}, path: ca.crt}]
{{- end }}
{{- end -}}
