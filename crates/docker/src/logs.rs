//! Logs of containers, as lines.

use bollard::container::LogOutput;
use bollard::query_parameters::LogsOptions;
use bytes::Bytes;
use futures::stream::{self, BoxStream, StreamExt as _};

use crate::engine::Engine;
use crate::error::{Error, Operation};
use crate::names::checked;

/// A line longer than this comes in parts.
const LONGEST_LINE: usize = 64 * 1024;

impl Engine {
    /// Lines of a container's output and errors, without their ends: those there are since a point in time (seconds of the
    /// Unix epoch, 0 for all) and, with `follow`, those to come until the container stops.
    pub fn logs(
        &self,
        name: &str,
        follow: bool,
        since: u64,
    ) -> BoxStream<'static, Result<String, Error>> {
        self.log_lines(name, follow, since, "all")
    }

    /// The last `count` lines of a container's output and errors.
    pub fn last_lines(
        &self,
        name: &str,
        count: usize,
    ) -> BoxStream<'static, Result<String, Error>> {
        self.log_lines(name, false, 0, &count.to_string())
    }

    fn log_lines(
        &self,
        name: &str,
        follow: bool,
        since: u64,
        tail: &str,
    ) -> BoxStream<'static, Result<String, Error>> {
        let operation = Operation::new("read the log of container", name);
        let name = match checked(&operation, name) {
            Ok(name) => name,
            Err(error) => return stream::iter([Err(error)]).boxed(),
        };
        let options = LogsOptions {
            follow,
            stdout: true,
            stderr: true,
            since: since.try_into().unwrap_or(i32::MAX),
            tail: tail.to_owned(),
            ..LogsOptions::default()
        };
        let engine = self.clone();
        let pieces = self
            .docker
            .logs(name, Some(options))
            .map(move |piece| piece.map_err(|error| engine.failed(&operation, error)));
        lines(pieces.boxed())
    }
}

/// Lines of either stream, in the order in which they end; what has no end comes last.
fn lines(
    pieces: BoxStream<'static, Result<LogOutput, Error>>,
) -> BoxStream<'static, Result<String, Error>> {
    let state = (
        pieces,
        [Unfinished::default(), Unfinished::default()],
        false,
    );
    stream::unfold(state, |(mut pieces, mut unfinished, ended)| async move {
        if ended {
            return None;
        }
        let (ready, ended) = match pieces.next().await {
            Some(Ok(piece)) => {
                let (which, bytes) = sorted(piece);
                (unfinished[which].push(&bytes), false)
            }
            Some(Err(error)) => return Some((vec![Err(error)], (pieces, unfinished, true))),
            None => (
                unfinished.iter_mut().filter_map(Unfinished::end).collect(),
                true,
            ),
        };
        let ready = ready.into_iter().map(Ok).collect();
        Some((ready, (pieces, unfinished, ended)))
    })
    .flat_map(stream::iter)
    .boxed()
}

fn sorted(piece: LogOutput) -> (usize, Bytes) {
    match piece {
        LogOutput::StdErr { message } => (1, message),
        LogOutput::StdOut { message }
        | LogOutput::StdIn { message }
        | LogOutput::Console { message } => (0, message),
    }
}

/// The line that a stream is in the middle of.
#[derive(Default)]
struct Unfinished(Vec<u8>);

impl Unfinished {
    /// Adds bytes and takes out the lines that they end.
    fn push(&mut self, bytes: &[u8]) -> Vec<String> {
        let mut ready = Vec::new();
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            for part in piece.chunks(LONGEST_LINE) {
                if self.0.len() + part.len() > LONGEST_LINE {
                    ready.extend(self.end());
                }
                self.0.extend_from_slice(part);
            }
            if piece.ends_with(b"\n") {
                ready.extend(self.end());
            }
        }
        ready
    }

    fn end(&mut self) -> Option<String> {
        if self.0.is_empty() {
            return None;
        }
        let line = std::mem::take(&mut self.0);
        let line = line.strip_suffix(b"\n").unwrap_or(&line);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        Some(String::from_utf8_lossy(line).into_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::{LONGEST_LINE, Unfinished};

    #[test]
    fn lines_come_out_whole_however_they_come_in() {
        let text = b"one\ntwo\r\n\nthree";
        for size in 1..=text.len() {
            let mut unfinished = Unfinished::default();
            let mut lines: Vec<_> = text
                .chunks(size)
                .flat_map(|chunk| unfinished.push(chunk))
                .collect();
            lines.extend(unfinished.end());
            assert_eq!(lines, ["one", "two", "", "three"], "in pieces of {size}");
        }
    }

    #[test]
    fn a_line_without_an_end_does_not_fill_the_memory() {
        let mut unfinished = Unfinished::default();
        let mut parts = 0;
        for _ in 0..10 {
            parts += unfinished.push(&vec![b'x'; LONGEST_LINE]).len();
            assert!(unfinished.0.len() <= LONGEST_LINE);
        }
        assert_eq!(parts, 9);
    }
}
