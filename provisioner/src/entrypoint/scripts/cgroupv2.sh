#!/bin/sh
# Lets k3s hand cgroup v2 controllers down: only a group without processes of its own may do that, so those that are
# here already (k3s is not process 1) move to a group below.
set -eu

cgroup=${K3D_ENTRYPOINT_ROOT:-}/sys/fs/cgroup
[ -f "$cgroup/cgroup.controllers" ] || exit 0

mkdir -p "$cgroup/init"
# One by one: the kernel takes one number per write. Some may have ended since, and those of the kernel stay.
while read -r pid; do
  [ -z "$pid" ] || echo "$pid" >>"$cgroup/init/cgroup.procs" || echo "process $pid stays in the root group"
done <<EOF
$(cat "$cgroup/cgroup.procs")
EOF

read -r controllers <"$cgroup/cgroup.controllers" || :
for controller in $controllers; do
  echo "+$controller" >>"$cgroup/cgroup.subtree_control" || echo "controller $controller is not available"
done
