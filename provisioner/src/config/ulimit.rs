//! Limits of processes: `NAME=SOFT:HARD`.

use super::problem::Wrong;
use crate::cluster::Ulimit;

const NAMES: [&str; 15] = [
    "core",
    "cpu",
    "data",
    "fsize",
    "locks",
    "memlock",
    "msgqueue",
    "nice",
    "nofile",
    "nproc",
    "rss",
    "rtprio",
    "rttime",
    "sigpending",
    "stack",
];

/// Reads what stands on a command line.
pub fn parse(text: &str) -> Result<Ulimit, Wrong> {
    let wrong = || {
        Wrong::new(format!("{text:?} is no limit of processes"))
            .mend("write NAME=SOFT:HARD, such as nofile=1024:4096")
    };
    let (name, limits) = text.split_once('=').ok_or_else(wrong)?;
    let (soft, hard) = limits.split_once(':').ok_or_else(wrong)?;
    check(Ulimit {
        name: name.to_owned(),
        soft: soft.parse().map_err(|_| wrong())?,
        hard: hard.parse().map_err(|_| wrong())?,
    })
}

/// The limit, if the Engine would take it.
pub fn check(ulimit: Ulimit) -> Result<Ulimit, Wrong> {
    let Ulimit { name, soft, hard } = &ulimit;
    if !NAMES.contains(&name.as_str()) {
        return Err(Wrong::new(format!("there is no limit named {name:?}"))
            .mend(format!("there are {}", NAMES.join(", "))));
    }
    // -1 means no limit at all.
    if *soft < -1 || *hard < -1 {
        return Err(
            Wrong::new(format!("the limit {name} is negative")).mend("write -1 for no limit")
        );
    }
    if *hard != -1 && (*soft == -1 || soft > hard) {
        return Err(Wrong::new(format!(
            "the soft limit of {name} is above its hard limit"
        )));
    }
    Ok(ulimit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_need_a_known_name_and_both_numbers() {
        let expected = Ulimit {
            name: "nofile".to_owned(),
            soft: 1024,
            hard: 4096,
        };
        assert_eq!(parse("nofile=1024:4096"), Ok(expected));
        assert!(parse("core=-1:-1").is_ok());
        assert!(parse("core=0:-1").is_ok());
        for text in [
            "",
            "nofile",
            "nofile=1",
            "nofile=1:",
            "nofile=a:b",
            "files=1:1",
            "nofile=2:1",
            "nofile=-1:5",
            "nofile=-2:5",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
