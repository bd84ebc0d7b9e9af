#![doc = include_str!("../README.md")]

pub mod blob;
pub mod certs_d;
pub mod containerd;
pub mod discover;
pub mod health;
pub mod outbox;
pub mod post;
pub mod reporter;
pub mod run;
pub mod servers;
pub mod session;
pub mod settings;
pub mod view;
pub mod watch;
