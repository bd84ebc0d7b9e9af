//! One stream to many takers, at the pace of the slowest.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use docker::ByteStream;
use futures::stream::{self, StreamExt as _};
use tokio::sync::mpsc::{Sender, channel};
use tokio::sync::oneshot;
use tokio::time::timeout;

/// Pieces that wait for a taker; with the source's pieces of some ten kilobytes this is all the memory it costs.
const WAITING: usize = 8;

/// The sending side.
pub(super) struct Fan {
    lanes: Vec<Lane>,
    patience: Duration,
}

struct Lane {
    pieces: Sender<io::Result<Bytes>>,
    stalled: oneshot::Sender<()>,
}

/// One taker's side.
pub(super) struct Taker {
    /// What it is to take.
    pub(super) pieces: ByteStream,
    /// Comes when it took nothing for too long; an error means that it never will.
    pub(super) stalled: oneshot::Receiver<()>,
}

impl Fan {
    /// A fan for so many takers; one that takes nothing for as long as `patience` is given up.
    pub(super) fn new(count: usize, patience: Duration) -> (Self, Vec<Taker>) {
        let (lanes, takers) = (0..count).map(|_| lane()).unzip();
        (Self { lanes, patience }, takers)
    }

    /// Hands a piece to everybody who is still there; false when nobody is.
    pub(super) async fn send(&mut self, piece: &Bytes) -> bool {
        let mut still = Vec::with_capacity(self.lanes.len());
        for lane in self.lanes.drain(..) {
            match timeout(self.patience, lane.pieces.send(Ok(piece.clone()))).await {
                Ok(Ok(())) => still.push(lane),
                // It has ended, and says itself why.
                Ok(Err(_)) => {}
                // Who no longer waits for the word has ended as well.
                Err(_) => drop(lane.stalled.send(())),
            }
        }
        self.lanes = still;
        !self.lanes.is_empty()
    }

    /// Ends the stream for everybody: well, or as one that broke off and must not be taken for whole.
    pub(super) async fn end(self, is_whole: bool) {
        for lane in self.lanes {
            if !is_whole {
                let broken = io::Error::from(io::ErrorKind::UnexpectedEof);
                // A taker that has ended, or never takes it, does not take it for whole either.
                let _ = timeout(self.patience, lane.pieces.send(Err(broken))).await;
            }
        }
    }
}

fn lane() -> (Lane, Taker) {
    let (sender, receiver) = channel(WAITING);
    let (stalled, stall) = oneshot::channel();
    let pieces = stream::unfold(receiver, |mut receiver| async move {
        let piece = receiver.recv().await?;
        Some((piece, receiver))
    });
    let lane = Lane {
        pieces: sender,
        stalled,
    };
    let taker = Taker {
        pieces: pieces.fuse().boxed(),
        stalled: stall,
    };
    (lane, taker)
}

#[cfg(test)]
mod tests;
