use crate::output::{Outcome, Streams};
use anyhow::Result;
pub(crate) fn run<T>(_: &T, _: &mut Streams) -> Result<Outcome> {
    anyhow::bail!("todo")
}
