//! `image import`.

use anyhow::Result;

use super::{Context, Done};
use crate::clusters::arguments::ImageCommand;
use crate::output::Streams;

pub(crate) async fn run(
    command: ImageCommand,
    context: &Context<'_>,
    streams: &mut Streams,
) -> Result<Done> {
    let _ = (command, context, streams);
    anyhow::bail!("image import is not built yet")
}
