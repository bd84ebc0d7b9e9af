# The Docker Engine that answers, else Debian's, started here.
# shellcheck shell=bash

start_docker() {
  apt_install docker.io iptables
  # Debian's client has BuildKit built in; newer ones need a plug-in for it.
  DOCKER=/usr/bin/docker
  if "$DOCKER" info >/dev/null 2>&1; then
    say "docker: the engine that answers ($("$DOCKER" version --format '{{.Server.Version}}'))"
    return 0
  fi
  local home=$BERTH_CACHE/docker
  export DOCKER_HOST=unix://$home/docker.sock
  if "$DOCKER" info >/dev/null 2>&1; then
    say "docker: started before"
    return 0
  fi
  mkdir -p "$home"
  rm -f "$home/docker.pid" "$home/docker.sock"
  local network
  # A machine that may not touch its packet filter still builds and runs images without a network.
  for network in "" "--bridge=none --iptables=false --ip6tables=false --ip-forward=false --ip-masq=false"; do
    # shellcheck disable=SC2086 # the flags are words
    setsid dockerd --host "$DOCKER_HOST" --data-root "$home/data" --exec-root "$home/exec" --pidfile "$home/docker.pid" \
      $network >"$home/docker.log" 2>&1 </dev/null &
    local tries
    for tries in $(seq 60); do
      if "$DOCKER" info >/dev/null 2>&1; then
        say "docker: started Debian's engine ($("$DOCKER" version --format '{{.Server.Version}}'))"
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
