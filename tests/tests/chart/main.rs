//! The chart and the plain manifests: what they render, and what becomes of them on a cluster.

mod helm;
mod kustomize;
mod rendering;
mod rights;
mod values;
