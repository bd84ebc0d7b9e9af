#!/usr/bin/env bash
# enter.sh ROOT HOME COMMAND...: runs a command in another root, in the mount and network namespaces that this process has by now.
# HOME and the folder of temporary files keep their paths, so that what the command says about files is true outside as well.
set -euo pipefail
root=$1 home=$2
shift 2

mount --bind "$root" "$root"
mount -t proc proc "$root/proc"
# A system file tree of its own: the host's shows the host's network devices.
mount -t sysfs sysfs "$root/sys"
mount --rbind /sys/fs/cgroup "$root/sys/fs/cgroup"
mount --rbind /dev "$root/dev"
mount -t tmpfs tmpfs "$root/run"
for folder in "$home" "${TMPDIR:-/tmp}"; do
  mkdir -p "$root$folder"
  mount --bind "$folder" "$root$folder"
done
cat /etc/resolv.conf >"$root/etc/resolv.conf"
# Not chroot: what joins the mount namespace of a container begins at that namespace's root, which would still be the host's.
cd "$root"
pivot_root . mnt
umount -l /mnt
exec /usr/bin/env PATH=/usr/sbin:/usr/bin:/sbin:/bin "$@"
