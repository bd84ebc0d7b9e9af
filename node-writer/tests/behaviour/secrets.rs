//! Whatever happens, no output of the real binary shows a secret.

use std::fs;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::node::{Node, output};

#[derive(Clone, Debug)]
struct Secrets([String; 6]);

fn any_secret() -> impl Strategy<Value = String> {
    // Long enough that it never stands in a path or a word by chance.
    "[A-Za-z0-9+/_.~-]{12,40}"
}

fn any_secrets() -> impl Strategy<Value = Secrets> {
    prop::array::uniform6(any_secret()).prop_map(Secrets)
}

fn document(Secrets([username, password, auth, token, userinfo, unknown]): &Secrets) -> String {
    format!(
        "# {unknown}
mirrors:
  docker.io:
    endpoint: ['https://user:{userinfo}@mirror.internal/v2?token={token}']
configs:
  a.internal:
    auth: {{username: '{username}', password: '{password}'}}
  b.internal:
    auth: {{auth: '{auth}', identity_token: '{token}', token: '{unknown}'}}
"
    )
}

fn outputs(node: &Node, log_format: &str) -> String {
    let mut all = String::new();
    for command in ["status", "once", "once", "status"] {
        let mut arguments = node.arguments(command);
        let log = ["--log-level", "trace", "--log-format", log_format];
        arguments.extend(log.map(str::to_owned));
        let result = output(&arguments);
        all += &String::from_utf8_lossy(&result.stdout);
        all += &String::from_utf8_lossy(&result.stderr);
    }
    all + &fs::read_to_string(node.termination_log()).unwrap_or_default()
}

fn assert_hidden(text: &str, secrets: &Secrets) -> Result<(), TestCaseError> {
    for secret in &secrets.0 {
        prop_assert!(!text.contains(secret), "{secret} stands in:\n{text}");
    }
    Ok(())
}

#[test]
fn no_output_of_any_kind_shows_a_secret() {
    let mut runner = TestRunner::new(Config {
        cases: 24,
        ..Config::default()
    });
    let cases = (
        any_secrets(),
        any_secrets(),
        prop::sample::select(vec!["text", "json"]),
    );
    runner
        .run(&cases, |(old, new, format)| {
            let node = Node::with(&document(&new));
            node.set_document(&document(&old));
            let mut all = outputs(&node, format);
            prop_assert!(all.contains("<REDACTED>"), "{all}");
            // A document that fails, in each of the ways that quote what they read.
            for broken in [
                format!("{}\n  [", document(&new)),
                document(&new).replace("auth: {", "auth: ["),
                document(&new).replace(']', ""),
                format!(
                    "configs: {{a: {{tls: {{insecure_skip_verify: '{}'}}}}}}",
                    new.0[0]
                ),
                format!("*{}", new.0[1]),
            ] {
                node.set_source("registries.yaml", &broken);
                all += &outputs(&node, format);
            }
            // An old file that cannot be read.
            node.set_source("registries.yaml", &document(&new));
            node.set_document(&format!("{}\n  [", document(&old)));
            all += &outputs(&node, format);
            let restored = output(&node.arguments_for("once", "--restore"));
            all += &String::from_utf8_lossy(&restored.stderr);
            assert_hidden(&all, &old)?;
            assert_hidden(&all, &new)
        })
        .unwrap();
}
