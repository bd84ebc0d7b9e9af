//! What of k3s's command line matters to the scripts.

const DATA_FOLDER: &str = "/var/lib/rancher/k3s";

/// Whether a server was told to leave `CoreDNS` out.
pub fn disables_coredns(command: &[String]) -> bool {
    let lists = values(command, &["--disable", "--no-deploy"]);
    lists
        .into_iter()
        .flat_map(|list| list.split(','))
        .any(|name| name.trim() == "coredns")
}

/// The folder that a server applies at its start.
pub fn manifests_folder(command: &[String], env: &[String]) -> String {
    let variable = env
        .iter()
        .find_map(|variable| variable.strip_prefix("K3S_DATA_DIR="));
    let flags = values(command, &["--data-dir", "-d"]);
    let folder = flags.last().copied().or(variable);
    let folder = folder
        .filter(|folder| folder.starts_with('/') && !folder.contains('\n'))
        .unwrap_or(DATA_FOLDER);
    format!("{}/server/manifests", folder.trim_end_matches('/'))
}

/// The values of a flag, behind `=` or as the next word.
fn values<'a>(command: &'a [String], flags: &[&str]) -> Vec<&'a str> {
    let mut found = Vec::new();
    for (index, word) in command.iter().enumerate() {
        for flag in flags {
            match word.strip_prefix(flag) {
                Some("") => found.extend(command.get(index + 1).map(String::as_str)),
                Some(rest) => found.extend(rest.strip_prefix('=')),
                None => {}
            }
        }
    }
    found
}
