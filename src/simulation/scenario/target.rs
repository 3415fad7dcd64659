//! What an item of the timeline acts on.

use crate::apiserver::{Key, Kind};
use serde::Deserialize;
use std::fmt;

/// One object.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
#[allow(missing_docs)]
pub struct ObjectTarget {
    pub kind: String,
    pub namespace: String,
    pub name: String,
}

impl ObjectTarget {
    /// Its key; `None` if the kind is not one that Phalanx reads.
    pub fn key(&self) -> Option<Key> {
        Kind::named(&self.kind).map(|kind| Key::new(kind, &self.namespace, &self.name))
    }
}

/// One pod.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
#[allow(missing_docs)]
pub struct PodTarget {
    pub namespace: String,
    pub name: String,
}

impl PodTarget {
    /// Its key.
    pub fn key(&self) -> Key {
        Key::new(Kind::Pod, &self.namespace, &self.name)
    }
}

/// One node, or all those in a HyperNode.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[allow(missing_docs)]
pub struct NodeTarget {
    pub node: Option<String>,
    pub hyper_node: Option<String>,
}

impl fmt::Display for NodeTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.node, &self.hyper_node) {
            (Some(node), _) => write!(f, "Node {node}"),
            (None, Some(domain)) => write!(f, "the nodes of HyperNode {domain}"),
            (None, None) => f.write_str("no node"),
        }
    }
}
