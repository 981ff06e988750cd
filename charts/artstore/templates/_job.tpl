{{/*
A Job whose name follows from what it does, so that a changed one is another: Kubernetes lets no Job's pods be changed.
Not a hook: a pre-install hook would run before a bundled database is there, and a post-install one would keep
`helm install --wait` waiting for pods that wait for it. Takes a dict: root, component, pod (the template of its pod's spec).
*/}}
{{- define "artstore.job" -}}
{{- $template := include "artstore.jobTemplate" . -}}
apiVersion: batch/v1
kind: Job
metadata:
  name: {{ include "artstore.fullname" .root }}-{{ .component }}-{{ $template | sha256sum | trunc 8 }}
  labels:
    {{- include "artstore.labels" . | nindent 4 }}
spec:
  # A try that fails (the database is not there yet, say) is tried again, with longer and longer pauses.
  backoffLimit: 30
  activeDeadlineSeconds: {{ .root.Values.jobs.deadlineSeconds }}
  template:
    {{- $template | nindent 4 }}
{{- end -}}

{{- define "artstore.jobTemplate" -}}
metadata:
  labels:
    {{- include "artstore.podLabels" . | nindent 4 }}
spec:
  restartPolicy: OnFailure
  enableServiceLinks: false
  {{- include "artstore.pullSecrets" .root | nindent 2 }}
  {{- include "artstore.nodes" .root.Values.pod | nindent 2 }}
  {{- include .pod . | nindent 2 }}
{{- end -}}

{{/* One command of a service's image. (root, component, image, prefix, command, secret, keys, env, wait…) */}}
{{- define "artstore.commandPod" -}}
serviceAccountName: {{ include "artstore.fullname" .root }}
automountServiceAccountToken: false
securityContext:
  {{- include "artstore.podSecurity" . | nindent 2 }}
{{- with .waitFor }}
# Waits until the database has what this is for.
initContainers:
  {{- include "artstore.waitForSchema" . | nindent 2 }}
{{- end }}
containers:
  - name: {{ .command }}
    image: {{ include "artstore.image" . }}
    imagePullPolicy: {{ .root.Values.image.pullPolicy }}
    args: [{{ .command }}]
    env:
      {{- include "artstore.commonEnv" . | nindent 6 }}
      {{- .env | nindent 6 }}
    resources:
      {{- toYaml .root.Values.jobs.resources | nindent 6 }}
    securityContext:
      {{- include "artstore.containerSecurity" . | nindent 6 }}
    volumeMounts:
      - {name: secrets, mountPath: /etc/artstore/secrets, readOnly: true}
      - {name: tmp, mountPath: /tmp}
      {{- if and .ca (include "artstore.hasCa" .root) }}
      - {name: ca, mountPath: /etc/artstore/ca, readOnly: true}
      {{- end }}
volumes:
  {{- include "artstore.secretVolume" . | nindent 2 }}
  - name: tmp
    emptyDir: {sizeLimit: 256Mi}
  {{- if .ca }}
  {{- include "artstore.caVolume" .root | nindent 2 }}
  {{- end }}
{{- end -}}
