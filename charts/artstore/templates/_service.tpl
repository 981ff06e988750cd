{{/*
A service: Deployment, Service, disruption budget, autoscaler. Takes a dict:
root; component, image, command; prefix, port; values (of the component); secret (its name among `secrets.existing`), keys of it;
env (more variables, YAML); waits (whether it has a schema to wait for); volumes, mounts (more of them, YAML);
oneNode (its pods share a volume of one node); store (its pods have the renditions).
*/}}
{{- define "artstore.service" -}}
{{- $name := printf "%s-%s" (include "artstore.fullname" .root) .component -}}
{{- $pod := .root.Values.pod -}}
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ $name }}
  labels:
    {{- include "artstore.labels" . | nindent 4 }}
spec:
  {{- if not .values.autoscaling.enabled }}
  replicas: {{ .values.replicas }}
  {{- end }}
  revisionHistoryLimit: 5
  strategy:
    rollingUpdate: {maxSurge: 1, maxUnavailable: 0}
  selector:
    matchLabels:
      {{- include "artstore.componentSelector" . | nindent 6 }}
  template:
    metadata:
      labels:
        {{- include "artstore.podLabels" . | nindent 8 }}
        {{- if .store }}
        artstore/renditions: "true"
        {{- end }}
        {{- with $pod.labels }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      {{- with $pod.annotations }}
      annotations:
        {{- toYaml . | nindent 8 }}
      {{- end }}
    spec:
      serviceAccountName: {{ include "artstore.fullname" .root }}
      automountServiceAccountToken: false
      enableServiceLinks: false
      terminationGracePeriodSeconds: {{ $pod.terminationGracePeriodSeconds }}
      {{- include "artstore.pullSecrets" .root | nindent 6 }}
      securityContext:
        {{- include "artstore.podSecurity" . | nindent 8 }}
      {{- include "artstore.placement" . | nindent 6 }}
      {{- if .waits }}
      initContainers:
        {{- include "artstore.waitForSchema" . | nindent 8 }}
      {{- end }}
      containers:
        - name: {{ .component }}
          image: {{ include "artstore.image" . }}
          imagePullPolicy: {{ .root.Values.image.pullPolicy }}
          args: [{{ .command }}]
          ports:
            - {name: http, containerPort: {{ .port }}}
          env:
            {{- include "artstore.serviceEnv" . | nindent 12 }}
            {{- include "artstore.moreEnv" . | nindent 12 }}
          startupProbe:
            httpGet: {path: /health/live, port: http}
            periodSeconds: 2
            timeoutSeconds: 5
            failureThreshold: 60
          livenessProbe:
            httpGet: {path: /health/live, port: http}
            periodSeconds: 10
            timeoutSeconds: 5
            failureThreshold: 6
          readinessProbe:
            httpGet: {path: /health/ready, port: http}
            periodSeconds: 5
            timeoutSeconds: 4
            failureThreshold: 2
          resources:
            {{- toYaml .values.resources | nindent 12 }}
          securityContext:
            {{- include "artstore.containerSecurity" . | nindent 12 }}
          volumeMounts:
            - {name: secrets, mountPath: /etc/artstore/secrets, readOnly: true}
            - {name: state, mountPath: /var/lib/artstore}
            - {name: tmp, mountPath: /tmp}
            {{- if include "artstore.hasCa" .root }}
            - {name: ca, mountPath: /etc/artstore/ca, readOnly: true}
            {{- end }}
            {{- with .mounts }}
            {{- . | nindent 12 }}
            {{- end }}
      volumes:
        {{- include "artstore.secretVolume" . | nindent 8 }}
        - name: state
          emptyDir: {sizeLimit: 256Mi}
        - name: tmp
          emptyDir: {sizeLimit: 2Gi}
        {{- include "artstore.caVolume" .root | nindent 8 }}
        {{- with .volumes }}
        {{- . | nindent 8 }}
        {{- end }}
---
apiVersion: v1
kind: Service
metadata:
  name: {{ $name }}
  labels:
    {{- include "artstore.labels" . | nindent 4 }}
spec:
  {{- if .headless }}
  clusterIP: None
  {{- end }}
  selector:
    {{- include "artstore.componentSelector" . | nindent 4 }}
  ports:
    - {name: http, port: {{ .port }}, targetPort: http}
{{- if .values.disruption.enabled }}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  name: {{ $name }}
  labels:
    {{- include "artstore.labels" . | nindent 4 }}
spec:
  maxUnavailable: {{ .values.disruption.maxUnavailable }}
  # Pods that are not ready protect nothing.
  unhealthyPodEvictionPolicy: AlwaysAllow
  selector:
    matchLabels:
      {{- include "artstore.componentSelector" . | nindent 6 }}
{{- end }}
{{- if .values.autoscaling.enabled }}
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata:
  name: {{ $name }}
  labels:
    {{- include "artstore.labels" . | nindent 4 }}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: {{ $name }}}
  minReplicas: {{ .values.autoscaling.min }}
  maxReplicas: {{ .values.autoscaling.max }}
  metrics:
    - type: Resource
      resource:
        name: cpu
        target: {type: Utilization, averageUtilization: {{ .values.autoscaling.cpu }}}
{{- end }}
{{- end -}}

{{/* What the chart tells a service. */}}
{{- define "artstore.serviceEnv" -}}
- name: {{ .prefix }}_HOST
  value: 0.0.0.0
- name: {{ .prefix }}_PORT
  value: {{ .port | quote }}
- name: {{ .prefix }}_ISSUER
  value: {{ include "artstore.issuer" .root | quote }}
# In the place of a preStop sleep: while others hear of it, each answer also ends its connection.
- name: {{ .prefix }}_DRAIN_SECONDS
  value: {{ .root.Values.pod.preStopSeconds | quote }}
- name: {{ .prefix }}_TRUSTED_PROXIES
  value: {{ join "," .root.Values.trustedProxies | quote }}
{{- include "artstore.commonEnv" . | nindent 0 }}
{{- include "artstore.secretEnv" . | nindent 0 }}
{{- if include "artstore.hasCa" .root }}
- name: {{ .prefix }}_CA_FILE
  value: /etc/artstore/ca/ca.crt
{{- end }}
{{- with .env }}
{{- . | nindent 0 }}
{{- end }}
{{- include "artstore.tracingEnv" .root | nindent 0 }}
{{- end -}}

{{/* What the values add to it. Twice the same variable is refused by the API server, in words that name no value. */}}
{{- define "artstore.moreEnv" -}}
{{- $more := mergeOverwrite (dict) (.sharedEnv | default dict) .values.env -}}
{{- range include "artstore.serviceEnv" . | fromYamlArray -}}
{{- if hasKey $more .name -}}
{{- fail (printf "env of %s: %s is set by the chart itself, from a value of its own" $.component .name) -}}
{{- end -}}
{{- end -}}
{{- include "artstore.env" $more -}}
{{- end -}}

{{/* (root, prefix): settings of a service that checks other people's tokens */}}
{{- define "artstore.verifyingEnv" -}}
- name: {{ .prefix }}_JWKS_URL
  value: {{ include "artstore.adminUrl" .root }}/.well-known/jwks.json
- name: {{ .prefix }}_JWKS_CACHE_FILE
  value: /var/lib/artstore/jwks.json
- name: {{ .prefix }}_ADMIN_URL
  value: {{ include "artstore.adminUrl" .root }}
- name: {{ .prefix }}_PUBLIC_URL
  value: {{ include "artstore.publicUrl" .root | quote }}
{{- end -}}
