//! The tracer's page in a real browser, against the real server, fed by reports as agents post them.

mod chromium;
mod feed;
mod http;
mod page;
mod reading;
