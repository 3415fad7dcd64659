//! Manifests as text -> objects as JSON, with where each was written. Pure: the command line reads the files.
//!
//! Accepted: YAML (any number of documents), JSON, JSON Lines, and the lists that `kubectl get -o yaml|json` prints.
//! A file is cut at its document markers first and each document parsed alone, so that one bad document does not hide
//! the problems of the others and no limit on the number of documents applies.

use super::locate;
use super::problem::Problem;
use crate::api::strict::kind_of;
use crate::apiserver::At as _;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};
use std::fmt;
use std::sync::Arc;

/// A text that was read, and its name.
#[derive(Debug)]
struct InputFile {
    name: Arc<str>,
    text: Arc<str>,
}

/// One object, and where it was written.
#[derive(Clone, Debug)]
pub struct Document {
    /// The object.
    pub value: Value,
    /// The file it came from.
    pub source: Arc<str>,
    /// The document in the file, counted from 1.
    pub number: u32,
    /// The line the document starts on, counted from 1.
    pub line: u32,
    /// The item of the list, for objects from a list.
    item: Option<u32>,
    text: Span,
}

#[derive(Clone, Debug)]
struct Span {
    text: Arc<str>,
    start: usize,
    end: usize,
}

/// Collects objects and problems over several files.
#[derive(Debug, Default)]
pub struct Reader {
    /// Objects in the order they were written.
    pub documents: Vec<Document>,
    /// What is wrong so far.
    pub problems: Vec<Problem>,
}

impl Reader {
    /// Reads one text. Problems are collected, and the documents without problems as well.
    pub fn read(&mut self, name: &str, text: &str) {
        let source =
            InputFile { name: name.into(), text: text.strip_prefix('\u{feff}').unwrap_or(text).into() };
        // JSON documents between YAML's markers are YAML; no line of a JSON value can be a marker.
        let is_marked = source.text.lines().any(|line| marker(line).is_some());
        if looks_like_json(&source.text) && !is_marked {
            let before = (self.documents.len(), self.problems.len());
            if self.read_json(&source) || name.ends_with(".json") || name.ends_with(".jsonl") {
                return;
            }
            // A YAML map in braces starts like JSON.
            self.documents.truncate(before.0);
            self.problems.truncate(before.1);
        }
        self.read_yaml(&source);
    }

    fn read_yaml(&mut self, source: &InputFile) {
        for (index, piece) in split_documents(&source.text).into_iter().enumerate() {
            let number = index as u32 + 1;
            let text = &source.text[piece.start..piece.end];
            let span = Span { text: source.text.clone(), start: piece.start, end: piece.end };
            match serde_saphyr::from_str_with_options::<Value>(text, yaml_options()) {
                Ok(Value::Null) => {}
                Ok(value) => self.take(source, number, piece.line, None, span, value),
                Err(error) => {
                    let error = error.without_snippet();
                    let line = error.location().map_or(0, |l| u32::try_from(l.line()).unwrap_or(0));
                    self.problems.push(Problem {
                        source: source.name.to_string(),
                        line: piece.line + line.max(1) - 1,
                        document: number,
                        message: format!("not valid YAML: {}", plain(&error.to_string())),
                        remedy: yaml_remedy(&error.to_string()),
                        ..Problem::default()
                    });
                }
            }
        }
    }

    /// Reads JSON values that follow one another. False if the very first one is not JSON.
    fn read_json(&mut self, source: &InputFile) -> bool {
        let mut values = serde_json::Deserializer::from_str(&source.text).into_iter::<Unique>();
        let (mut number, mut start, mut line) = (0, 0, 1);
        while let Some(value) = values.next() {
            number += 1;
            let skipped = source.text[start..].len() - source.text[start..].trim_start().len();
            line += newlines(&source.text[start..start + skipped]);
            start += skipped;
            match value {
                Ok(Unique(value)) => {
                    let end = values.byte_offset();
                    let span = Span { text: source.text.clone(), start, end };
                    self.take(source, number, line, None, span, value);
                    line += newlines(&source.text[start..end]);
                    start = end;
                }
                Err(error) => {
                    self.problems.push(Problem {
                        source: source.name.to_string(),
                        line: u32::try_from(error.line()).unwrap_or(0),
                        document: number,
                        message: format!("not valid JSON: {}", plain(&error.to_string())),
                        remedy: if error.to_string().starts_with("duplicate key") {
                            "keep one of the two; what follows in this file was not read".into()
                        } else if error.is_eof() {
                            "the file ends in the middle of an object: is it cut off?".into()
                        } else {
                            "what follows in this file was not read".into()
                        },
                        ..Problem::default()
                    });
                    return number > 1;
                }
            }
        }
        true
    }

    /// Takes one object, or each object of a list.
    fn take(
        &mut self,
        source: &InputFile,
        number: u32,
        line: u32,
        item: Option<u32>,
        text: Span,
        mut value: Value,
    ) {
        let kind = value.get("kind").and_then(Value::as_str).unwrap_or("").to_owned();
        if item.is_none()
            && let Some(items) = value.get_mut("items").filter(|_| kind.ends_with("List"))
        {
            match items.take() {
                Value::Array(items) => {
                    let of = kind.strip_suffix("List").unwrap_or("").to_owned();
                    let version = value.get("apiVersion").cloned();
                    for (index, mut item) in items.into_iter().enumerate() {
                        // The API server leaves kind and version out of the items of a typed list.
                        if let Value::Object(fields) = &mut item
                            && !of.is_empty()
                            && !fields.contains_key("kind")
                        {
                            fields.insert("kind".into(), of.clone().into());
                            if let Some(version) = &version {
                                fields.entry("apiVersion").or_insert_with(|| version.clone());
                            }
                        }
                        self.take(source, number, line, Some(index as u32), text.clone(), item);
                    }
                    return;
                }
                Value::Null => return,
                other => *items = other,
            }
        }
        let document = Document { value, source: source.name.clone(), number, line, item, text };
        if let Some((path, message, remedy)) = shape(&document.value) {
            self.problems.push(document.problem(path, message, remedy));
        } else {
            self.documents.push(document);
        }
    }
}

impl Document {
    /// The kind; checked to be there when the document was read.
    pub fn kind(&self) -> &str {
        self.value.get("kind").and_then(Value::as_str).unwrap_or("")
    }

    /// The apiVersion; checked to be there when the document was read.
    pub fn api_version(&self) -> &str {
        self.value.get("apiVersion").and_then(Value::as_str).unwrap_or("")
    }

    /// A problem with a field of this object, placed on its line.
    pub fn problem(&self, path: &str, message: impl Into<String>, remedy: impl Into<String>) -> Problem {
        let full = match self.item {
            Some(item) if path.is_empty() => format!("items[{item}]"),
            Some(item) => format!("items[{item}].{path}"),
            None => path.to_owned(),
        };
        let text = &self.text.text[self.text.start..self.text.end];
        Problem {
            source: self.source.to_string(),
            line: self.line + locate::line_of(text, &full).unwrap_or(1).max(1) - 1,
            document: self.number,
            object: self.title(),
            path: full,
            message: message.into(),
            remedy: remedy.into(),
        }
    }

    fn title(&self) -> String {
        let text = |path: &str| self.value.at(path).and_then(Value::as_str).unwrap_or("");
        let (kind, namespace, name) = (self.kind(), text("/metadata/namespace"), text("/metadata/name"));
        match (kind, namespace, name) {
            ("", _, _) => String::new(),
            (_, _, "") => kind.to_owned(),
            (_, "", _) => format!("{kind} {name}"),
            _ => format!("{kind} {namespace}/{name}"),
        }
    }
}

/// A JSON value in which no map has a key twice: of two, a parser would keep the last without a word.
struct Unique(Value);

impl<'de> Deserialize<'de> for Unique {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct UniqueVisitor;
        impl<'de> Visitor<'de> for UniqueVisitor {
            type Value = Value;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON value")
            }
            fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
                Ok(value.into())
            }
            fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
                Ok(value.into())
            }
            fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
                Ok(value.into())
            }
            fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
                Ok(value.into())
            }
            fn visit_str<E>(self, value: &str) -> Result<Value, E> {
                Ok(value.into())
            }
            fn visit_string<E>(self, value: String) -> Result<Value, E> {
                Ok(value.into())
            }
            fn visit_unit<E>(self) -> Result<Value, E> {
                Ok(Value::Null)
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
                let mut list = Vec::new();
                while let Some(Unique(item)) = items.next_element()? {
                    list.push(item);
                }
                Ok(list.into())
            }
            fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
                let mut map = Map::new();
                while let Some(key) = entries.next_key::<String>()? {
                    let Unique(value) = entries.next_value()?;
                    if map.contains_key(&key) {
                        return Err(Error::custom(format!("duplicate key {key:?}")));
                    }
                    map.insert(key, value);
                }
                Ok(map.into())
            }
        }
        deserializer.deserialize_any(UniqueVisitor).map(Unique)
    }
}

/// What every object must have: path, what is wrong, what would be right.
fn shape(value: &Value) -> Option<(&'static str, String, &'static str)> {
    let Value::Object(fields) = value else {
        return Some((
            "",
            format!("is {} and not an object", kind_of(value)),
            "start with apiVersion and kind",
        ));
    };
    for (field, example) in [
        ("apiVersion", "add the line apiVersion: v1, or the group and version of the kind"),
        ("kind", "add the line kind: Node, or whatever kind it is"),
    ] {
        match fields.get(field) {
            Some(Value::String(text)) if !text.is_empty() => {}
            None | Some(Value::Null) => return Some((field, "is missing".into(), example)),
            Some(other) => {
                return Some((field, format!("is {} and not a text", kind_of(other)), "quote it"));
            }
        }
    }
    None
}

/// How YAML is read: the limits that guard a server against a stranger's input would only refuse large clusters here.
pub(crate) fn yaml_options() -> serde_saphyr::Options {
    serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_events: usize::MAX,
            max_nodes: usize::MAX,
            max_documents: usize::MAX,
            max_total_scalar_bytes: usize::MAX,
            max_total_comment_bytes: usize::MAX,
            max_anchors: usize::MAX,
            max_aliases: usize::MAX,
            max_merge_keys: usize::MAX,
        },
        emit_comments: false,
        legacy_octal_numbers: true,
        with_snippet: false,
    }
}

/// One document's place in its file.
struct Piece {
    start: usize,
    end: usize,
    line: u32,
}

/// Cuts a YAML text at its document markers. A line that starts with `---` or `...` ends a document wherever it
/// stands, even inside a block or a quoted text (YAML 1.2, 9.1.2). Pieces without content do not count.
fn split_documents(text: &str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let (mut start, mut start_line) = (0, 1);
    let (mut at, mut line) = (0, 1);
    let mut close = |start: usize, end: usize, line: u32| {
        if text[start..end].lines().any(|l| !is_blank(l)) {
            pieces.push(Piece { start, end, line });
        }
    };
    for full in text.split_inclusive('\n') {
        if let Some(marker) = marker(full) {
            close(start, at, start_line);
            // What follows the dashes on their own line belongs to the new document.
            let content = full[3..].trim();
            let stays = marker == "---" && !content.is_empty() && !content.starts_with('#');
            (start, start_line) = if stays { (at, line) } else { (at + full.len(), line + 1) };
        }
        at += full.len();
        line += 1;
    }
    close(start, text.len(), start_line);
    pieces
}

fn marker(line: &str) -> Option<&'static str> {
    let found = ["---", "..."].into_iter().find(|marker| line.starts_with(marker))?;
    line[3..].chars().next().is_none_or(char::is_whitespace).then_some(found)
}

fn is_blank(line: &str) -> bool {
    let line = line.trim_start();
    line.is_empty() || line.starts_with('#') || line.starts_with('%')
}

fn looks_like_json(text: &str) -> bool {
    text.trim_start().starts_with(['{', '['])
}

fn newlines(text: &str) -> u32 {
    text.bytes().filter(|&byte| byte == b'\n').count() as u32
}

/// The first line of a parser's message, without its place: that is counted from the document's start.
fn plain(message: &str) -> String {
    let line = message.lines().next().unwrap_or_default();
    // Without what the parser would have a programmer do.
    let line = line.split(" at line ").next().unwrap_or(line).split(", set ").next().unwrap_or(line);
    line.trim_end_matches('.').to_owned()
}

fn yaml_remedy(message: &str) -> String {
    if message.contains("duplicate") {
        "keep one of the two".into()
    } else if message.contains('\t') || message.contains("tab") {
        "indent with spaces".into()
    } else if message.contains("mapping values") {
        "check the indentation of this line and the one before it; quote a text that contains a colon".into()
    } else {
        "check indentation, brackets and quotes here and in the lines before".into()
    }
}

#[cfg(test)]
mod tests;
