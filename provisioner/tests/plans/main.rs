//! Plans and payloads, compared with files that people have read. `BERTH_BLESS=1` writes them anew.

#![expect(
    clippy::unwrap_used,
    reason = "the functions that tests share fail as tests do"
)]

mod applied;
mod create;
mod existing;
mod golden;
mod samples;
mod secrets;
