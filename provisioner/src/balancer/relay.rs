//! Carries bytes between a client and a server until both have said all, one of them fails, or both are silent too long.

use std::io::{self, ErrorKind};
use std::net::Shutdown;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use socket2::SockRef;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until};

/// Big enough that a fast stream costs few system calls; held only while there is something to carry.
const CHUNK: usize = 64 * 1024;

/// Relays until the end; errors have no one to be told to but the two ends, who learn them as a reset.
pub(super) async fn relay(client: &TcpStream, server: &TcpStream, idle: Duration) {
    let activity = Activity::new();
    let both = async {
        tokio::try_join!(
            carry(client, server, &activity),
            carry(server, client, &activity)
        )
    };
    tokio::select! {
        result = both => {
            if result.is_err() {
                // A plain close would look like a proper end to the side that is still there.
                let _ = client.set_zero_linger();
                let _ = server.set_zero_linger();
            }
        }
        () = activity.silence(idle) => {}
    }
}

/// Carries one direction to its end and passes that end on; the other direction may go on for as long as it likes.
///
/// It fails only when `from` does. When `to` takes no more, that is for the other direction to find out: there may
/// still be an answer to read.
async fn carry(from: &TcpStream, to: &TcpStream, activity: &Activity) -> io::Result<()> {
    let mut buffer = Vec::new();
    loop {
        from.readable().await?;
        buffer.reserve_exact(CHUNK);
        match from.try_read_buf(&mut buffer) {
            Ok(0) => {
                // The other side may be gone already, then there is nothing to end.
                let _ = SockRef::from(to).shutdown(Shutdown::Write);
                return Ok(());
            }
            Ok(_) => {
                activity.note();
                if write(to, &buffer, activity).await.is_err() {
                    return Ok(());
                }
                buffer.clear();
            }
            // Thousands of silent connections hold no buffers.
            Err(error) if error.kind() == ErrorKind::WouldBlock => buffer = Vec::new(),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

async fn write(to: &TcpStream, mut bytes: &[u8], activity: &Activity) -> io::Result<()> {
    while !bytes.is_empty() {
        match to.try_write(bytes) {
            Ok(count) => {
                activity.note();
                bytes = &bytes[count..];
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => to.writable().await?,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// When something last happened, in either direction.
pub(super) struct Activity {
    start: Instant,
    last: AtomicU64,
}

impl Activity {
    pub(super) fn new() -> Self {
        Self {
            start: Instant::now(),
            last: AtomicU64::new(0),
        }
    }

    pub(super) fn note(&self) {
        let since = u64::try_from(self.start.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.last.store(since, Ordering::Relaxed);
    }

    /// How long nothing has happened.
    pub(super) fn silent_for(&self) -> Duration {
        self.last().elapsed()
    }

    fn last(&self) -> Instant {
        self.start + Duration::from_micros(self.last.load(Ordering::Relaxed))
    }

    /// Ends when nothing has happened for `idle`.
    pub(super) async fn silence(&self, idle: Duration) {
        loop {
            let last = self.last();
            sleep_until(last + idle).await;
            if self.last() == last {
                return;
            }
        }
    }
}
