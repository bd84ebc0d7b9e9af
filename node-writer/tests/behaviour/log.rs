//! What the log says, in the shape that users of the first prototype know.

use crate::node::{Node, output, stderr};

const OLD: &str = "mirrors: {docker.io: {endpoint: [\"https://old-registry.com\"]}}\n\
    configs: {docker.io: {auth: {username: made-up-user, password: made-up-password}}}\n";

fn new() -> String {
    OLD.replace("old-registry", "new-registry")
        .replace("up-password", "other-password")
}

/// The block of a change as it stands in the golden file; what follows it are ordinary log lines.
fn block(log: &str, node: &Node) -> (String, String) {
    let log = log.replace(&node.root.path().display().to_string(), "");
    let is_block = |line: &&str| !line.contains(" INFO ");
    let end: usize = log
        .split_inclusive('\n')
        .take_while(is_block)
        .map(str::len)
        .sum();
    (log[..end].to_owned(), log[end..].to_owned())
}

#[test]
fn a_new_file_is_shown_as_a_preview() {
    let node = Node::with(OLD);
    let (block, rest) = block(&stderr(&node.once()), &node);
    assert_eq!(block, include_str!("../golden/new.txt"));
    assert!(
        rest.contains("Wrote /etc/rancher/k3s/registries.yaml"),
        "{rest}"
    );
    assert_eq!(rest.lines().count(), 1, "{rest}");
}

#[test]
fn a_change_is_shown_as_a_diff() {
    let node = Node::with(OLD);
    node.once();
    node.set_source("registries.yaml", &new());
    let (block, rest) = block(&stderr(&node.once()), &node);
    assert_eq!(block, include_str!("../golden/changed.txt"));
    assert!(
        rest.contains(&format!("config.revision={}", crate::node::REVISION)),
        "{rest}"
    );
}

#[test]
fn nothing_new_is_one_line() {
    let node = Node::with(OLD);
    node.once();
    let log = stderr(&node.once());
    assert_eq!(log.lines().count(), 1, "{log}");
    assert!(log.contains("No configuration changes detected"), "{log}");
}

#[test]
fn a_change_of_comments_alone_says_so() {
    let node = Node::with(OLD);
    node.once();
    node.set_source("registries.yaml", &format!("# made-up-comment\n{OLD}"));
    let log = stderr(&node.once());
    assert!(
        log.contains("Only comments, order or layout differ") && !log.contains("made-up"),
        "{log}"
    );
}

#[test]
fn an_old_file_that_nobody_can_read_is_replaced_and_not_shown() {
    let node = Node::with(OLD);
    node.set_document("configs: {a: {auth: {password: made-up-secret\n");
    let result = node.once();
    let log = stderr(&result);
    assert!(
        result.status.success() && log.contains("not readable as YAML") && !log.contains("made-up"),
        "{log}"
    );
    assert_eq!(node.read(), OLD);
}

#[test]
fn a_file_of_too_many_values_is_written_and_not_shown() {
    let node = Node::with(OLD);
    let many = format!("mirrors: {{a: {{endpoint: [{}]}}}}\n", "b,".repeat(120_000));
    node.set_source("registries.yaml", &many);
    let result = node.once();
    let log = stderr(&result);
    assert!(
        result.status.success()
            && log.contains("too large to show")
            && !log.contains("not readable"),
        "{log}"
    );
    assert_eq!(node.read(), many);
}

#[test]
fn in_json_each_line_is_an_object_and_the_diff_is_one_field() {
    let node = Node::with(OLD);
    let arguments = [
        node.arguments("once"),
        vec!["--log-format".into(), "json".into()],
    ]
    .concat();
    let fields = |field: &str| -> Vec<String> {
        let log = stderr(&output(&arguments));
        let lines = log
            .lines()
            .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
        lines
            .filter_map(|line| line[field].as_str().map(str::to_owned))
            .collect()
    };
    let previews = fields("preview");
    assert!(
        previews.len() == 1 && previews[0].contains("password: <REDACTED>\n"),
        "{previews:?}"
    );
    node.set_source("registries.yaml", &new());
    let diffs = fields("diff");
    assert!(
        diffs.len() == 1 && diffs[0].contains("\n+        password: <REDACTED> (changed)\n"),
        "{diffs:?}"
    );
}

#[test]
fn the_name_of_the_node_is_a_field_of_every_line() {
    let node = Node::with(OLD);
    let mut command = crate::node::binary();
    command
        .env("NODE_NAME", "worker-7")
        .args(node.arguments("once"))
        .args(["--log-format", "json"]);
    let log = stderr(&command.output().unwrap());
    assert!(
        log.lines().count() >= 2
            && log
                .lines()
                .all(|line| line.contains("\"node.name\":\"worker-7\"")),
        "{log}"
    );
}

#[test]
fn a_quiet_level_is_quiet() {
    let node = Node::with(OLD);
    let mut command = crate::node::binary();
    command
        .env("BERTH_LOG_LEVEL", "warn")
        .args(node.arguments("once"));
    assert_eq!(stderr(&command.output().unwrap()), "");
}
