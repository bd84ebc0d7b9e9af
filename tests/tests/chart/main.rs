//! The chart and the plain manifests: what they render, and what becomes of them on a cluster.

mod helm;
mod kustomize;
mod lifecycle;
mod release;
mod rendering;
mod rights;
mod tracer;
mod values;
