//! Memory limits as Docker writes them: a number and a unit in powers of 1024, such as `512m`, `1.5g` or `2GiB`.

use super::problem::Wrong;

/// Bytes. Zero means no limit, as for Docker.
pub fn parse(text: &str) -> Result<i64, Wrong> {
    let wrong = || {
        Wrong::new(format!("{text:?} is no amount of memory"))
            .mend("write a number and a unit out of b, k, m, g, t, p, such as 512m or 1.5g")
    };
    let end = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let unit = unit.strip_prefix(' ').unwrap_or(unit).to_ascii_lowercase();
    let power = match unit.as_str() {
        "" | "b" => 0,
        "k" | "kb" | "kib" => 1,
        "m" | "mb" | "mib" => 2,
        "g" | "gb" | "gib" => 3,
        "t" | "tb" | "tib" => 4,
        "p" | "pb" | "pib" => 5,
        _ => return Err(wrong()),
    };
    let number: f64 = number.parse().map_err(|_| wrong())?;
    let bytes = number * 1024_f64.powi(power);
    #[expect(clippy::cast_precision_loss, reason = "the bound need not be exact")]
    let fits = bytes < i64::MAX as f64;
    #[expect(
        clippy::cast_possible_truncation,
        reason = "bounded above; parts of bytes do not count"
    )]
    fits.then_some(bytes as i64).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_in_powers_of_1024() {
        for (text, bytes) in [
            ("1g", 1_073_741_824),
            ("1.5g", 1_610_612_736),
            ("512m", 536_870_912),
            ("64 MiB", 67_108_864),
            ("2GB", 2_147_483_648),
            ("1024", 1024),
            ("7b", 7),
            ("1p", 1 << 50),
            ("0", 0),
        ] {
            assert_eq!(parse(text), Ok(bytes), "{text}");
        }
        for text in [
            "",
            "g",
            "1x",
            "-1g",
            "1.2.3g",
            "1  g",
            "1gg",
            "99999999p",
            "one",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
