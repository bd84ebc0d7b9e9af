# What every node runs: containerd and the node's own object. An agent is nothing else.
# shellcheck shell=dash disable=SC2034,SC2154 # variables of the other parts

run_agent() {
  [ -n "$URL" ] || fatal "--server is required"
  [ -n "$TOKEN" ] || fatal "--token is required"
  start_containerd
  URL=$(first_that_answers)
  join /api/v1/namespaces/kube-system/configmaps/k3s-server-ca
  printf %s "$JOINED" | jq -r '.data["server-ca.crt"]' >"$DATA/agent/server-ca.crt"
  REACHED=$URL
  api GET /version >/dev/null || fatal "starting kubernetes: preparing agent: the certificate of $URL is not valid for that name"
  wait_for_containerd
  register_node
  remember_servers
  keep_node &
  WATCHED="$WATCHED $!"
}

start_containerd() {
  local config=$DATA/agent/etc/containerd
  mkdir -p "$config" "$DATA/agent/containerd"
  configure_containerd "$config"
  CONTAINERD_VERSION=$("$PARTS/containerd" --version | awk '{ print $3 }')
  info "Logging containerd to /var/log/k3s/containerd.log"
  info "Running containerd -c $config/config.toml -a $CONTAINERD_SOCKET --state /run/k3s/containerd --root $DATA/agent/containerd"
  component containerd env "PATH=$PARTS:$PATH" "RUNC=$PARTS/runc" "$PARTS/containerd" -c "$config/config.toml" -a "$CONTAINERD_SOCKET" \
    --state /run/k3s/containerd --root "$DATA/agent/containerd"
}

wait_for_containerd() {
  until_true 30 containerd containerd_answers
  info "Containerd is now running"
}

containerd_answers() { [ -S "$CONTAINERD_SOCKET" ] && /bin/ctr version >/dev/null 2>&1; }

# k3s keeps the addresses of all servers, so that an agent survives the loss of the one it joined.
remember_servers() {
  api GET '/api/v1/nodes?labelSelector=node-role.kubernetes.io/master=true' |
    jq -r '.items[].status.addresses[] | select(.type == "Hostname") | "https://\(.address):6443"' >"$DATA/agent/servers.new" 2>/dev/null
  [ ! -s "$DATA/agent/servers.new" ] || mv "$DATA/agent/servers.new" "$DATA/agent/servers"
}

reach_a_server() {
  [ "$ROLE" = agent ] || return 0
  for REACHED in "$URL" $(cat "$DATA/agent/servers" 2>/dev/null); do
    if api GET /version >/dev/null; then return 0; fi
  done
  error "no server answers"
}

# The address that was given, unless only others that are known answer.
first_that_answers() {
  local known
  for known in "$URL" $(cat "$DATA/agent/servers" 2>/dev/null); do
    if curl --silent --insecure --max-time 3 "$known/version" >/dev/null; then
      echo "$known"
      return 0
    fi
  done
  echo "$URL"
}
