//! Plans and payloads, compared with files that people have read. `BERTH_BLESS=1` writes them anew.

mod applied;
mod create;
mod existing;
mod golden;
mod samples;
