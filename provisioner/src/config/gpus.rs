//! GPUs as `docker run --gpus` takes them: `all`, a number, or fields such as `count=2,driver=nvidia`.

use std::collections::BTreeMap;

use super::problem::Wrong;
use crate::cluster::GpuRequest;

pub fn parse(text: &str) -> Result<GpuRequest, Wrong> {
    let wrong = |what: String| {
        Wrong::new(what).mend("write all, a number, or fields out of count=, device=, driver=, capabilities= and options=")
    };
    let mut request = GpuRequest::default();
    let mut count = None;
    let mut seen: Vec<String> = Vec::new();
    let fields = fields(text)
        .ok_or_else(|| wrong("the quotes of the GPU request do not match".to_owned()))?;
    for field in &fields {
        let (key, value) = match field.split_once('=') {
            Some((key, value)) => (key, value),
            None => ("count", field.as_str()),
        };
        if seen.iter().any(|known| known == key) {
            return Err(wrong(format!("the GPU request gives {key} twice"))
                .mend("put a field that holds commas in quotes: '\"device=0,1\"'"));
        }
        seen.push(key.to_owned());
        let list = || value.split(',').map(ToOwned::to_owned);
        match key {
            "count" => {
                count = Some(
                    parse_count(value)
                        .ok_or_else(|| wrong(format!("{value:?} is no number of GPUs")))?,
                );
            }
            "driver" => value.clone_into(&mut request.driver),
            "device" => request.device_ids = list().collect(),
            "capabilities" => {
                request.capabilities = vec![list().chain(["gpu".to_owned()]).collect()];
            }
            "options" => request.options = options(value),
            _ => {
                return Err(wrong(format!(
                    "the GPU request has an unknown field {key:?}"
                )));
            }
        }
    }
    if count.is_some() && !request.device_ids.is_empty() {
        return Err(
            wrong("the GPU request gives both a number and devices".to_owned())
                .mend("put a field that holds commas in quotes: '\"device=0,1\"'"),
        );
    }
    request.count = count.unwrap_or(i64::from(request.device_ids.is_empty()));
    if request.capabilities.is_empty() {
        request.capabilities = vec![vec!["gpu".to_owned()]];
    }
    Ok(request)
}

fn parse_count(text: &str) -> Option<i64> {
    if text == "all" {
        return Some(-1);
    }
    text.parse().ok().filter(|count| *count >= -1)
}

fn options(text: &str) -> BTreeMap<String, String> {
    let pairs = fields(text).unwrap_or_default().into_iter();
    pairs
        .map(|pair| match pair.split_once('=') {
            Some((key, value)) => (key.to_owned(), value.to_owned()),
            None => (pair, String::new()),
        })
        .collect()
}

/// One line of CSV: fields with commas stand in double quotes, a quote in them is doubled.
fn fields(text: &str) -> Option<Vec<String>> {
    let mut fields = vec![String::new()];
    let mut quoted = false;
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        let field = fields.last_mut()?;
        match character {
            '"' if quoted && characters.peek() == Some(&'"') => {
                characters.next();
                field.push('"');
            }
            '"' if quoted || field.is_empty() => quoted = !quoted,
            ',' if !quoted => fields.push(String::new()),
            other => field.push(other),
        }
    }
    (!quoted).then_some(fields)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(count: i64, devices: &[&str], capabilities: &[&str]) -> GpuRequest {
        let owned = |list: &[&str]| list.iter().map(|&text| text.to_owned()).collect::<Vec<_>>();
        GpuRequest {
            count,
            device_ids: owned(devices),
            capabilities: vec![owned(capabilities)],
            ..GpuRequest::default()
        }
    }

    #[test]
    fn requests_are_read_as_docker_reads_them() {
        for (text, expected) in [
            ("all", request(-1, &[], &["gpu"])),
            ("2", request(2, &[], &["gpu"])),
            ("count=all", request(-1, &[], &["gpu"])),
            ("\"device=0,2\"", request(0, &["0", "2"], &["gpu"])),
            ("device=GPU-1", request(0, &["GPU-1"], &["gpu"])),
            (
                "\"capabilities=compute,utility\"",
                request(1, &[], &["compute", "utility", "gpu"]),
            ),
        ] {
            assert_eq!(parse(text), Ok(expected), "{text}");
        }
        let full = parse("count=1,driver=nvidia,\"options=a=1,b=2\"").unwrap();
        assert_eq!(
            (full.count, full.driver.as_str(), full.options.len()),
            (1, "nvidia", 2)
        );
    }

    #[test]
    fn requests_that_docker_would_not_take_are_refused() {
        for text in [
            "",
            "many",
            "2,3",
            "device=0,1",
            "speed=9",
            "count=-2",
            "\"device=0",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
