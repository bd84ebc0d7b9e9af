//! The scripts that shells load. Each hands the words to the program and shows what it answers.

use super::super::arguments::CompletionShell;

/// The script of one shell for a program of this name.
pub(crate) fn script(shell: CompletionShell, program: &str) -> String {
    let template = match shell {
        CompletionShell::Bash => include_str!("scripts/complete.bash"),
        CompletionShell::Zsh => include_str!("scripts/complete.zsh"),
        CompletionShell::Fish => include_str!("scripts/complete.fish"),
        CompletionShell::Powershell => include_str!("scripts/complete.ps1"),
    };
    template.replace("PROGRAM", program)
}
