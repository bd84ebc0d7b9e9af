//! A process that is killed in the middle of writing leaves nothing that is not whole.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::Stdio;

use berth_gateway::names::{Digest, Reference};
use berth_gateway::store::{Expected, Space};

use super::{child, content, folder_of_child, is_whole, manifest, name, open, push, tag};

const SIZE: usize = 300_000;

#[tokio::test]
async fn a_store_whose_process_was_killed_opens_with_all_that_was_acknowledged_and_nothing_half() {
    if let Some(folder) = folder_of_child() {
        return push_for_ever(&folder).await;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut acknowledged = 0;
    for round in 1..=8 {
        acknowledged = kill_after(folder.path(), acknowledged, round);
        let store = open(folder.path()).await;
        is_whole(folder.path());
        let repository = store.repository(Space::Pushed, &name());
        assert!(repository.tags().len() >= acknowledged);
        for number in 0..acknowledged {
            let found = repository.manifest(&Reference::Tag(tag(number)));
            assert_eq!(found, Some(manifest(number)), "{number}");
            let layer = Digest::of(&content(number, SIZE));
            assert!(repository.has_blob(&layer) && store.has(&layer), "{number}");
        }
    }
}

/// Runs the other process until it has acknowledged so many more, kills it in the middle of the next one, and says how many
/// there are now.
fn kill_after(folder: &Path, from: usize, more: usize) -> usize {
    let test = "killed::a_store_whose_process_was_killed_opens_with_all_that_was_acknowledged_and_nothing_half";
    let mut process = child(test, &[])
        .env(super::FOLDER, folder)
        .env("BERTH_TEST_FROM", from.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(process.stdout.take().unwrap()).lines();
    let numbers = lines
        .map_while(Result::ok)
        .filter_map(|line| line.strip_prefix("done ")?.parse::<usize>().ok());
    let last = numbers.take(more).last();
    process.kill().unwrap();
    process.wait().unwrap();
    last.expect("nothing was acknowledged") + 1
}

async fn push_for_ever(folder: &Path) {
    let store = open(folder).await;
    let from = std::env::var_os("BERTH_TEST_FROM").unwrap();
    let from: usize = from.to_str().unwrap().parse().unwrap();
    // Something mirrored arrives all the while, and stays half.
    let arriving = Expected {
        digest: Digest::of(b"never"),
        size: 10_000_000,
    };
    let mut writer = store.writer(Some(arriving)).await.unwrap();
    writer.write(content(0, 500_000)).await.unwrap();
    for number in from.. {
        push(&store, number, SIZE).await.unwrap();
        let mut stdout = std::io::stdout();
        writeln!(stdout, "\ndone {number}").unwrap();
        stdout.flush().unwrap();
    }
}
