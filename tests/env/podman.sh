# Debian's podman, as a second engine that speaks Docker's API.
# shellcheck shell=bash disable=SC2154 # variables of the other parts

start_podman() {
  apt_install podman netavark aardvark-dns catatonit
  local home=$BERTH_CACHE/podman
  BERTH_PODMAN_HOST=unix://$home/podman.sock
  mkdir -p "$home"
  mkdir -p "$BERTH_CACHE/docker" && install_runtime "$BERTH_CACHE/docker"
  write_podman_settings "$home"
  if DOCKER_HOST=$BERTH_PODMAN_HOST "$DOCKER" info >/dev/null 2>&1; then
    say "podman: started before"
  else
    rm -f "$home/podman.sock"
    CONTAINERS_CONF=$home/containers.conf CONTAINERS_STORAGE_CONF=$home/storage.conf \
      setsid podman system service --time 0 "$BERTH_PODMAN_HOST" >"$home/podman.log" 2>&1 </dev/null &
    echo $! >"$home/podman.pid"
    local tries
    for tries in $(seq 60); do
      DOCKER_HOST=$BERTH_PODMAN_HOST "$DOCKER" info >/dev/null 2>&1 && break
      [ "$tries" -lt 60 ] || { tail -n 5 "$home/podman.log" >&2; say "podman: does not start; leave it out with BERTH_SKIP=podman"; exit 1; }
      sleep 0.5
    done
    say "podman: started Debian's ($(podman --version))"
  fi
  local image
  for image in "$BERTH_K3S_IMAGE" "$BERTH_REGISTRY_IMAGE"; do load_into_podman "$image"; done
}

# What this machine lacks, podman asks for as well: capabilities and more open files than it may have.
write_podman_settings() {
  local files processes
  files=$(ulimit -Hn) processes=$(cat /proc/sys/kernel/pid_max)
  cat >"$1/containers.conf" <<CONF
[containers]
default_ulimits = ["nofile=$files:$files", "nproc=$processes:$processes"]
[engine]
runtime = "capped"
[engine.runtimes]
capped = ["$BERTH_CACHE/docker/runc-capped"]
[network]
network_backend = "netavark"
CONF
  printf '[storage]\ndriver = "overlay"\ngraphroot = "%s/graph"\nrunroot = "%s/run"\n' "$1" "$1" >"$1/storage.conf"
}

load_into_podman() {
  local wanted found
  wanted=$("$DOCKER" image inspect --format '{{.Id}}' "$1")
  # podman gives names without a registry one of its own.
  found=$(DOCKER_HOST=$BERTH_PODMAN_HOST "$DOCKER" image inspect --format '{{.Id}}' "localhost/$1" 2>/dev/null || true)
  [ "${wanted#sha256:}" != "${found#sha256:}" ] || return 0
  "$DOCKER" save "$1" | DOCKER_HOST=$BERTH_PODMAN_HOST "$DOCKER" load >/dev/null || { say "podman: failed to load $1"; exit 1; }
  [ -z "$found" ] || DOCKER_HOST=$BERTH_PODMAN_HOST "$DOCKER" image rm "$found" >/dev/null 2>&1 || true
  say "podman: loaded $1"
}
