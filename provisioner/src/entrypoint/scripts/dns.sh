#!/bin/sh
# Makes Docker's DNS server, 127.0.0.11, reachable for pods, whose own loopback that address is: it answers at the
# gateway of the network as well.
set -eu

root=${K3D_ENTRYPOINT_ROOT:-}
resolv=$root/etc/resolv.conf
gateway=
read -r gateway <"$root/etc/k3d/gateway" || [ -n "$gateway" ]
case $gateway in
  '' | *[!0-9.]*)
    echo "$root/etc/k3d/gateway holds no IPv4 address"
    exit 1
    ;;
esac

# Running twice makes the same rules: those that were added are dropped first.
redirect() {
  sed \
    -e '/^-A PREROUTING .*-j DOCKER_OUTPUT$/d' \
    -e "s/ -d 127\.0\.0\.11\(\/32\)\{0,1\} / -d $gateway\1 /" \
    -e '/^-A OUTPUT .*-j DOCKER_OUTPUT$/{' -e p -e 's/^-A OUTPUT /-A PREROUTING /' -e '}' \
    -e "s/--to-source :53\$/--to-source $gateway:53/"
}

rules=$(iptables-save -t nat)
case $rules in
  *'-j DOCKER_OUTPUT'*) printf '%s\n' "$rules" | redirect | iptables-restore ;;
  *)
    echo "there are no rules of Docker's DNS server: this network has none, or the Engine does not use iptables"
    exit 0
    ;;
esac

if grep -q '127\.0\.0\.11' "$resolv"; then
  # The file is mounted: it can be written, not replaced.
  cat "$resolv" >"$resolv.original"
  sed "s/127\.0\.0\.11/$gateway/g" "$resolv.original" >"$resolv"
fi
