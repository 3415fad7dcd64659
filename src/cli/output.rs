//! Standard output and standard error.

use anyhow::Context;
use std::io::{BufWriter, Write};
use std::path::Path;

/// Prints a text.
pub(super) fn print(text: &str) -> anyhow::Result<()> {
    write(|out| Ok(out.write_all(text.as_bytes())?))
}

/// Prints what `fill` writes, through a buffer.
pub(super) fn write(fill: impl FnOnce(&mut dyn Write) -> anyhow::Result<()>) -> anyhow::Result<()> {
    let mut out = BufWriter::new(std::io::stdout().lock());
    fill(&mut out)?;
    out.flush()?;
    Ok(())
}

/// Writes a text to a file.
#[expect(clippy::disallowed_methods, reason = "the command line is the room that writes files")]
pub(super) fn save(path: &Path, text: &str) -> anyhow::Result<()> {
    std::fs::write(path, text).with_context(|| format!("{} cannot be written", path.display()))
}

/// Says something to the person at the terminal; a standard error that is gone is no reason to stop.
pub(super) fn complain(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

/// Did the reader of our output go away?
pub(super) fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let broken = |kind| kind == std::io::ErrorKind::BrokenPipe;
    error.chain().any(|cause| {
        cause.downcast_ref::<std::io::Error>().is_some_and(|error| broken(error.kind()))
            || cause
                .downcast_ref::<serde_json::Error>()
                .is_some_and(|error| error.io_error_kind().is_some_and(broken))
    })
}
