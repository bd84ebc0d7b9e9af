//! The agent beside real containerds with the CRI plugin on, which pull from a real registry behind a slow line.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test that cannot go on ends there, and says what it knows"
)]

mod agent;
mod containerd;
mod images;
mod registry;
mod scenarios;
mod server;

use containerd::Version;

/// Each scenario on Debian's containerd and on a newer one.
macro_rules! on_each_containerd {
    ($($name:ident),+ $(,)?) => {
        mod debian {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() { super::scenarios::$name(super::Version::Debian).await; })+
        }
        mod newer_docker {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() { super::scenarios::$name(super::Version::Newer).await; })+
        }
    };
}

on_each_containerd!(
    the_total_of_a_pull_is_exact_from_its_manifest_on,
    two_pulls_share_a_base_layer,
    two_pulls_in_a_row_are_two_entries_with_the_runtimes_own_durations,
    a_missing_layer_and_a_wrong_digest_are_failures_with_real_bytes,
    a_missing_manifest_is_a_failure_or_nothing_and_never_a_success,
    a_cut_connection_is_resumed_and_succeeds,
    a_cached_image_is_a_cache_hit_or_nothing,
    a_killed_runtime_leaves_an_orphan_and_the_next_pull_resumes,
    a_small_image_is_recorded,
    unpacking_shows_after_the_last_byte,
    an_absent_a_hanging_and_a_restarted_runtime_are_waited_for,
    nothing_is_lost_while_the_server_is_away,
);
