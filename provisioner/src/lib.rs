//! Clusters of k3s in Docker, k3d-compatible: each tool can list, start, extend and delete what the other made.
