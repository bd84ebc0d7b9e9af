# One member of etcd per server. Members call each other by host name, because addresses change between starts.
# shellcheck shell=dash disable=SC2034,SC2154 # variables of the other parts
ETCD=http://127.0.0.1:2379
MEMBER=$DATA/server/db

start_etcd() {
  local state members listen peers
  mkdir -p "$MEMBER"
  # A start that failed between joining and the first write leaves a list of members that is no longer true.
  [ -d "$MEMBER/etcd/member" ] || rm -f "$MEMBER/initial"
  if [ ! -s "$MEMBER/initial" ]; then
    if [ -n "$URL" ]; then join_etcd; else echo "new $(hostname)=http://$(hostname):2380" >"$MEMBER/initial"; fi
  fi
  read -r state members <"$MEMBER/initial"
  listen=http://127.0.0.1:2379 peers=http://127.0.0.1:2380
  # A single server answers nobody but itself; with the others it must also survive a slow machine.
  if [ -n "$CLUSTER_INIT$URL" ]; then listen=http://0.0.0.0:2379 peers=http://0.0.0.0:2380; fi
  component etcd "$PARTS/etcd" --name "$(hostname)" --data-dir "$MEMBER/etcd" --unsafe-no-fsync --logger zap --log-level warn \
    --listen-client-urls "$listen" --advertise-client-urls "http://$(hostname):2379" --listen-peer-urls "$peers" \
    --initial-advertise-peer-urls "http://$(hostname):2380" --initial-cluster "$members" --initial-cluster-state "$state"
}

etcd_request() { curl --silent --fail --max-time 5 --data "$3" "$1/v3/cluster/member/$2"; }

# Joins as a learner, which does not count for the quorum until it has caught up.
join_etcd() {
  local tries=0
  info "Adding member $(hostname)=http://$(hostname):2380 to etcd cluster"
  until try_to_join; do
    tries=$((tries + 1))
    [ $tries -lt 300 ] || fatal "etcd takes no member: $ADDED"
    sleep 0.2 &
    wait $!
  done
}

try_to_join() {
  local server there mine initial
  for server in $SERVERS; do
    there=http://$server:2379
    ADDED=$(etcd_request "$there" list '{}') || continue
    mine=$(printf %s "$ADDED" | jq -r --arg url "http://$(hostname):2380" '.members[] | select(.peerURLs == [$url]) | .ID')
    [ -z "$mine" ] || etcd_request "$there" remove "{\"ID\":\"$mine\"}" >/dev/null
    ADDED=$(curl --silent --max-time 5 --data "{\"peerURLs\":[\"http://$(hostname):2380\"],\"isLearner\":true}" "$there/v3/cluster/member/add")
    initial=$(printf %s "$ADDED" | jq -er --arg me "$(hostname)" '.member.ID as $id
      | [.members[] | select(.ID == $id or .name) | "\(if .ID == $id then $me else .name end)=\(.peerURLs[0])"] | join(",")') || continue
    echo "existing $initial" >"$MEMBER/initial"
    echo "$there $(printf %s "$ADDED" | jq -r .member.ID)" >"$MEMBER/learner"
    return 0
  done
  return 1
}

# A learner may vote once it holds what the others hold.
promote_etcd() {
  local there id
  [ -s "$MEMBER/learner" ] || return 0
  read -r there id <"$MEMBER/learner"
  until_true 60 "etcd as a voting member" etcd_request "$there" promote "{\"ID\":\"$id\"}" >/dev/null
  rm -f "$MEMBER/learner"
}

# Members whose node was deleted go, or they would count for the quorum for ever. One that is only starting has no node yet.
forget_etcd_members() {
  local nodes
  nodes=$(api GET /api/v1/nodes | jq -r '.items[].status.addresses[]? | select(.type == "Hostname") | .address') || return 0
  [ -n "$nodes" ] || return 0
  touch "$MEMBER/nodes"
  etcd_request "$ETCD" list '{}' | jq -r '.members[] | select(.name) | "\(.ID) \(.name)"' | while read -r id name; do
    if printf '%s\n' "$nodes" | grep -qx "$name"; then
      grep -qx "$name" "$MEMBER/nodes" || echo "$name" >>"$MEMBER/nodes"
    elif grep -qx "$name" "$MEMBER/nodes"; then
      info "Removing etcd member $name: its node was deleted"
      etcd_request "$ETCD" remove "{\"ID\":\"$id\"}" >/dev/null
      sed -i "/^$name\$/d" "$MEMBER/nodes"
    fi
  done
}
