# Debian 13's Docker Engine beside the first one: twice out of one root, with overlay2 and with containerd's image store.
#
#   host ── veth ──┬─▶ /run/netns/berth-newer-graph        dockerd, overlay2
#                  └─▶ /run/netns/berth-newer-containerd   dockerd, containerd-snapshotter
#
# An engine in the network namespace of another one takes its bridge and its rules away, so each gets a namespace of its own.
# Its data folder has the same path in its root as outside.
# shellcheck shell=bash disable=SC2154 # variables of the other parts
NEWER_SUITE=trixie
NEWER_ENGINES=(graph containerd)

start_newer_docker() {
  local engine image
  make_newer_root
  for engine in "${NEWER_ENGINES[@]}"; do
    connect_newer_docker "$engine"
    run_newer_docker "$engine"
    for image in "$BERTH_K3S_IMAGE" "$BERTH_REGISTRY_IMAGE"; do load_into_newer_docker "$engine" "$image"; done
  done
  # shellcheck disable=SC2034 # tools.sh asks
  NEWER_DOCKER=yes
}

# For each engine its socket, its namespace, its own address, the host's address as it sees it, and its data folder.
newer_environment() {
  local engine variable
  for engine in "${NEWER_ENGINES[@]}"; do
    variable=BERTH_NEWER_DOCKER_${engine^^}
    printf 'export %s=%q %s_NETNS=%q %s_ADDRESS=%q %s_HOST_ADDRESS=%q %s_DATA=%q\n' "$variable" "$(newer_socket "$engine")" \
      "$variable" "/run/netns/$(newer_namespace "$engine")" "$variable" "$(newer_address "$engine")" \
      "$variable" "$(newer_host_address "$engine")" "$variable" "$(newer_home "$engine")/data"
  done
}

newer_home() { printf '%s/newer-docker-%s' "$BERTH_CACHE" "$1"; }
newer_socket() { printf 'unix://%s/docker.sock' "$(newer_home "$1")"; }
newer_namespace() { printf 'berth-newer-%s' "$1"; }
newer_answers() { DOCKER_HOST=$(newer_socket "$1") "$DOCKER" info >/dev/null 2>&1; }

# The namespace is at .2 or .6, the host at the address before it.
newer_address() { case $1 in graph) echo 198.18.26.2 ;; containerd) echo 198.18.26.6 ;; esac; }
newer_host_address() { case $1 in graph) echo 198.18.26.1 ;; containerd) echo 198.18.26.5 ;; esac; }

make_newer_root() {
  local root=$BERTH_CACHE/newer-docker-root
  [ ! -x "$root/usr/sbin/dockerd" ] || return 0
  apt_install debootstrap debian-archive-keyring
  say "newer-docker: unpacking Debian $NEWER_SUITE, some minutes"
  rm -rf "$root.new"
  debootstrap --variant=minbase --include=docker.io,iptables,ca-certificates,jq "$NEWER_SUITE" "$root.new" "$(debian_mirror)" \
    >"$BERTH_CACHE/debootstrap.log" 2>&1 ||
    { tail -n 5 "$BERTH_CACHE/debootstrap.log" >&2; say "newer-docker: debootstrap failed; see $BERTH_CACHE/debootstrap.log, or leave it out with BERTH_SKIP=newer-docker"; exit 1; }
  rm -rf "$root.new/var/cache/apt/archives" "$root.new/var/lib/apt/lists"
  mv "$root.new" "$root"
}

# The archive that this machine installs from.
debian_mirror() {
  local mirror
  # shellcheck disable=SC2016 # apt's own variables
  mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 2>/dev/null | grep -m 1 '/debian/*$') || true
  printf %s "${mirror:-http://deb.debian.org/debian}"
}

# Both ends of a cable: what listens on the host is reached from the namespace, and published ports from the host.
connect_newer_docker() {
  local name cable=berth-newer-${1:0:3}
  name=$(newer_namespace "$1")
  if [ -e "/run/netns/$name" ] && ip link show "$cable" >/dev/null 2>&1; then return 0; fi
  ip netns delete "$name" 2>/dev/null || true
  ip netns add "$name" || { say "newer-docker: this machine makes no network namespace; leave it out with BERTH_SKIP=newer-docker"; exit 1; }
  ip link delete "$cable" 2>/dev/null || true
  ip link add "$cable" type veth peer name uplink netns "$name"
  ip address add "$(newer_host_address "$1")/30" dev "$cable"
  ip link set "$cable" up
  ip -n "$name" address add "$(newer_address "$1")/30" dev uplink
  ip -n "$name" link set lo up
  ip -n "$name" link set uplink up
  ip -n "$name" route add default via "$(newer_host_address "$1")"
}

run_newer_docker() {
  local home
  home=$(newer_home "$1")
  mkdir -p "$home"
  install_runtime "$home"
  if newer_answers "$1"; then
    say "newer-docker: $1, started before"
    return 0
  fi
  rm -f "$home/newer-docker-$1.pid" "$home/docker.sock"
  newer_settings "$1" >"$home/daemon.json"
  # `ip netns exec` would hide the control groups.
  setsid nsenter --net="/run/netns/$(newer_namespace "$1")" \
    unshare --mount bash "$here/newer-docker-enter.sh" "$BERTH_CACHE/newer-docker-root" "$home" \
    dockerd --config-file "$home/daemon.json" --pidfile "$home/newer-docker-$1.pid" >"$home/docker.log" 2>&1 </dev/null &
  for _ in $(seq 120); do
    if newer_answers "$1"; then
      say "newer-docker: started $1 ($(DOCKER_HOST=$(newer_socket "$1") "$DOCKER" version --format '{{.Server.Version}}'))"
      return 0
    fi
    kill -0 $! 2>/dev/null || break
    sleep 0.5
  done
  tail -n 10 "$home/docker.log" >&2
  say "newer-docker: dockerd does not start; see $home/docker.log, or leave it out with BERTH_SKIP=newer-docker"
  exit 1
}

# The host's end of the cable counts as this machine, so registries there need no TLS.
newer_settings() {
  local snapshotter=false
  [ "$1" = graph ] || snapshotter=true
  jq -n --arg home "$(newer_home "$1")" --arg socket "$(newer_socket "$1")" --arg runtime "$RUNTIME" --argjson snapshotter $snapshotter \
    --arg group "/$(newer_namespace "$1")" '{
      hosts: [$socket], "data-root": "\($home)/data", "exec-root": "\($home)/exec", "cgroup-parent": $group,
      runtimes: {capped: {path: "\($home)/runc-capped"}}, "default-runtime": $runtime,
      "insecure-registries": ["198.18.26.0/24"], features: {"containerd-snapshotter": $snapshotter}
    }'
}

load_into_newer_docker() {
  local socket before about='{{.Created}} {{json .Config.Labels}}'
  socket=$(newer_socket "$1")
  # Stores give the same image different ids; its time and its label say what it was made from.
  [ "$("$DOCKER" image inspect --format "$about" "$2")" != "$(DOCKER_HOST=$socket "$DOCKER" image inspect --format "$about" "$2" 2>/dev/null)" ] || return 0
  before=$(DOCKER_HOST=$socket "$DOCKER" image inspect --format '{{.Id}}' "$2" 2>/dev/null || true)
  "$DOCKER" save "$2" | DOCKER_HOST=$socket "$DOCKER" load >/dev/null || { say "newer-docker: failed to load $2"; exit 1; }
  [ -z "$before" ] || DOCKER_HOST=$socket "$DOCKER" image rm "$before" >/dev/null 2>&1 || true
  say "newer-docker: $1 holds $2"
}
