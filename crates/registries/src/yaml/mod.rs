//! YAML as `gopkg.in/yaml.v2` reads it, kept as a tree with places so that every reading of a document uses the same one.

pub(crate) mod scalar;
mod text;
pub(crate) mod tree;
