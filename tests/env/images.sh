# Images that are made here, because none is pulled: the node that plays k3s, and a registry.
# shellcheck shell=bash
NODE_IMAGE=berth-test/k3s:v1.20.2-k3s1
REGISTRY_IMAGE=berth-test/registry:2

# shellcheck disable=SC2034 # tools.sh writes what was chosen
make_images() {
  BERTH_K3S_IMAGE=${K3S_IMAGE:-$NODE_IMAGE}
  BERTH_REGISTRY_IMAGE=$REGISTRY_IMAGE
  make_image "$REGISTRY_IMAGE" registry_root "$(version_of docker-registry busybox-static)$(cat "$here/images.sh")" \
    --change 'ENTRYPOINT ["/entrypoint.sh"]' --change 'CMD ["/etc/docker/registry/config.yml"]' --change 'EXPOSE 5000' \
    --change 'VOLUME /var/lib/registry'
  # In an engine of our own it also stands for the image that clusters take when nobody names one.
  if is_ours; then "$DOCKER" tag "$REGISTRY_IMAGE" registry:2; fi
  if [ -n "${K3S_IMAGE:-}" ]; then
    "$DOCKER" image inspect "$K3S_IMAGE" >/dev/null 2>&1 || "$DOCKER" pull --quiet "$K3S_IMAGE" >/dev/null
    say "images: nodes run $K3S_IMAGE (K3S_IMAGE)"
  else
    make_image "$NODE_IMAGE" node_root \
      "$(version_of busybox-static containerd curl etcd-server iptables jq openssl runc)$(cat "$here/images.sh" "$here"/node-image/*)$(stat -c '%n %s %Y' "$BERTH_CACHE"/bin/kube*)" \
      --change 'ENTRYPOINT ["/bin/k3s"]' --change 'CMD ["agent"]' \
      --change 'ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/bin/aux' \
      --change 'VOLUME /var/lib/kubelet' --change 'VOLUME /var/lib/rancher/k3s' --change 'VOLUME /var/lib/cni' --change 'VOLUME /var/log'
  fi
}

version_of() { dpkg-query -W -f '${Package} ${Version}\n' "$@"; }

# make_image TAG FUNCTION INPUTS IMPORT_FLAGS...: FUNCTION fills a folder, unless the image is there and made from the same inputs.
make_image() {
  local tag=$1 fill=$2 inputs root before
  inputs=$(printf %s "$3" | sha256sum | cut -c 1-16)
  shift 3
  if [ "$("$DOCKER" image inspect --format '{{index .Config.Labels "berth.test.inputs"}}' "$tag" 2>/dev/null)" = "$inputs" ]; then
    say "images: $tag, made before"
    return 0
  fi
  before=$("$DOCKER" image inspect --format '{{.Id}}' "$tag" 2>/dev/null || true)
  root=$(mktemp -d "$BERTH_CACHE/image.XXXXXX")
  "$fill" "$root"
  tar --numeric-owner --owner 0 --group 0 -C "$root" -c . | "$DOCKER" import "$@" --change "LABEL berth.test.inputs=$inputs" - "$tag" >/dev/null ||
    { rm -rf "$root"; say "images: $tag could not be made"; exit 1; }
  rm -rf "$root"
  # It stays as long as a container needs it.
  [ -z "$before" ] || "$DOCKER" image rm "$before" >/dev/null 2>&1 || true
  say "images: made $tag"
}

# A shell with the usual programs, and what every root has.
base_root() {
  local root=$1 applet
  mkdir -p "$root"/{bin,sbin,etc/ssl/certs,lib64,proc,root,run,sys,tmp,usr/bin,usr/sbin,usr/lib,var/log,var/run}
  chmod 1777 "$root/tmp"
  install -m 755 /bin/busybox "$root/bin/busybox"
  for applet in $(/bin/busybox --list | grep -vx busybox); do ln -s busybox "$root/bin/$applet"; done
  echo 'root:x:0:0:root:/root:/bin/sh' >"$root/etc/passwd"
  echo 'root:x:0:' >"$root/etc/group"
  echo 'hosts: files dns' >"$root/etc/nsswitch.conf"
  cp /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/"
  ln -s lib "$root/usr/lib64"
}

# A program of this machine under another folder, with the libraries that it is linked to at their own places.
add_program() {
  local root=$1 program=$2 place=$3 library
  install -D -m 755 "$program" "$root$place"
  ldd "$program" 2>/dev/null | grep -o '/[^ ]*' | while read -r library; do
    [ -e "$root$library" ] || install -D -m 755 "$library" "$root$library"
  done
}

node_root() {
  local root=$1 program parts=/usr/libexec/k3s multi
  base_root "$root"
  for program in kube-apiserver kube-controller-manager kubectl; do
    install -D -m 755 "$BERTH_CACHE/bin/$program" "$root$parts/$program"
  done
  for program in containerd containerd-shim-runc-v2 ctr runc etcd; do
    add_program "$root" "$(command -v $program)" "$parts/$program"
  done
  for program in curl jq openssl; do add_program "$root" "$(command -v $program)" "/bin/aux/$program"; done
  # Docker writes its rules for the names of containers with this machine's variant; another one does not see them.
  multi=$(readlink -f "$(command -v iptables)")
  add_program "$root" "$multi" "/bin/aux/$(basename "$multi")"
  for program in iptables iptables-save iptables-restore ip6tables ip6tables-save ip6tables-restore; do
    ln -s "$(basename "$multi")" "$root/bin/aux/$program"
  done
  mkdir -p "$root/usr/lib/x86_64-linux-gnu" "$root/usr/lib/ssl"
  cp -a /usr/lib/x86_64-linux-gnu/xtables "$root/usr/lib/x86_64-linux-gnu/"
  cp /etc/ssl/openssl.cnf "$root/etc/ssl/"
  ln -s /etc/ssl/openssl.cnf "$root/usr/lib/ssl/openssl.cnf"
  install -m 644 "$here"/node-image/*.sh "$here/node-image/coredns.yaml" "$root$parts/"
  install -m 755 "$here/node-image/runc-capped" "$root$parts/"
  install -m 755 "$here/node-image/k3s" "$root/bin/k3s"
  ln -s k3s "$root/bin/kubectl"
  ln -s k3s "$root/bin/ctr"
  echo 'PRETTY_NAME="Berth stand-in for k3s v1.20.2"' >"$root/etc/os-release"
}

registry_root() {
  local root=$1
  base_root "$root"
  add_program "$root" /usr/bin/docker-registry /bin/registry
  install -D -m 644 /dev/stdin "$root/etc/docker/registry/config.yml" <<'CONFIG'
version: 0.1
log: {fields: {service: registry}}
storage: {cache: {blobdescriptor: inmemory}, filesystem: {rootdirectory: /var/lib/registry}}
http: {addr: ":5000", headers: {X-Content-Type-Options: [nosniff]}}
health: {storagedriver: {enabled: true, interval: 10s, threshold: 3}}
CONFIG
  install -m 755 /dev/stdin "$root/entrypoint.sh" <<'ENTRYPOINT'
#!/bin/sh
case "$1" in *.yaml | *.yml) set -- registry serve "$@" ;; serve | garbage-collect | help | -*) set -- registry "$@" ;; esac
exec "$@"
ENTRYPOINT
}
