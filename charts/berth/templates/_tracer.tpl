{{- define "berth.tracer.name" -}}
{{ include "berth.fullname" . }}-tracer
{{- end }}

{{- define "berth.tracer.serverLabels" -}}
{{ include "berth.selectorLabels" . }}
app.kubernetes.io/component: tracer-server
{{- end }}

{{- define "berth.tracer.agentLabels" -}}
{{ include "berth.selectorLabels" . }}
app.kubernetes.io/component: tracer-agent
{{- end }}

{{- /* The runtime of the nodes: as told, else as the server's version tells it; auto looks at every usual place. */}}
{{- define "berth.tracer.runtime" -}}
{{- $version := .Capabilities.KubeVersion.Version }}
{{- if ne .Values.tracer.runtime "auto" }}
{{- .Values.tracer.runtime }}
{{- else if ne .Values.distribution "auto" }}
{{- .Values.distribution }}
{{- else if contains "+k3s" $version }}k3s
{{- else if contains "+rke2" $version }}rke2
{{- else if contains "+k0s" $version }}k0s
{{- else }}auto
{{- end }}
{{- end }}

{{- /* Folders of the host that hold sockets: a restarted runtime makes a new socket, which a mounted one would not be. */}}
{{- define "berth.tracer.socketFolders" -}}
{{- $runtime := include "berth.tracer.runtime" . }}
{{- if .Values.tracer.agent.socket }}
{{- dir .Values.tracer.agent.socket }}
{{- else if or (eq $runtime "k3s") (eq $runtime "rke2") }}/run/k3s/containerd
{{- else if eq $runtime "containerd" }}/run/containerd
{{- else if eq $runtime "k0s" }}/run/k0s
{{- else if eq $runtime "microk8s" }}/var/snap/microk8s/common/run
{{- else }}/run/containerd /run/k3s/containerd /run/k0s
{{- end }}
{{- end }}

{{- /* The folder of hosts.toml files, which hold no credentials. */}}
{{- define "berth.tracer.certsD" -}}
{{- $runtime := include "berth.tracer.runtime" . }}
{{- if .Values.tracer.agent.certsD }}
{{- .Values.tracer.agent.certsD }}
{{- else if eq $runtime "k3s" }}/var/lib/rancher/k3s/agent/etc/containerd/certs.d
{{- else if eq $runtime "rke2" }}/var/lib/rancher/rke2/agent/etc/containerd/certs.d
{{- else if eq $runtime "microk8s" }}/var/snap/microk8s/current/args/certs.d
{{- else }}/etc/containerd/certs.d
{{- end }}
{{- end }}

{{- /* Every agent reports to every server, each by a name that stays. */}}
{{- define "berth.tracer.serverUrls" -}}
{{- $scheme := ternary "https" "http" (not (empty .Values.tracer.tls.secretName)) }}
{{- $name := include "berth.tracer.name" . }}
{{- $urls := list }}
{{- range $index := until (int .Values.tracer.server.replicas) }}
{{- $urls = append $urls (printf "%s://%s-%d.%s-servers.%s.svc:8080" $scheme $name $index $name $.Release.Namespace) }}
{{- end }}
{{- join "," $urls }}
{{- end }}

{{- /* Call with a list: the values of one component and the root context. */}}
{{- define "berth.tracer.placement" -}}
{{- $of := index . 0 }}
{{- $root := index . 1 }}
{{- with $root.Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $of.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with $of.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $of.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $of.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
