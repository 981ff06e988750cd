{{/* The name of everything. Short, so that what is put behind it still fits into a label (63). */}}
{{- define "storage-element.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "storage-element.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "storage-element.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{ include "storage-element.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: artstore
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* Only the element's own pod has this one: no Service shall lead to a Job's. */}}
{{- define "storage-element.element" -}}
{{ include "storage-element.selector" . }}
app.kubernetes.io/component: element
{{- end -}}

{{- define "storage-element.image" -}}
{{- $name := printf "%s/%s/storage-element" .Values.image.registry .Values.image.repositoryPrefix -}}
{{- if .Values.image.digest -}}
{{ $name }}@{{ .Values.image.digest }}
{{- else -}}
{{ $name }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}
{{- end -}}

{{- define "storage-element.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{ .Values.serviceAccount.name | default (include "storage-element.fullname" .) }}
{{- else -}}
{{ .Values.serviceAccount.name | default "default" }}
{{- end -}}
{{- end -}}

{{- define "storage-element.claim" -}}
{{ .Values.persistence.existingClaim | default (printf "%s-data" (include "storage-element.fullname" .)) }}
{{- end -}}

{{- define "storage-element.tlsSecret" -}}
{{ .Values.tls.existingSecret | default (printf "%s-tls" (include "storage-element.fullname" .)) }}
{{- end -}}

{{- define "storage-element.ticketSecret" -}}
{{ .Values.ticketKey.existingSecret | default (printf "%s-ticket-key" (include "storage-element.fullname" .)) }}
{{- end -}}

{{/* The first name that it is called by; the Service's where only addresses are known, or the certificate is not ours. */}}
{{- define "storage-element.host" -}}
{{- $fallback := printf "%s.%s.svc" (include "storage-element.fullname" .) .Release.Namespace -}}
{{- concat .Values.tlsRoute.hostnames .Values.tls.certificate.dnsNames .Values.tls.certificate.ipAddresses (list $fallback) | first -}}
{{- end -}}

{{/* What the commands need to know as well: whose disk, and where. */}}
{{- define "storage-element.dataRoot" -}}
- name: SE_STORAGE_ID
  value: {{ .Values.storageId | quote }}
- name: SE_DATA_DIR
  # A directory of the volume, not the volume itself: what else lies there (lost+found, the keys) is not the element's.
  value: /data/element
{{- with .Values.env.SE_BALLAST_BYTES }}
- name: SE_BALLAST_BYTES
  value: {{ . | quote }}
{{- end }}
{{- end -}}

{{- define "storage-element.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
# Not each of millions of files at each start.
fsGroupChangePolicy: OnRootMismatch
seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{- define "storage-element.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
runAsNonRoot: true
capabilities: {drop: [ALL]}
{{- end -}}

{{/* What every pod of this chart shares, the element's and a Job's. */}}
{{- define "storage-element.pod" -}}
serviceAccountName: {{ include "storage-element.serviceAccount" . }}
automountServiceAccountToken: false
enableServiceLinks: false
securityContext: {{- include "storage-element.podSecurity" . | nindent 2 }}
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
{{- range . }}
  - name: {{ . }}
{{- end }}
{{- end }}
{{- with .Values.pod.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .Values.pod.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.pod.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}
