//! A YAML text as a tree that knows its lines, and the collection of what is wrong with it.

use super::{ConfigError, ConfigErrors, SchedulerConfig, Warning};
use crate::api::nearest::nearest;
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use serde_saphyr::Spanned;

/// A value and where it stands.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) line: u32,
    pub(super) path: String,
    pub(super) kind: Kind,
}

#[derive(Clone, Debug)]
pub(super) enum Kind {
    Scalar(Value),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

/// A key of a map with its value.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) line: u32,
    pub(super) key: String,
    pub(super) value: Node,
}

/// Errors and warnings, collected while a text is read.
#[derive(Debug, Default)]
pub(super) struct Problems {
    errors: Vec<ConfigError>,
    warnings: Vec<Warning>,
}

impl Problems {
    pub(super) fn error(&mut self, node: &Node, message: impl Into<String>, remedy: impl Into<String>) {
        self.error_at(node.line, &node.path, message, remedy);
    }

    pub(super) fn error_at(
        &mut self,
        line: u32,
        path: &str,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        let (message, remedy) = (message.into(), remedy.into());
        self.errors.push(ConfigError { line, path: path.to_owned(), message, remedy });
    }

    pub(super) fn warn(&mut self, line: u32, path: &str, message: impl Into<String>) {
        self.warnings.push(Warning { line, path: path.to_owned(), message: message.into() });
    }

    pub(super) fn finish(
        mut self,
        config: SchedulerConfig,
    ) -> Result<(SchedulerConfig, Vec<Warning>), ConfigErrors> {
        if self.errors.is_empty() {
            self.warnings.sort_by_key(|warning| warning.line);
            return Ok((config, self.warnings));
        }
        self.errors.sort_by_key(|error| error.line);
        Err(ConfigErrors(self.errors))
    }
}

/// Reads a text; `None` if it is empty or wrong. A ConfigMap is unwrapped.
pub(super) fn parse(text: &str, problems: &mut Problems) -> Option<Node> {
    let root = parse_yaml(text, 0, problems)?;
    if root.get("kind").and_then(Node::text) != Some("ConfigMap") {
        return Some(root);
    }
    let remedy = "give data one entry that holds the configuration";
    let entries = match root.get("data").map(|data| &data.kind) {
        Some(Kind::Map(entries)) => entries.as_slice(),
        _ => &[],
    };
    let [entry] = entries else {
        problems.error_at(root.line, "data", format!("the ConfigMap has {} entries", entries.len()), remedy);
        return None;
    };
    let Some(inner) = entry.value.text() else {
        problems.error(&entry.value, format!("is {}", entry.value.name()), "write it as a block of text: |");
        return None;
    };
    // A block of text begins on the line after its indicator.
    let above = text.lines().nth(entry.value.line.saturating_sub(1) as usize).unwrap_or_default();
    let block = above.trim_end().ends_with(['|', '>', '-', '+']);
    parse_yaml(inner, if block { entry.value.line } else { entry.value.line.saturating_sub(1) }, problems)
}

fn parse_yaml(text: &str, lines_above: u32, problems: &mut Problems) -> Option<Node> {
    let options = serde_saphyr::options! { with_snippet: false };
    match serde_saphyr::from_str_with_options::<Spanned<Tree>>(text, options) {
        Ok(tree) => {
            let mut root = tree.value.into_node(tree.referenced.line(), String::new());
            root.add_lines(lines_above);
            if matches!(root.kind, Kind::Scalar(Value::Null)) {
                return None;
            }
            if !matches!(root.kind, Kind::Map(_)) {
                problems.error(
                    &root,
                    format!("the configuration is {}", root.name()),
                    "write keys and values",
                );
                return None;
            }
            Some(root)
        }
        Err(error) => {
            let error = error.without_snippet();
            let line = error.location().map_or(0, |location| as_line(location.line()) + lines_above);
            let mut message = error.to_string();
            // The place is ours to say, and the parser's own options are nobody's business here.
            for tail in [" at line ", ", set DuplicateKeyPolicy", "; use from_str"] {
                message.truncate(message.find(tail).unwrap_or(message.len()));
            }
            problems.error_at(line, "", format!("not valid YAML: {message}"), "");
            None
        }
    }
}

impl Node {
    /// The value of a key of a map.
    pub(super) fn get(&self, key: &str) -> Option<&Node> {
        match &self.kind {
            Kind::Map(entries) => entries.iter().find(|entry| entry.key == key).map(|entry| &entry.value),
            _ => None,
        }
    }

    pub(super) fn text(&self) -> Option<&str> {
        match &self.kind {
            Kind::Scalar(Value::String(text)) => Some(text),
            _ => None,
        }
    }

    /// A text, or a number or boolean as it would be written.
    pub(super) fn scalar_text(&self) -> Option<String> {
        match &self.kind {
            Kind::Scalar(Value::String(text)) => Some(text.clone()),
            Kind::Scalar(Value::Null) => None,
            Kind::Scalar(value) => Some(value.to_string()),
            _ => None,
        }
    }

    /// A whole number; a text that holds one counts.
    pub(super) fn integer(&self) -> Option<i64> {
        match &self.kind {
            Kind::Scalar(Value::Number(number)) => number.as_i64(),
            Kind::Scalar(Value::String(text)) => text.trim().parse().ok(),
            _ => None,
        }
    }

    /// A boolean, in any of the spellings that YAML 1.1 and Go know; a text that holds one counts.
    pub(super) fn boolean(&self) -> Option<bool> {
        match &self.kind {
            Kind::Scalar(Value::Bool(value)) => Some(*value),
            Kind::Scalar(Value::String(text)) => match text.trim().to_ascii_lowercase().as_str() {
                "true" | "yes" | "on" | "t" | "y" | "1" => Some(true),
                "false" | "no" | "off" | "f" | "n" | "0" => Some(false),
                _ => None,
            },
            _ => None,
        }
    }

    /// Is it a key without a value?
    pub(super) fn is_null(&self) -> bool {
        matches!(self.kind, Kind::Scalar(Value::Null))
    }

    /// The items of a list; nothing for a key without a value; an error for anything else.
    pub(super) fn items(&self, problems: &mut Problems, remedy: &str) -> &[Node] {
        match &self.kind {
            Kind::List(items) => items,
            Kind::Scalar(Value::Null) => &[],
            _ => {
                problems.error(self, format!("is {}", self.name()), remedy);
                &[]
            }
        }
    }

    /// The entries of a map; nothing for a key without a value; an error for anything else.
    pub(super) fn entries(&self, problems: &mut Problems, remedy: &str) -> &[Entry] {
        match &self.kind {
            Kind::Map(entries) => entries,
            Kind::Scalar(Value::Null) => &[],
            _ => {
                problems.error(self, format!("is {}", self.name()), remedy);
                &[]
            }
        }
    }

    /// The value without its lines.
    pub(super) fn to_json(&self) -> Value {
        match &self.kind {
            Kind::Scalar(value) => value.clone(),
            Kind::List(items) => items.iter().map(Node::to_json).collect(),
            Kind::Map(entries) => Value::Object(
                entries.iter().map(|entry| (entry.key.clone(), entry.value.to_json())).collect(),
            ),
        }
    }

    /// What it is, for messages.
    pub(super) fn name(&self) -> String {
        match &self.kind {
            Kind::Scalar(Value::Null) => "empty".into(),
            Kind::Scalar(Value::Bool(value)) => format!("the boolean {value}"),
            Kind::Scalar(Value::Number(number)) => format!("the number {number}"),
            Kind::Scalar(value) => format!("the text {value}"),
            Kind::List(_) => "a list".into(),
            Kind::Map(_) => "a map".into(),
        }
    }

    fn add_lines(&mut self, lines: u32) {
        self.line += lines;
        match &mut self.kind {
            Kind::Scalar(_) => {}
            Kind::List(items) => items.iter_mut().for_each(|item| item.add_lines(lines)),
            Kind::Map(entries) => entries.iter_mut().for_each(|entry| {
                entry.line += lines;
                entry.value.add_lines(lines);
            }),
        }
    }
}

/// Says that a name is unknown, with the nearest known one or all of them.
pub(super) fn suggestion(written: &str, known: &[&str]) -> String {
    match nearest(written, known.iter().copied()) {
        Some(near) => format!("did you mean {near}?"),
        None => format!("known are {}", known.join(", ")),
    }
}

fn as_line(line: u64) -> u32 {
    u32::try_from(line).unwrap_or(u32::MAX)
}

enum Tree {
    Scalar(Value),
    List(Vec<Spanned<Tree>>),
    Map(Vec<(Spanned<String>, Spanned<Tree>)>),
}

impl Tree {
    fn into_node(self, line: u64, path: String) -> Node {
        let kind = match self {
            Tree::Scalar(value) => Kind::Scalar(value),
            Tree::List(items) => Kind::List(
                items
                    .into_iter()
                    .enumerate()
                    .map(|(index, item)| {
                        item.value.into_node(item.referenced.line(), format!("{path}[{index}]"))
                    })
                    .collect(),
            ),
            Tree::Map(entries) => Kind::Map(
                entries
                    .into_iter()
                    .map(|(key, value)| {
                        let inner = match key.value.contains(['.', '/', '[']) {
                            true => format!("{path}[{:?}]", key.value),
                            false if path.is_empty() => key.value.clone(),
                            false => format!("{path}.{}", key.value),
                        };
                        Entry {
                            line: as_line(key.referenced.line()),
                            value: value.value.into_node(value.referenced.line(), inner),
                            key: key.value,
                        }
                    })
                    .collect(),
            ),
        };
        Node { line: as_line(line), path, kind }
    }
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TreeVisitor;
        impl<'de> Visitor<'de> for TreeVisitor {
            type Value = Tree;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a configuration")
            }
            fn visit_bool<E>(self, value: bool) -> Result<Tree, E> {
                Ok(Tree::Scalar(value.into()))
            }
            fn visit_i64<E>(self, value: i64) -> Result<Tree, E> {
                Ok(Tree::Scalar(value.into()))
            }
            fn visit_u64<E>(self, value: u64) -> Result<Tree, E> {
                Ok(Tree::Scalar(value.into()))
            }
            fn visit_f64<E>(self, value: f64) -> Result<Tree, E> {
                Ok(Tree::Scalar(value.into()))
            }
            fn visit_str<E>(self, value: &str) -> Result<Tree, E> {
                Ok(Tree::Scalar(value.into()))
            }
            fn visit_unit<E>(self) -> Result<Tree, E> {
                Ok(Tree::Scalar(Value::Null))
            }
            fn visit_none<E>(self) -> Result<Tree, E> {
                Ok(Tree::Scalar(Value::Null))
            }
            fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Tree, D::Error> {
                Tree::deserialize(deserializer)
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Tree, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = access.next_element()? {
                    items.push(item);
                }
                Ok(Tree::List(items))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Tree, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = access.next_entry()? {
                    entries.push(entry);
                }
                Ok(Tree::Map(entries))
            }
        }
        deserializer.deserialize_any(TreeVisitor)
    }
}
