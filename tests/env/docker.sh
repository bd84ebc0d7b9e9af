# The Docker Engine that answers, else Debian's, started here.
# shellcheck shell=bash

start_docker() {
  apt_install docker.io iptables
  # Debian's client has BuildKit built in; newer ones need a plug-in for it.
  DOCKER=/usr/bin/docker
  if "$DOCKER" info >/dev/null 2>&1 && ! is_ours; then
    say "docker: the engine that answers ($("$DOCKER" version --format '{{.Server.Version}}'))"
    return 0
  fi
  local home=$BERTH_CACHE/docker
  export DOCKER_HOST=unix://$home/docker.sock
  mkdir -p "$home"
  install_runtime "$home"
  if "$DOCKER" info >/dev/null 2>&1; then
    if [ "$("$DOCKER" info --format '{{.DefaultRuntime}}')" = "$RUNTIME" ]; then
      say "docker: started before"
      return 0
    fi
    say "docker: started before without the runtime that this machine needs; starting it again"
    "$here/down"
  fi
  rm -f "$home/docker.pid" "$home/docker.sock"
  local network
  # A machine that may not touch its packet filter still builds and runs images without a network.
  for network in "" "--bridge=none --iptables=false --ip6tables=false --ip-forward=false --ip-masq=false"; do
    # shellcheck disable=SC2086 # the flags are words
    setsid dockerd --host "$DOCKER_HOST" --data-root "$home/data" --exec-root "$home/exec" --pidfile "$home/docker.pid" \
      --add-runtime "capped=$home/runc-capped" --default-runtime "$RUNTIME" \
      $network >"$home/docker.log" 2>&1 </dev/null &
    local tries
    for tries in $(seq 60); do
      if "$DOCKER" info >/dev/null 2>&1; then
        say "docker: started Debian's engine ($("$DOCKER" version --format '{{.Server.Version}}'), runtime $RUNTIME)"
        return 0
      fi
      kill -0 $! 2>/dev/null || break
      sleep 0.5
    done
    [ "$tries" -lt 60 ] || break
  done
  tail -n 10 "$home/docker.log" >&2
  say "docker: dockerd does not start; see $home/docker.log, or leave it out with BERTH_SKIP=docker"
  exit 1
}

is_ours() { [ "${DOCKER_HOST:-}" = "unix://$BERTH_CACHE/docker/docker.sock" ]; }

# Privileged containers ask for every capability there is; where this machine's bounding set lacks one, runc fails. Nodes of
# clusters are privileged, so the engine gets a runtime that asks for no more than there is.
install_runtime() {
  RUNTIME=runc
  # The files are read at every start of a container, so a new version needs no restart of the engine.
  install -m 755 "$here/node-image/runc-capped" "$1/runc-capped.new" && mv "$1/runc-capped.new" "$1/runc-capped"
  local bounds last
  bounds=$(sed -n 's/^CapBnd:[[:space:]]*//p' /proc/self/status)
  last=$(cat /proc/sys/kernel/cap_last_cap)
  if [ $((0x$bounds)) != $(((1 << (last + 1)) - 1)) ]; then RUNTIME=capped; fi
}
