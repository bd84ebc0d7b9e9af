{{- define "berth.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" }}
{{- end }}

{{- define "berth.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" }}
{{- else if contains (include "berth.name" .) .Release.Name }}
{{- .Release.Name | trunc 40 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name (include "berth.name" .) | trunc 40 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "berth.selectorLabels" -}}
app.kubernetes.io/name: {{ include "berth.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "berth.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{ include "berth.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: berth
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{- /* Call with a list: the image's values and the root context. */}}
{{- define "berth.image" -}}
{{- $image := index . 0 }}
{{- $root := index . 1 }}
{{- $name := $image.repository }}
{{- if $image.registry }}
{{- $name = printf "%s/%s" $image.registry $image.repository }}
{{- end }}
{{- if $image.digest }}
{{- printf "%s@%s" $name $image.digest }}
{{- else }}
{{- printf "%s:%s" $name (default $root.Chart.AppVersion $image.tag) }}
{{- end }}
{{- end }}

{{- /* The registries.yaml of the values: `registries`, or `application.registries` as earlier charts had it. */}}
{{- define "berth.registriesDocument" -}}
{{- $registries := .Values.registries }}
{{- if and (not $registries) .Values.application }}
{{- $registries = .Values.application.registries }}
{{- end }}
{{- if kindIs "string" $registries }}
{{- $registries }}
{{- else if $registries }}
{{- toYaml $registries }}
{{- end }}
{{- end }}

{{- define "berth.containerSecurityContext" -}}
allowPrivilegeEscalation: false
capabilities:
  drop: [ALL]
readOnlyRootFilesystem: true
{{- end }}

{{- define "berth.podSecurityContext" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{- define "berth.operatorEnv" -}}
- name: BERTH_NAMESPACE
  valueFrom:
    fieldRef:
      fieldPath: metadata.namespace
- name: BERTH_CHART_MANIFESTS
  value: {{ include "berth.fullname" . }}-manifests
- name: BERTH_LOG_FORMAT
  value: {{ .Values.operator.logFormat }}
- name: BERTH_LOG_LEVEL
  value: {{ .Values.operator.logLevel | quote }}
{{- end }}
