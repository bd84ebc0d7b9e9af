#!/bin/sh
# A node with a memory limit shows the limit as its memory: the kubelet asks the kernel, which tells of the whole
# machine. Without /etc/k3d/meminfo there is no limit, or it is shown already.
set -eu

root=${K3D_ENTRYPOINT_ROOT:-}
mount=${K3D_ENTRYPOINT_MOUNT:-mount}
[ -f "$root/etc/k3d/meminfo" ] || exit 0
if ! cmp -s "$root/etc/k3d/meminfo" "$root/proc/meminfo"; then
  "$mount" -o bind "$root/etc/k3d/meminfo" "$root/proc/meminfo"
fi
# Memory modules of the machine count as well.
if [ -d "$root/sys/devices/system/edac" ] && [ -n "$(ls -A "$root/sys/devices/system/edac")" ]; then
  mkdir -p "$root/etc/k3d/edac"
  "$mount" -o bind "$root/etc/k3d/edac" "$root/sys/devices/system/edac"
fi
