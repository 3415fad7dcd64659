//! Files and standard input.

use std::io::Read;
use std::path::Path;

/// The text of a file; `-` is standard input.
#[expect(clippy::disallowed_methods, reason = "the command line is the room that reads files")]
pub(super) fn read(name: &Path) -> Result<String, String> {
    let shown = name.display();
    let bytes = if name == Path::new("-") {
        let mut bytes = Vec::new();
        std::io::stdin().read_to_end(&mut bytes).map(|_| bytes)
    } else {
        std::fs::read(name)
    };
    let bytes = bytes.map_err(|error| format!("{shown}: cannot be read: {error}"))?;
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        format!("{shown}: is not UTF-8 at byte {at}; save it as UTF-8")
    })
}

/// Files of a folder that hold manifests, by name; the path itself if it is no folder.
pub(super) fn files(path: &Path) -> Result<Vec<std::path::PathBuf>, String> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let entries =
        std::fs::read_dir(path).map_err(|error| format!("{}: cannot be read: {error}", path.display()))?;
    let mut files: Vec<_> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| {
            let extension = path.extension().and_then(|extension| extension.to_str());
            path.is_file() && matches!(extension, Some("yaml" | "yml" | "json" | "jsonl"))
        })
        .collect();
    files.sort();
    if files.is_empty() {
        return Err(format!("{}: is a folder without .yaml or .json files", path.display()));
    }
    Ok(files)
}
