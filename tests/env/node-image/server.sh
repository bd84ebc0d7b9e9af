# A server: etcd, kube-apiserver, controllers, then the same as an agent.
# shellcheck shell=dash disable=SC2034,SC2154 # variables of the other parts

run_server() {
  [ -z "${K3S_DATASTORE_ENDPOINT:-}" ] ||
    fatal "starting kubernetes: preparing server: creating storage endpoint: building kine: there is no datastore but the own etcd here"
  start_containerd
  prepare_data
  make_certificates
  start_etcd
  announce_api_server
  # Alone, a member of three has no leader: the first server that starts again waits here for the second.
  until_true 600 etcd etcd_has_a_leader
  promote_etcd
  start_api_server
  until_true 120 kube-apiserver api_is_ready
  publish_join_data
  start_controllers
  info "k3s is up and running"
  wait_for_containerd
  register_node
  deploy_manifests &
  WATCHED="$WATCHED $!"
  keep_node &
  WATCHED="$WATCHED $!"
}

# The first server makes what all share; the others get it from one that runs, which checks their token.
prepare_data() {
  mkdir -p "$TLS"
  if [ -n "$URL" ] && [ ! -s "$TLS/service.key" ]; then
    [ -n "$TOKEN" ] || fatal "--token is required to join a cluster"
    join /api/v1/namespaces/kube-system/secrets/k3s-bootstrap
    local file
    for file in server-ca.crt server-ca.key client-ca.crt client-ca.key service.key; do
      (umask 077 && printf %s "$JOINED" | jq -r --arg file "$file" '.data[$file]' | base64 -d >"$TLS/$file")
    done
    SERVERS=$(join_request '/api/v1/nodes?labelSelector=node-role.kubernetes.io/etcd=true' | sed '$d' |
      jq -r '.items[].status.addresses[] | select(.type == "Hostname") | .address')
  fi
  make_authorities
  if [ -z "$TOKEN" ]; then
    [ -s "$DATA/server/password" ] || tr -dc a-f0-9 </dev/urandom | head -c 32 >"$DATA/server/password"
    TOKEN=$(cat "$DATA/server/password")
  fi
  (
    umask 077
    printf '%s,node,node,"system:masters"\n' "$TOKEN" >"$DATA/server/tokens.csv"
    printf 'K10%s::server:%s\n' "$(sha256sum "$TLS/server-ca.crt" | cut -d ' ' -f 1)" "$TOKEN" >"$DATA/server/token"
  )
  ln -sf "$DATA/server/token" "$DATA/server/node-token"
}

announce_api_server() {
  info "Running kube-apiserver --advertise-address=$NODE_IP --secure-port=6443"
  write_kubeconfig
  info "Waiting for API server to become available"
}

start_api_server() {
  component kube-apiserver "$PARTS/kube-apiserver" --etcd-servers "$ETCD" --bind-address 0.0.0.0 --advertise-address "$NODE_IP" \
    --secure-port 6443 --tls-cert-file "$TLS/serving.crt" --tls-private-key-file "$TLS/serving.key" --cert-dir "$TLS" \
    --client-ca-file "$TLS/client-ca.crt" --token-auth-file "$DATA/server/tokens.csv" --authorization-mode RBAC \
    --service-cluster-ip-range 10.43.0.0/16 --allow-privileged=true --profiling=false \
    --service-account-issuer https://kubernetes.default.svc.cluster.local --service-account-key-file "$TLS/service.key" \
    --service-account-signing-key-file "$TLS/service.key" --enable-priority-and-fairness=false
}

# What works without the quarter of a gigabyte that a scheduler and cloud controllers would take.
start_controllers() {
  info "Running kube-controller-manager --leader-elect=true"
  component kube-controller-manager "$PARTS/kube-controller-manager" --kubeconfig /etc/rancher/k3s/k3s.yaml \
    --root-ca-file "$TLS/server-ca.crt" --service-account-private-key-file "$TLS/service.key" --port 0 --secure-port 0 \
    --controllers daemonset,deployment,replicaset,job,garbagecollector,namespace,serviceaccount,serviceaccount-token,root-ca-cert-publisher,nodelifecycle
}

# A learner is never healthy; it is asked to vote instead.
etcd_has_a_leader() { [ -s "$MEMBER/learner" ] || curl --silent --max-time 2 "$ETCD/health" | grep -q true; }

api_is_ready() { api GET /readyz >/dev/null; }

# Agents need the server's authority; servers need all keys, but a cluster without --cluster-init takes no further servers.
publish_join_data() {
  local keep=/api/v1/namespaces/kube-system
  until_true 30 "the namespace kube-system" eval 'api GET /api/v1/namespaces/kube-system >/dev/null'
  create_unless_there $keep/configmaps "$(jq -n --rawfile ca "$TLS/server-ca.crt" \
    '{metadata: {name: "k3s-server-ca"}, data: {"server-ca.crt": $ca}}')" k3s-server-ca
  [ -n "$CLUSTER_INIT$URL" ] || return 0
  create_unless_there $keep/secrets "$(jq -n --rawfile a "$TLS/server-ca.crt" --rawfile b "$TLS/server-ca.key" \
    --rawfile c "$TLS/client-ca.crt" --rawfile d "$TLS/client-ca.key" --rawfile e "$TLS/service.key" '{metadata: {name: "k3s-bootstrap"},
    stringData: {"server-ca.crt": $a, "server-ca.key": $b, "client-ca.crt": $c, "client-ca.key": $d, "service.key": $e}}')" k3s-bootstrap
}
