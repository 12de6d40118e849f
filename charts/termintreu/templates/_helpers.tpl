{{/* SPDX-License-Identifier: Apache-2.0 */}}

{{/* Labels of every object. */}}
{{- define "termintreu.labels" -}}
app.kubernetes.io/name: termintreu
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{- define "termintreu.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}

{{/* Pods of operator and sentinel run as nobody, with nothing to gain. */}}
{{- define "termintreu.pod" -}}
automountServiceAccountToken: true
enableServiceLinks: false
terminationGracePeriodSeconds: 15
securityContext:
  runAsNonRoot: true
  runAsUser: 65532
  runAsGroup: 65532
  seccompProfile:
    type: RuntimeDefault
{{- with .Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "termintreu.container" -}}
image: {{ include "termintreu.image" . }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
livenessProbe:
  httpGet:
    path: /healthz
    port: probes
  initialDelaySeconds: 10
  periodSeconds: 20
readinessProbe:
  httpGet:
    path: /readyz
    port: probes
  periodSeconds: 10
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities:
    drop: [ALL]
{{- end }}

{{/*
An object of config/, so that kustomize and Helm never differ in it: the labels of the release, its namespace for what is
namespaced, for the subjects of bindings and where a rule names the operator. Takes the root and the text of one YAML document.
*/}}
{{- define "termintreu.object" -}}
{{- $root := index . 0 -}}
{{- $object := fromYaml (index . 1 | replace "termintreu-system" $root.Release.Namespace) -}}
{{- $labels := merge (fromYaml (include "termintreu.labels" $root)) ($object.metadata.labels | default dict) -}}
{{- $_ := set $object.metadata "labels" $labels -}}
{{- if not (has $object.kind (list "ClusterRole" "ClusterRoleBinding" "ValidatingAdmissionPolicy" "ValidatingAdmissionPolicyBinding")) -}}
{{- $_ := set $object.metadata "namespace" $root.Release.Namespace -}}
{{- end -}}
{{- range $object.subjects -}}
{{- $_ := set . "namespace" $root.Release.Namespace -}}
{{- end -}}
{{ toYaml $object }}
{{- end }}

{{/* All objects of some files of config/. Takes the root and the names of the files. */}}
{{- define "termintreu.files" -}}
{{- $root := index . 0 -}}
{{- range index . 1 -}}
{{- $file := $root.Files.Get . | required (printf "the chart lacks %s: package it from a whole checkout" .) -}}
{{- range regexSplit "(?m)^---\\n" $file -1 }}
---
{{ include "termintreu.object" (list $root .) }}
{{- end -}}
{{- end -}}
{{- end }}
