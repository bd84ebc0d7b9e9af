# This node in the API: registration, readiness and lease, as a kubelet keeps them.
# shellcheck shell=dash disable=SC2034,SC2154 # variables of the other parts

register_node() {
  local object code
  object=$(node_object)
  until
    api POST /api/v1/nodes "$object" >"/run/k3s/registration"
    code=$STATUS
    [ "$code" = 201 ] || [ "$code" = 409 ]
  do
    sleep 0.2 &
    wait $!
  done
  if [ "$code" = 409 ]; then
    until api PATCH "/api/v1/nodes/$NODE_NAME" "$(printf %s "$object" | jq 'del(.spec)')" application/merge-patch+json >/dev/null; do
      sleep 0.2 &
      wait $!
    done
  fi
  until_true 30 "the node's status" report_node
  # The kubelet's own line; it logs in klog's format.
  printf '%s       1 kubelet_node_status.go:74] Successfully registered node %s\n' "$(date -u +I%m%d\ %H:%M:%S.000000)" "$NODE_NAME" >&2
}

node_object() {
  jq -n --arg name "$NODE_NAME" --arg host "$(hostname)" --arg labels "$NODE_LABELS" --arg taints "$NODE_TAINTS" --arg role "$ROLE" \
    --arg arguments "$ARGUMENTS" --arg ip "$NODE_IP" --arg etcd "$CLUSTER_INIT$URL" '
    def pairs: split("\n") | map(select(. != ""));
    {apiVersion: "v1", kind: "Node", metadata: {
      name: $name,
      labels: ({
        "beta.kubernetes.io/arch": "amd64", "beta.kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64", "kubernetes.io/os": "linux",
        "kubernetes.io/hostname": $name, "node.kubernetes.io/instance-type": "k3s", "beta.kubernetes.io/instance-type": "k3s"
      } + (if $role == "server" then {"node-role.kubernetes.io/control-plane": "true", "node-role.kubernetes.io/master": "true"} else {} end)
        + (if $role == "server" and $etcd != "" then {"node-role.kubernetes.io/etcd": "true"} else {} end)
        + ($labels | pairs | map(capture("^(?<key>[^=]*)=?(?<value>.*)$")) | from_entries)),
      annotations: {
        "k3s.io/hostname": $host, "k3s.io/internal-ip": $ip, "k3s.io/node-args": ($arguments | split(" ") | tojson)
      }
    }, spec: {
      taints: ($taints | pairs | map(capture("^(?<key>[^=:]*)=?(?<value>[^:]*):(?<effect>.*)$")))
    }}'
}

report_node() {
  api PATCH "/api/v1/nodes/$NODE_NAME/status" "$(node_status)" application/strategic-merge-patch+json >/dev/null && renew_lease
}

node_status() {
  jq -n --arg ip "$NODE_IP" --arg host "$(hostname)" --arg now "$(date -u +%Y-%m-%dT%H:%M:%SZ)" --arg version "$VERSION" \
    --arg memory "$(awk '/^MemTotal:/ { print $2 "Ki" }' /proc/meminfo)" --arg cpu "$(nproc)" --arg kernel "$(uname -r)" \
    --arg machine "$(cat /etc/machine-id 2>/dev/null)" --arg boot "$(cat /proc/sys/kernel/random/boot_id)" --arg containerd "$CONTAINERD_VERSION" '
    {cpu: $cpu, memory: $memory, pods: "110"} as $capacity
    | def condition(type; status; reason; message):
        {type: type, status: status, reason: reason, message: message, lastHeartbeatTime: $now, lastTransitionTime: $now};
      {status: {
        capacity: $capacity, allocatable: $capacity,
        addresses: [{type: "InternalIP", address: $ip}, {type: "Hostname", address: $host}],
        conditions: [
          condition("MemoryPressure"; "False"; "KubeletHasSufficientMemory"; "kubelet has sufficient memory available"),
          condition("DiskPressure"; "False"; "KubeletHasNoDiskPressure"; "kubelet has no disk pressure"),
          condition("PIDPressure"; "False"; "KubeletHasSufficientPID"; "kubelet has sufficient PID available"),
          condition("Ready"; "True"; "KubeletReady"; "stand-in for tests: there is no kubelet")
        ],
        nodeInfo: {
          architecture: "amd64", operatingSystem: "linux", bootID: $boot, machineID: $machine, systemUUID: $machine, kernelVersion: $kernel,
          osImage: "Berth stand-in for k3s", containerRuntimeVersion: "containerd://\($containerd)", kubeletVersion: $version,
          kubeProxyVersion: $version
        }
      }}'
}

renew_lease() {
  local lease
  lease=$(jq -n --arg name "$NODE_NAME" --arg now "$(date -u +%Y-%m-%dT%H:%M:%S.000000Z)" '{
    apiVersion: "coordination.k8s.io/v1", kind: "Lease", metadata: {name: $name, namespace: "kube-node-lease"},
    spec: {holderIdentity: $name, leaseDurationSeconds: 40, renewTime: $now}}')
  api PATCH "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/$NODE_NAME" "$lease" application/merge-patch+json >/dev/null ||
    api POST /apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases "$lease" >/dev/null
}

# Every ten seconds the lease, and the status once in a while. An agent whose server is gone asks the next one.
keep_node() {
  local round=0
  while :; do
    sleep 10
    round=$((round + 1))
    if [ $((round % 30)) = 0 ]; then report_node; else renew_lease; fi || reach_a_server
    [ "$ROLE" = server ] || remember_servers
  done
}
