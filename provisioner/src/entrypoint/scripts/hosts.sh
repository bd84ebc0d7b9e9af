#!/bin/sh
# Gives this node and the pods the names of the host and of its neighbours, at every start and whoever starts it: the
# Engine writes /etc/hosts anew each time.
#
#   /etc/k3d/hosts                 lines as in /etc/hosts; merged into it
#   /etc/k3d/coredns-custom.yaml   what CoreDNS answers to pods; only on servers
#   /etc/k3d/manifests             the folder that k3s applies at its start
#
# Pods also find the names where k3d puts them, in NodeHosts of CoreDNS's own ConfigMap: tools look there, and CoreDNS of
# older k3s reads nothing else.
#
# A name that is missing is no reason to keep a cluster from starting: this never fails.
set -u

root=${K3D_ENTRYPOINT_ROOT:-}
names=$root/etc/k3d/hosts
hosts=$root/etc/hosts
custom=$root/etc/k3d/coredns-custom.yaml
pause=${K3D_COREDNS_PAUSE:-2}
tries=${K3D_COREDNS_TRIES:-600}
again=${K3D_COREDNS_AGAIN:-15}
rounds=${K3D_COREDNS_ROUNDS:-20}
export KUBECONFIG="${KUBECONFIG:-${K3S_KUBECONFIG_OUTPUT:-/etc/rancher/k3s/k3s.yaml}}"
set -f
newline='
'

# The names that are given, between spaces.
given() {
  printf ' '
  while read -r address rest || [ -n "$address" ]; do
    case $address in '' | '#'*) continue ;; esac
    for name in $rest; do printf '%s ' "$name"; done
  done <"$names"
}

# Lines of a hosts file without the names that are given an address.
others() {
  given=$(given)
  while IFS= read -r line || [ -n "$line" ]; do
    # shellcheck disable=SC2086 # words are wanted; -f keeps them from being patterns
    set -- ${line%%#*}
    kept=
    dropped=
    [ $# -lt 2 ] || {
      address=$1
      shift
      for name in "$@"; do
        case $given in
          *" $name "*) dropped=yes ;;
          *) kept="$kept $name" ;;
        esac
      done
    }
    if [ -z "$dropped" ]; then
      printf '%s\n' "$line"
    elif [ -n "$kept" ]; then
      printf '%s\n' "$address$kept"
    fi
  done
}

# What stands in the hosts file, without the names that are given an address, then those.
merged() {
  others <"$hosts"
  sed -e '/^#/d' -e '/^$/d' "$names"
}

# A ConfigMap of this name that somebody else puts there; k3s's own manifest of CoreDNS only mounts it.
other_manifest() {
  set +f
  for file in "$manifests"/*; do
    case $file in "$own" | */coredns.yaml) continue ;; esac
    if [ -f "$file" ] && grep -q coredns-custom "$file"; then
      printf '%s' "$file"
      break
    fi
  done
  set -f
}

# k3s applies this file at each of its starts, before CoreDNS runs.
write_manifest() {
  (umask 077 && mkdir -p "$manifests" && cp "$custom" "$own.new") && mv -f "$own.new" "$own"
}

# Two manifests of one object undo each other: what the first said is taken away when the second is applied. So our key
# is added beside k3s's folder. Whoever is first creates the object.
add_to_custom() {
  [ -n "$beside" ] || return 0
  kubectl patch configmap coredns-custom --namespace kube-system --type merge --patch "$(cat "$custom")" ||
    kubectl create -f "$custom"
}

# One name a line: k3s drops lines with several when a node joins.
lines_of_names() {
  while read -r address rest || [ -n "$address" ]; do
    case $address in '' | '#'*) continue ;; esac
    for name in $rest; do printf '%s %s\n' "$address" "$name"; done
  done <"$names"
}

# Whether each line of the first text stands in the second.
holds_all() {
  while IFS= read -r line; do
    case $newline$2$newline in *"$newline$line$newline"*) ;; *) return 1 ;; esac
  done <<EOF
$1
EOF
}

# k3s keeps lines of others there. The version keeps us from undoing what it writes at the same moment.
add_to_node_hosts() {
  wanted=$(lines_of_names)
  [ -n "$wanted" ] || return 0
  known=$(kubectl get configmap coredns --namespace kube-system --request-timeout=10s \
    --output 'jsonpath={.metadata.resourceVersion}{"\n"}{.data.NodeHosts}') || return 1
  version=${known%%"$newline"*}
  there=
  case $known in *"$newline"*) there=${known#*"$newline"} ;; esac
  if holds_all "$wanted" "$there"; then return 0; fi
  lines=$(printf '%s\n%s\n' "$(printf '%s\n' "$there" | others)" "$wanted" | sed -e '/^[[:space:]]*$/d' -e 's/^[[:space:]]*/    /')
  kubectl patch configmap coredns --namespace kube-system --type merge --patch "metadata:
  resourceVersion: \"$version\"
data:
  NodeHosts: |
$lines"
}

# Again for a while: k3s applies its own manifests some time after the API answers.
tell_coredns() {
  count=0
  told=0
  while [ "$count" -lt "$tries" ]; do
    count=$((count + 1))
    knows=
    if [ -s "$KUBECONFIG" ]; then
      knows=yes
      add_to_custom || knows=
      add_to_node_hosts || knows=
    fi
    if [ -n "$knows" ]; then
      told=$((told + 1))
      [ "$told" -lt "$rounds" ] || break
      sleep "$again"
    else
      sleep "$pause"
    fi
  done
  if [ "$told" -gt 0 ]; then
    echo "CoreDNS knows the names of /etc/k3d/hosts"
  else
    echo "gave up: CoreDNS does not know the names of /etc/k3d/hosts"
  fi
}

if [ -f "$names" ]; then
  if wanted=$(merged) && [ -n "$wanted" ]; then
    # The file is mounted: it can be written, not replaced.
    [ "$wanted" = "$(cat "$hosts")" ] || printf '%s\n' "$wanted" >"$hosts" || echo "$hosts was not written"
  fi
fi

if [ -f "$custom" ]; then
  manifests=
  read -r manifests <"$root/etc/k3d/manifests" || :
  manifests=$root${manifests:-/var/lib/rancher/k3s/server/manifests}
  own=$manifests/k3d-host-aliases.yaml
  other=$(other_manifest)
  beside=
  if [ -n "$other" ]; then
    echo "$other defines coredns-custom, too: adding to it when the cluster runs"
    rm -f "$own"
    beside=yes
  elif ! write_manifest; then
    echo "$own was not written: adding to coredns-custom when the cluster runs"
    beside=yes
  fi
  # By exec, so that nobody waits for the end of what we were given to write to.
  (exec >>"$root/var/log/k3d-coredns.log" 2>&1 </dev/null && tell_coredns) &
fi
exit 0
