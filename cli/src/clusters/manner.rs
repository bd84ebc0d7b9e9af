//! As what the program was called.

use std::ffi::OsStr;
use std::path::Path;

/// The two manners of one program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manner {
    /// All commands; logs go to standard error, usage errors exit with 2.
    Berth,
    /// k3d's commands alone; information goes to standard output, every error exits with 1.
    K3d,
}

impl Manner {
    /// Chosen by the first word of the command line.
    pub(crate) fn of_program(program: Option<&OsStr>) -> Self {
        let stem = program.map(Path::new).and_then(Path::file_name);
        match stem.and_then(OsStr::to_str) {
            Some("k3d" | "k3d.exe") => Self::K3d,
            _ => Self::Berth,
        }
    }

    pub(crate) fn program(self) -> &'static str {
        match self {
            Self::Berth => "berth",
            Self::K3d => "k3d",
        }
    }

    pub(crate) fn usage_exit_code(self) -> u8 {
        match self {
            Self::Berth => 2,
            Self::K3d => 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_name_alone_decides() {
        for (program, manner) in [
            ("k3d", Manner::K3d),
            ("/usr/local/bin/k3d", Manner::K3d),
            ("berth", Manner::Berth),
            ("/opt/k3d/berth", Manner::Berth),
            ("k3d-foo", Manner::Berth),
        ] {
            assert_eq!(Manner::of_program(Some(OsStr::new(program))), manner);
        }
        assert_eq!(Manner::of_program(None), Manner::Berth);
    }
}
