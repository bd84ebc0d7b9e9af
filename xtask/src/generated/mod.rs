//! Everything that is generated: one module per thing, each giving files and where they stand.

mod chart;
mod chart_values;
mod cli_reference;
mod crds;
mod lint_reference;
mod resource_reference;

/// A generated file.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct File {
    /// Path from the root of the repository.
    pub(crate) path: String,
    /// Content, whole.
    pub(crate) content: String,
}

/// Every generated file of the repository.
pub(crate) fn all() -> anyhow::Result<Vec<File>> {
    let generators = [
        crds::files,
        chart::files,
        cli_reference::files,
        lint_reference::files,
        resource_reference::files,
    ];
    let mut files = Vec::new();
    for generate in generators {
        files.extend(generate()?);
    }
    Ok(files)
}
