# The manifests folder: CoreDNS's own manifest, written anew at every start, and whatever else lies there, applied on change.
# shellcheck shell=dash disable=SC2034,SC2154 # variables of the other parts
MANIFESTS=$DATA/server/manifests

deploy_manifests() {
  mkdir -p "$MANIFESTS" /run/k3s/applied
  if ! is_disabled coredns; then
    sed 's/%{CLUSTER_DNS}%/10.43.0.10/; s/%{CLUSTER_DOMAIN}%/cluster.local/' "$PARTS/coredns.yaml" >"$MANIFESTS/coredns.yaml"
  fi
  local round=0
  while :; do
    find "$MANIFESTS" -name '*.yaml' -o -name '*.yml' -o -name '*.json' | sort | while read -r file; do
      apply_when_changed "$file"
    done
    [ $round != 0 ] || info "Cluster dns configmap has been set successfully"
    is_disabled coredns || write_node_hosts
    round=$((round + 1))
    [ -z "$CLUSTER_INIT$URL" ] || [ $((round % 5)) != 0 ] || forget_etcd_members
    sleep 2
  done
}

apply_when_changed() {
  local sum seen
  [ ! -e "$1.skip" ] || return 0
  sum=$(sha256sum <"$1")
  seen=/run/k3s/applied/$(printf %s "$1" | tr / _)
  [ "$(cat "$seen" 2>/dev/null)" != "$sum" ] || return 0
  if /bin/kubectl apply --validate=false -f "$1" >"$seen.log" 2>&1; then
    info "Applied manifest $1"
    echo "$sum" >"$seen"
  else
    error "Failed to process config: failed to process $1: $(tail -n 1 "$seen.log")"
  fi
}

# The node controller's part of CoreDNS's hosts: a line per node; lines of others stay.
write_node_hosts() {
  local nodes map change
  nodes=$(api GET /api/v1/nodes) && map=$(api GET /api/v1/namespaces/kube-system/configmaps/coredns) || return 0
  change=$(printf '%s%s' "$nodes" "$map" | jq -cs '
    [.[0].items[] | {name: .metadata.name, ip: (.status.addresses[]? | select(.type == "InternalIP") | .address)}] as $nodes
    | (.[1].data.NodeHosts // "") as $old
    | ([$old | split("\n")[] | select(. != "") | split(" ") as $words | select(any($nodes[]; .name == $words[1] and ($words | length) == 2) | not)]
       + [$nodes[] | "\(.ip) \(.name)"] | sort | map(. + "\n") | join("")) as $new
    | if $new == $old then empty else {data: {NodeHosts: $new}} end')
  [ -n "$change" ] || return 0
  api PATCH /api/v1/namespaces/kube-system/configmaps/coredns "$change" application/merge-patch+json >/dev/null
}
