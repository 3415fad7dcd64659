//! From a field path to the line it was written on. Only asked when something is wrong: the document is then parsed a
//! second time, with positions.

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::Spanned;
use std::fmt;

/// Documents above this size are not parsed again: their first line has to do.
const LARGEST: usize = 4 << 20;

/// The line of a field within a document's text, counted from 1. A field that is absent stands where its parent
/// stands. `None` if the text cannot be parsed again.
pub(crate) fn line_of(text: &str, path: &str) -> Option<u32> {
    if text.len() > LARGEST {
        return None;
    }
    let options = super::reader::yaml_options();
    let root: Spanned<Tree> = serde_saphyr::from_str_with_options(text, options).ok()?;
    let mut at = &root;
    let mut line = at.referenced.line();
    for step in steps(path) {
        let next = match (&at.value, step) {
            (Tree::Map(entries), PathSegment::Key(key)) => {
                // The longest key wins, so that keys with dots in them (labels) are found.
                let found = entries.iter().find(|(name, _)| name.value == key);
                found.map(|(name, value)| (name.referenced.line(), value))
            }
            (Tree::List(items), PathSegment::Index(index)) => {
                items.get(index).map(|item| (item.referenced.line(), item))
            }
            _ => None,
        };
        let Some((found, inner)) = next else { break };
        (line, at) = (found, inner);
    }
    u32::try_from(line).ok()
}

/// A field path in steps: `a.b[0]["c.d/e"]`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum PathSegment {
    /// A key of a map.
    Key(String),
    /// An index into a list.
    Index(usize),
}

/// Splits a path. Keys that hold dots are quoted, as `schema::join` writes them.
pub(crate) fn steps(path: &str) -> Vec<PathSegment> {
    let mut steps = Vec::new();
    let mut rest = path;
    while !rest.is_empty() {
        if let Some(quoted) = rest.strip_prefix("[\"") {
            let (key, after) = quoted.split_once("\"]").unwrap_or((quoted, ""));
            steps.push(PathSegment::Key(key.to_owned()));
            rest = after;
        } else if let Some(inner) = rest.strip_prefix('[') {
            let (index, after) = inner.split_once(']').unwrap_or((inner, ""));
            match index.parse() {
                Ok(index) => steps.push(PathSegment::Index(index)),
                Err(_) => steps.push(PathSegment::Key(index.to_owned())),
            }
            rest = after;
        } else {
            let rest_of_path = rest.strip_prefix('.').unwrap_or(rest);
            let end = rest_of_path.find(['.', '[']).unwrap_or(rest_of_path.len());
            if end > 0 {
                steps.push(PathSegment::Key(rest_of_path[..end].to_owned()));
            }
            rest = &rest_of_path[end..];
        }
    }
    steps
}

enum Tree {
    Scalar,
    List(Vec<Spanned<Tree>>),
    Map(Vec<(Spanned<String>, Spanned<Tree>)>),
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TreeVisitor;
        impl<'de> Visitor<'de> for TreeVisitor {
            type Value = Tree;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("anything")
            }
            fn visit_bool<E>(self, _: bool) -> Result<Tree, E> {
                Ok(Tree::Scalar)
            }
            fn visit_i64<E>(self, _: i64) -> Result<Tree, E> {
                Ok(Tree::Scalar)
            }
            fn visit_u64<E>(self, _: u64) -> Result<Tree, E> {
                Ok(Tree::Scalar)
            }
            fn visit_f64<E>(self, _: f64) -> Result<Tree, E> {
                Ok(Tree::Scalar)
            }
            fn visit_str<E>(self, _: &str) -> Result<Tree, E> {
                Ok(Tree::Scalar)
            }
            fn visit_unit<E>(self) -> Result<Tree, E> {
                Ok(Tree::Scalar)
            }
            fn visit_none<E>(self) -> Result<Tree, E> {
                Ok(Tree::Scalar)
            }
            fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Tree, D::Error> {
                Tree::deserialize(deserializer)
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Tree, A::Error> {
                let mut list = Vec::new();
                while let Some(item) = items.next_element()? {
                    list.push(item);
                }
                Ok(Tree::List(list))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Tree, A::Error> {
                let mut map = Vec::new();
                while let Some(entry) = entries.next_entry()? {
                    map.push(entry);
                }
                Ok(Tree::Map(map))
            }
        }
        deserializer.deserialize_any(TreeVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::apiserver::schema::join;

    #[test]
    fn lines_of_fields() {
        let check = |path: &str, expect: u32| {
            let text = "kind: Node\nmetadata:\n  labels:\n    a.b/c: d\nspec:\n  taints:\n  - key: x\n    effect: y\n  - key: z\n";
            assert_eq!(line_of(text, path), Some(expect), "{path}");
        };
        check("", 1);
        check("kind", 1);
        check("metadata.labels", 3);
        check("metadata.labels[\"a.b/c\"]", 4);
        check("spec.taints[0].effect", 8);
        check("spec.taints[1].effect", 9);
        check("spec.absent.deeper", 5);
    }

    #[test]
    fn lines_of_json_fields() {
        assert_eq!(line_of("{\"a\": [\n 1,\n {\"b\": 2}]}", "a[1].b"), Some(3));
    }

    #[test]
    fn paths_split_and_join() {
        let path = join(&join("metadata.labels", "a.b/c"), "d");
        assert_eq!(path, "metadata.labels[\"a.b/c\"].d");
        let key = |key: &str| PathSegment::Key(key.to_owned());
        assert_eq!(steps(&path), [key("metadata"), key("labels"), key("a.b/c"), key("d")]);
        assert_eq!(steps("items[3].x"), [key("items"), PathSegment::Index(3), key("x")]);
    }
}
