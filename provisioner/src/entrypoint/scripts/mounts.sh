#!/bin/sh
# Mounts of pods are seen by other pods and by the node, as storage and network plug-ins expect.
set -eu
"${K3D_ENTRYPOINT_MOUNT:-mount}" --make-rshared /
