//! docs/reference/lint.md, from the catalog of rules.

use std::fmt::Write as _;

use anyhow::Result;

use super::File;

pub(crate) fn files() -> Result<Vec<File>> {
    let mut content = String::from(
        "# Lint codes\n\n`berth lint` and the operator judge a document by what k3s and containerd do with it.\n\
         An error would stop a node or void the mirrors of a registry, and blocks a rollout; a warning does nothing, does\n\
         something else than it seems, or differs between releases.\n\n| code | severity | meaning |\n|---|---|---|\n",
    );
    for (code, severity, meaning) in registries::lint::catalog() {
        writeln!(
            content,
            "| `{code}` | {severity} | {} |",
            meaning.replace('|', "\\|")
        )?;
    }
    Ok(vec![File {
        path: "docs/reference/lint.md".to_owned(),
        content,
    }])
}
