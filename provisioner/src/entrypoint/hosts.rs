//! `/etc/hosts`: the lines that a node gets, and how they are merged into what stands there.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::net::IpAddr;

/// An address and the names it is to have.
pub(super) type Entry = (IpAddr, Vec<String>);

/// The data file of the hosts script.
pub(super) fn lines(entries: &[Entry]) -> String {
    let mut text = String::from(
        "# Merged into /etc/hosts at every start of this node by /bin/k3d-entrypoint-hosts.sh.\n",
    );
    for (ip, names) in entries {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{ip} {}", names.join(" "));
    }
    text
}

/// The hosts file with the names of `given`, which are taken from whatever had them; the same as the script does.
/// Lines that lose no name keep their bytes. Doing it twice changes nothing more.
pub fn merge_hosts(existing: &str, given: &str) -> String {
    let given: Vec<&str> = given
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .collect();
    let taken: BTreeSet<&str> = given
        .iter()
        .flat_map(|line| line.split_ascii_whitespace().skip(1))
        .collect();
    let mut merged = String::new();
    for line in existing.lines() {
        let entry = line.split('#').next().unwrap_or_default();
        let mut words = entry.split_ascii_whitespace();
        let address = words.next().unwrap_or_default();
        let names: Vec<&str> = words.collect();
        let kept: Vec<&str> = names
            .iter()
            .copied()
            .filter(|name| !taken.contains(name))
            .collect();
        if kept.len() == names.len() {
            merged.push_str(line);
            merged.push('\n');
        } else if !kept.is_empty() {
            let _ = writeln!(merged, "{address} {}", kept.join(" "));
        }
    }
    for line in given {
        merged.push_str(line);
        merged.push('\n');
    }
    let end = merged.trim_end_matches('\n').len();
    merged.truncate(end);
    merged.push('\n');
    merged
}
