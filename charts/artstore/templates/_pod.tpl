{{/* What pods of services and Jobs are made of. */}}

{{/* (root, prefix): settings that every service has */}}
{{- define "artstore.commonEnv" -}}
- name: {{ .prefix }}_LOG_LEVEL
  value: {{ .root.Values.logging.level }}
- name: {{ .prefix }}_LOG_FORMAT
  value: {{ .root.Values.logging.format }}
{{- end -}}

{{- define "artstore.tracingEnv" -}}
{{- with .Values.tracing }}
{{- if .endpoint }}
- name: OTEL_EXPORTER_OTLP_ENDPOINT
  value: {{ .endpoint | quote }}
- name: OTEL_TRACES_SAMPLER
  value: parentbased_traceidratio
- name: OTEL_TRACES_SAMPLER_ARG
  value: {{ divf .samplePercent 100 | quote }}
{{- end }}
{{- end }}
{{- end -}}

{{/* (prefix, keys): `<PREFIX>_<NAME>_FILE` for each of the Secret's keys */}}
{{- define "artstore.secretEnv" -}}
{{- $prefix := .prefix -}}
{{- range .keys }}
- name: {{ $prefix }}_{{ . | upper }}_FILE
  value: /etc/artstore/secrets/{{ . }}
{{- end }}
{{- end -}}

{{/* (root, secret, keys, bootstrap): those keys of it, and no others */}}
{{- define "artstore.secretVolume" -}}
- name: secrets
  secret:
    secretName: {{ include "artstore.secret" (dict "root" .root "name" .secret) }}
    defaultMode: 0440
    items:
      {{- range .keys }}
      - {key: {{ . }}, path: {{ . }}}
      {{- end }}
      {{- with .bootstrap }}
      - {key: {{ . }}, path: bootstrap.json}
      {{- end }}
{{- end -}}

{{/* (root, component, image, prefix, key): waits until the database has the schema of this version */}}
{{- define "artstore.waitForSchema" -}}
- name: wait-for-schema
  image: {{ include "artstore.image" . }}
  imagePullPolicy: {{ .root.Values.image.pullPolicy }}
  args: [wait-for-schema, --seconds, {{ .root.Values.jobs.waitSeconds | quote }}{{ with .extra }}, {{ . }}{{ end }}]
  env:
    - name: {{ .prefix }}_DATABASE_URL_FILE
      value: /etc/artstore/secrets/database_url
    {{- include "artstore.commonEnv" . | nindent 4 }}
  resources:
    {{- toYaml .root.Values.jobs.resources | nindent 4 }}
  securityContext:
    {{- include "artstore.containerSecurity" . | nindent 4 }}
  volumeMounts:
    - {name: secrets, mountPath: /etc/artstore/secrets, readOnly: true}
    - {name: tmp, mountPath: /tmp}
{{- end -}}

{{/* (nodeSelector, tolerations, priorityClassName): what every pod needs to find a node, Jobs' and PostgreSQL's too */}}
{{- define "artstore.nodes" -}}
{{- with .nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- end -}}

{{/* (root, component, values): where a service's pods go */}}
{{- define "artstore.placement" -}}
{{- $pod := mergeOverwrite (deepCopy .root.Values.pod) (pick .values "nodeSelector" "tolerations" "affinity" "topologySpreadConstraints" "priorityClassName") -}}
{{- include "artstore.nodes" $pod }}
{{- if $pod.affinity }}
affinity:
  {{- toYaml $pod.affinity | nindent 2 }}
{{- else if .oneNode }}
affinity:
  # A volume of the mode ReadWriteOnce is mounted on one node: all pods that need it go there.
  podAffinity:
    requiredDuringSchedulingIgnoredDuringExecution:
      - topologyKey: kubernetes.io/hostname
        labelSelector:
          matchLabels:
            {{- include "artstore.selector" .root | nindent 12 }}
            artstore/renditions: "true"
{{- end }}
{{- if $pod.topologySpreadConstraints }}
topologySpreadConstraints:
  {{- toYaml $pod.topologySpreadConstraints | nindent 2 }}
{{- else if not .oneNode }}
topologySpreadConstraints:
  {{- range list "topology.kubernetes.io/zone" "kubernetes.io/hostname" }}
  - maxSkew: 1
    topologyKey: {{ . }}
    whenUnsatisfiable: ScheduleAnyway
    matchLabelKeys: [pod-template-hash]
    labelSelector:
      matchLabels:
        {{- include "artstore.componentSelector" $ | nindent 8 }}
  {{- end }}
{{- end }}
{{- end -}}
