# Debian packages.
# shellcheck shell=bash
PACKAGES=(age ca-certificates etcd-server gcc git jq libc6-dev libcap2-bin openssh-client openssl python3-pip rsync strace unzip util-linux iproute2)
# shellcheck disable=SC2034 # kubernetes.sh reads it
KUBERNETES_PACKAGES=(dpkg-dev golang-1.19-go golang-github-modern-go-reflect2-dev make)

missing_packages() {
  local name
  for name in "$@"; do
    [ "$(dpkg-query -W -f='${db:Status-Status}' "$name" 2>/dev/null)" = installed ] || printf '%s\n' "$name"
  done
}

apt_install() {
  local missing
  mapfile -t missing < <(missing_packages "$@")
  [ ${#missing[@]} -gt 0 ] || return 0
  say "installing ${missing[*]}"
  apt_update
  # Debian starts daemons at installation; the tests start their own.
  local policy=/usr/sbin/policy-rc.d made=
  if [ ! -e $policy ]; then
    printf '#!/bin/sh\nexit 101\n' >$policy && chmod +x $policy && made=yes
  fi
  local failed=0
  DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "${missing[@]}" >"$BERTH_CACHE/apt.log" 2>&1 || failed=1
  [ -z "$made" ] || rm -f $policy
  [ $failed = 0 ] || { tail -n 20 "$BERTH_CACHE/apt.log" >&2; say "apt-get install failed: see $BERTH_CACHE/apt.log"; exit 1; }
}

apt_update() {
  [ -z "${UPDATED:-}" ] || return 0
  UPDATED=yes
  apt-get update >"$BERTH_CACHE/apt.log" 2>&1 || { tail -n 5 "$BERTH_CACHE/apt.log" >&2; say "apt-get update failed"; exit 1; }
}

install_packages() { apt_install "${PACKAGES[@]}"; }

# Debian lists binary packages only; the same places hold the sources.
enable_sources() {
  local list=/etc/apt/sources.list.d target=/etc/apt/sources.list.d/berth-source
  # shellcheck disable=SC2016 # apt's own placeholder
  apt-get indextargets --format '$(CREATED_BY)' 2>/dev/null | grep -q '^Sources$' && return 0
  if compgen -G "$list/*.sources" >/dev/null; then
    sed 's/^Types:.*/Types: deb-src/' "$list"/debian*.sources >"$target.sources"
  else
    cat /etc/apt/sources.list "$list"/*.list 2>/dev/null | sed -n 's/^deb /deb-src /p' >"$target.list"
  fi
  UPDATED=
}
