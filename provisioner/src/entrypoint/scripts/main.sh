#!/bin/sh
# Prepares this node, then runs k3s until it ends or the container is stopped.
#
# Written anew before every start by the tool that manages the cluster. Each /bin/k3d-entrypoint-*.sh prepares one
# thing; one that fails keeps the node from starting.
# shellcheck disable=SC2317,SC3028,SC2018,SC2019 # a trap calls some; the Engine sets HOSTNAME; names are ASCII
set -u

root=${K3D_ENTRYPOINT_ROOT:-}
log=$root/var/log/k3d-entrypoints_$(date +%y%m%d%H%M%S).log
# The Engine kills what has not ended 10 s after it was asked to; k3s needs some of them.
drain_seconds=${K3D_DRAIN_SECONDS:-5}
pause=${K3D_UNCORDON_PAUSE:-3}
tries=${K3D_UNCORDON_TRIES:-200}
# For kubectl alone: k3s is to see the environment that it was given.
kubeconfig=${KUBECONFIG:-${K3S_KUBECONFIG_OUTPUT:-/etc/rancher/k3s/k3s.yaml}}

role=${1:-}
k3s=
background=

say() {
  printf '%s %s\n' "$(date +%Y-%m-%dT%H:%M:%S)" "$*" >>"$log"
}

# The name under which k3s registers this node.
node_name() {
  name=${K3S_NODE_NAME:-}
  while [ $# -gt 0 ]; do
    case $1 in
      --node-name=*) name=${1#--node-name=} ;;
      --node-name) name=${2:-} ;;
    esac
    shift
  done
  config=$root/etc/rancher/k3s/config.yaml
  if [ -z "$name" ] && [ -f "$config" ]; then
    name=$(sed -n 's/^node-name:[[:space:]]*["'\'']\{0,1\}\([^"'\''#[:space:]]*\).*/\1/p' "$config")
  fi
  printf '%s' "${name:-${HOSTNAME:-$(hostname)}}" | tr A-Z a-z
}

# A node that was drained when it stopped takes pods again. Gives up on a name that never appears.
uncordon() {
  count=0
  until KUBECONFIG=$kubeconfig kubectl uncordon "$node" >>"$log" 2>&1; do
    count=$((count + 1))
    if [ "$count" -ge "$tries" ]; then
      say "gave up uncordoning node $node: it is not registered under this name"
      return
    fi
    sleep "$pause"
    kill -0 "$k3s" 2>/dev/null || return
  done
}

drain() {
  KUBECONFIG=$kubeconfig kubectl drain "$node" --force --delete-emptydir-data --ignore-daemonsets --disable-eviction \
    --timeout="${drain_seconds}s" >>"$log" 2>&1 &
  draining=$!
  (sleep "$drain_seconds"; kill -KILL "$draining") >/dev/null 2>&1 &
  watch=$!
  wait "$draining" || say "node $node was not drained"
  kill "$watch" 2>/dev/null
}

stop() {
  # A second signal changes nothing, and what is started from here on is not deaf to signals.
  trap : TERM INT QUIT HUP
  say "stopping"
  [ -z "$background" ] || kill "$background" 2>/dev/null
  [ -n "$k3s" ] || exit 143
  [ "$role" != server ] || drain
  kill -TERM "$k3s" 2>/dev/null
  end_with_k3s
}

# Signals interrupt a wait: it is over when the process is.
end_with_k3s() {
  while :; do
    wait "$k3s"
    code=$?
    kill -0 "$k3s" 2>/dev/null || break
  done
  say "k3s ended with $code"
  exit "$code"
}

mkdir -p "$root/var/log"
say "preparing the node"
trap stop TERM INT QUIT HUP

for script in "$root"/bin/k3d-entrypoint-*.sh; do
  [ -e "$script" ] || continue
  say "running $script"
  if ! "$script" >>"$log" 2>&1; then
    say "$script failed"
    cat "$log" >&2
    exit 1
  fi
done

node=$(node_name "$@")
say "running k3s $role as node $node"
"$root/bin/k3s" "$@" &
k3s=$!

if [ "$role" = server ]; then
  uncordon &
  background=$!
fi
end_with_k3s
