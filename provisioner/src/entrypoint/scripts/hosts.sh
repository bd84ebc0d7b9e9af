#!/bin/sh
# Gives this node and the pods the names of the host and of its neighbours, at every start and whoever starts it: the
# Engine writes /etc/hosts anew each time.
#
#   /etc/k3d/hosts                 lines as in /etc/hosts; merged into it
#   /etc/k3d/coredns-custom.yaml   what CoreDNS answers to pods; only on servers
#   /etc/k3d/manifests             the folder that k3s applies at its start
#
# A name that is missing is no reason to keep a cluster from starting: this never fails.
set -u

root=${K3D_ENTRYPOINT_ROOT:-}
names=$root/etc/k3d/hosts
hosts=$root/etc/hosts
custom=$root/etc/k3d/coredns-custom.yaml
pause=${K3D_COREDNS_PAUSE:-3}
tries=${K3D_COREDNS_TRIES:-400}
again=${K3D_COREDNS_AGAIN:-15}
rounds=${K3D_COREDNS_ROUNDS:-20}
export KUBECONFIG="${KUBECONFIG:-${K3S_KUBECONFIG_OUTPUT:-/etc/rancher/k3s/k3s.yaml}}"
set -f

# The names that are given, between spaces.
given() {
  printf ' '
  while read -r address rest || [ -n "$address" ]; do
    case $address in '' | '#'*) continue ;; esac
    for name in $rest; do printf '%s ' "$name"; done
  done <"$names"
}

# What stands in the hosts file, without the names that are given an address, then those.
merged() {
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
  done <"$hosts"
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
# is added beside k3s's folder, and again for a while, until k3s has applied theirs. Whoever is first creates the object.
patch_later() {
  count=0
  added=0
  while [ "$count" -lt "$tries" ]; do
    count=$((count + 1))
    if kubectl patch configmap coredns-custom --namespace kube-system --type merge --patch "$(cat "$custom")" ||
      kubectl create -f "$custom"; then
      added=$((added + 1))
      [ "$added" -lt "$rounds" ] || break
      sleep "$again"
    else
      sleep "$pause"
    fi
  done
  if [ "$added" -gt 0 ]; then
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
  if [ -n "$other" ]; then
    echo "$other defines coredns-custom, too: adding to it when the cluster runs"
    rm -f "$own"
    patch_later >>"$root/var/log/k3d-coredns.log" 2>&1 </dev/null &
  elif ! write_manifest; then
    echo "$own was not written: adding to coredns-custom when the cluster runs"
    patch_later >>"$root/var/log/k3d-coredns.log" 2>&1 </dev/null &
  fi
fi
exit 0
