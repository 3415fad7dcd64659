//! Recordings as files: one for each term of an engine, its steps as lines of JSON, compressed with gzip, in a folder whose
//! size and age are bounded.
//!
//! A term is replayed from its beginning or not at all, so that what goes first is whole terms, the oldest first. A term that
//! alone reaches the limit is recorded no further, and it is said so.

use crate::engine::Step;
use anyhow::Context;
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
#[cfg(feature = "live")]
use std::time::Duration;

/// How the names of recordings end.
const ENDING: &str = ".steps.gz";
/// Recordings that were written to last so long ago are removed.
#[cfg(feature = "live")]
const OLDEST: Duration = Duration::from_secs(7 * 24 * 3600);
/// So many batches of steps may be lost when the process dies.
const UNWRITTEN: u32 = 16;

/// A recording that is being written.
#[derive(Debug)]
pub(super) struct Recorder {
    out: GzEncoder<Counted>,
    limit: u64,
    batches: u32,
}

impl Recorder {
    /// Begins a recording of this name, of at most so many bytes.
    pub(super) fn begin(folder: &Path, name: &str, limit: u64) -> anyhow::Result<Recorder> {
        std::fs::create_dir_all(folder)
            .with_context(|| format!("--record {}: it cannot be made", folder.display()))?;
        let path = folder.join(format!("{name}{ENDING}"));
        let file =
            File::create(&path).with_context(|| format!("--record: {} cannot be written", path.display()))?;
        let out = Counted { file: BufWriter::new(file), bytes: 0 };
        Ok(Recorder { out: GzEncoder::new(out, Compression::fast()), limit, batches: 0 })
    }

    /// Writes steps. False if the limit is reached: nothing is written any more.
    pub(super) fn keep(&mut self, steps: &[Step]) -> anyhow::Result<bool> {
        for step in steps {
            serde_json::to_writer(&mut self.out, step)?;
            self.out.write_all(b"\n")?;
        }
        self.batches += 1;
        if self.batches.is_multiple_of(UNWRITTEN) {
            self.out.flush()?;
        }
        Ok(self.out.get_ref().bytes < self.limit)
    }

    /// Ends it.
    pub(super) fn end(self) -> anyhow::Result<()> {
        Ok(self.out.finish()?.flush()?)
    }
}

/// A file that knows how much has been written to it.
#[derive(Debug)]
struct Counted {
    file: BufWriter<File>,
    bytes: u64,
}

impl Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.file.flush()
    }
}

/// Removes recordings that are old, and the oldest as long as the rest is larger than half the limit in bytes: a term that
/// begins has the other half. What cannot be removed stays.
#[cfg(feature = "live")]
pub(super) fn make_room(folder: &Path, limit: u64) {
    let mut left = 0;
    for path in recordings(folder).unwrap_or_default().into_iter().rev() {
        let Ok(known) = std::fs::metadata(&path) else { continue };
        left += known.len();
        let age = known.modified().ok().and_then(|at| at.elapsed().ok()).unwrap_or_default();
        if age > OLDEST || left > limit / 2 {
            let _ = std::fs::remove_file(&path);
        }
    }
}

/// The recordings of a folder, by name, which begins with the time; the path itself if it is a file.
pub(super) fn recordings(path: &Path) -> anyhow::Result<Vec<PathBuf>> {
    if path.is_file() {
        return Ok(vec![path.to_owned()]);
    }
    let entries = std::fs::read_dir(path).with_context(|| format!("{} cannot be read", path.display()))?;
    let mut found: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    found.retain(|path| path.file_name().is_some_and(|name| name.to_string_lossy().ends_with(ENDING)));
    found.sort();
    Ok(found)
}

/// The steps of a recording. One whose writer died ends with the last step that is whole.
pub(super) fn steps(path: &Path) -> anyhow::Result<impl Iterator<Item = anyhow::Result<Step>> + use<>> {
    let file = File::open(path).with_context(|| format!("{} cannot be read", path.display()))?;
    let lines = BufReader::new(GzDecoder::new(file)).lines().map_while(Result::ok);
    let shown = path.display().to_string();
    Ok(lines.enumerate().map(move |(number, line)| {
        serde_json::from_str(&line).with_context(|| format!("{shown}: step {} cannot be read", number + 1))
    }))
}
