{{/*
A Job whose name follows from what it does, so that a changed one is another: Kubernetes lets no Job's pods be changed.
Not a hook: a pre-install hook would run before a bundled database is there, and a post-install one would keep
`helm install --wait` waiting for pods that wait for it. Takes a dict: root, component, spec (of the pod, YAML).
*/}}
{{- define "artstore.job" -}}
{{- $spec := include .pod . -}}
{{- $labels := include "artstore.podLabels" . -}}
apiVersion: batch/v1
kind: Job
metadata:
  name: {{ include "artstore.fullname" .root }}-{{ .component }}-{{ printf "%s\n%s" $labels $spec | sha256sum | trunc 8 }}
  labels:
    {{- include "artstore.labels" . | nindent 4 }}
spec:
  # A try that fails (the database is not there yet, say) is tried again, with longer and longer pauses.
  backoffLimit: 30
  activeDeadlineSeconds: {{ .root.Values.jobs.deadlineSeconds }}
  template:
    metadata:
      labels:
        {{- $labels | nindent 8 }}
    spec:
      restartPolicy: OnFailure
      enableServiceLinks: false
      {{- include "artstore.pullSecrets" .root | nindent 6 }}
      {{- $spec | nindent 6 }}
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
