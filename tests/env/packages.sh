# Debian packages.
# shellcheck shell=bash
PACKAGES=(age busybox-static ca-certificates containerd curl docker-registry etcd-client etcd-server gcc git iproute2 iptables jq kmod
  libc6-dev libcap2-bin openssh-client openssh-server openssl protobuf-compiler python3-pip rsync runc skopeo strace unzip util-linux)
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

# Debian lists binary packages only; the same places hold the sources. Only Debian's own entries are doubled: other
# archives often have no sources, which would fail the update.
enable_sources() {
  local list=/etc/apt/sources.list.d made=/etc/apt/sources.list.d/berth-source
  knows_source && return 0
  apt_update
  knows_source && return 0
  debian_stanzas "$list"/*.sources >"$made.sources"
  debian_lines /etc/apt/sources.list "$list"/*.list >"$made.list"
  local file
  for file in "$made.sources" "$made.list"; do [ -s "$file" ] || rm -f "$file"; done
  UPDATED=
  apt_update
}

knows_source() { [ -n "$(apt-cache showsrc kubernetes 2>/dev/null)" ]; }

codename() { sed -n 's/^VERSION_CODENAME=//p' /etc/os-release; }

# A glob without a match and a file that is not there are both no entries.
existing() {
  local file
  for file in "$@"; do
    [ ! -f "$file" ] || case $file in */berth-source.*) ;; *) cat "$file"; printf '\n' ;; esac
  done
}

debian_stanzas() {
  existing "$@" | sed '/^#/d' | awk -v suite="$(codename)" 'BEGIN { RS = ""; ORS = "\n\n" }
    /(^|\n)URIs:[^\n]*\/debian(-security)?\/?( |\n|$)/ && $0 ~ "(^|\n)Suites:[^\n]* " suite && /(^|\n)Components:[^\n]* main/ && !/(^|\n)Enabled: *no/ {
      sub(/(^|\n)Types:[^\n]*/, "\nTypes: deb-src"); sub(/^\n/, ""); print
    }'
}

debian_lines() {
  existing "$@" | awk -v suite="$(codename)" '
    $1 == "deb" && /\/debian(-security)?\/? / && $0 ~ " " suite && / main/ { sub(/^deb/, "deb-src"); print }'
}
