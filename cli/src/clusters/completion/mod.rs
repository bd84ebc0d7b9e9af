//! Completion of command lines in shells: what a script asks, and what it is answered.
//!
//! Scripts call the hidden command `__complete` with the words so far. The answer is a candidate a line, then `:4` when the
//! shell shall not offer files, as programs built with Go's cobra library answer it: scripts made by k3d work unchanged.

mod scripts;
mod wanted;

pub(crate) use scripts::script;
pub(crate) use wanted::{Candidate, Names, Wanted, wanted};

/// The lines that answer a script.
pub(crate) fn answer(candidates: &[Candidate], files: bool, descriptions: bool) -> Vec<String> {
    let mut lines: Vec<String> = candidates
        .iter()
        .map(|candidate| match candidate.description.as_str() {
            description if descriptions && !description.is_empty() => {
                format!("{}\t{description}", candidate.value)
            }
            _ => candidate.value.clone(),
        })
        .collect();
    lines.push(if files { ":0" } else { ":4" }.to_owned());
    lines
}
