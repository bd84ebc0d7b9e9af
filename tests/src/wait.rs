//! Waiting for a condition with a deadline; the only way tests wait.

use std::fmt::Display;
use std::future::Future;
use std::time::Duration;

use anyhow::{Result, bail};
use tokio::time::{Instant, sleep};

const PAUSE: Duration = Duration::from_millis(100);

/// Asks until the answer is `Ok`; after the deadline fails with the last refusal.
pub async fn eventually<T, E, F, A>(what: &str, deadline: Duration, mut ask: A) -> Result<T>
where
    A: FnMut() -> F,
    F: Future<Output = Result<T, E>>,
    E: Display,
{
    let end = Instant::now() + deadline;
    loop {
        match ask().await {
            Ok(answer) => return Ok(answer),
            Err(refusal) if Instant::now() >= end => {
                bail!(
                    "{what}: not within {} s; last: {refusal:#}",
                    deadline.as_secs()
                )
            }
            Err(_) => sleep(PAUSE).await,
        }
    }
}

/// Asks for the whole time and fails at the first refusal: for what must stay as it is.
pub async fn steadily<E, F, A>(what: &str, time: Duration, mut ask: A) -> Result<()>
where
    A: FnMut() -> F,
    F: Future<Output = Result<(), E>>,
    E: Display,
{
    let end = Instant::now() + time;
    while Instant::now() < end {
        if let Err(refusal) = ask().await {
            bail!("{what}: did not hold: {refusal:#}");
        }
        sleep(PAUSE).await;
    }
    Ok(())
}
