//! What names an object: kind, namespace, name.

use super::at::At as _;
use crate::api::kind::{Kind as Known, Row, Simulated, TABLE, with_kinds};
use serde_json::Value;
use std::fmt;
use std::sync::Arc;

macro_rules! kinds {
    ($($kind:ident $api_version:literal $name:literal $plural:literal $scope:ident $needed:ident $simulated:ident $habits:ident;)*) => {
        /// A kind of objects: one of the table, or any other. The order is the order in which objects are printed.
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[allow(missing_docs)] // the kinds are Kubernetes' own
        pub enum Kind {
            $($kind,)*
            /// A kind that is not in the table, as `apiVersion/kind`.
            Other(Arc<str>),
        }

        impl Kind {
            /// Its row of the table.
            pub fn row(&self) -> Option<&'static Row> {
                match self {
                    $(Kind::$kind => Some(Known::$kind.row()),)*
                    Kind::Other(_) => None,
                }
            }
        }

        impl From<Known> for Kind {
            fn from(kind: Known) -> Kind {
                match kind {
                    $(Known::$kind => Kind::$kind,)*
                }
            }
        }
    };
}
with_kinds!(kinds);

/// Kinds of others that live outside of namespaces, so that they are not put into `default`.
const CLUSTER_SCOPED: [&str; 7] = [
    "CustomResourceDefinition",
    "ClusterRole",
    "ClusterRoleBinding",
    "RuntimeClass",
    "CSIDriver",
    "ValidatingWebhookConfiguration",
    "APIService",
];

impl Kind {
    /// The kind that an apiVersion and a kind name.
    pub fn of(api_version: &str, kind: &str) -> Kind {
        Known::of(api_version, kind)
            .map_or_else(|| Kind::Other(format!("{api_version}/{kind}").into()), Kind::from)
    }

    /// Those that somebody reads in a simulation.
    fn read() -> impl Iterator<Item = &'static Row> {
        TABLE.iter().filter(|row| row.simulated == Simulated::Read)
    }

    /// The kind of a name alone, as in `kubectl delete pod x`: any case, singular or plural, with or without the group. Of
    /// kinds with one name the first of the table is meant where no group is said.
    pub fn named(name: &str) -> Option<Kind> {
        let name = name.to_lowercase();
        if matches!(name.as_str(), "vcjob" | "vcjobs" | "vj") {
            return Some(Kind::VolcanoJob);
        }
        let (bare, group) = name.split_once('.').map_or((&*name, None), |(bare, group)| (bare, Some(group)));
        let is_meant = |row: &&Row| {
            (bare == row.name.to_lowercase() || bare == row.plural)
                && group.is_none_or(|group| group == row.group())
        };
        Kind::read().find(is_meant).map(|row| row.kind.into())
    }

    /// Names of the kinds that Phalanx reads.
    pub fn names() -> impl Iterator<Item = &'static str> {
        let mut before = "";
        Kind::read().map(|row| row.name).filter(move |name| std::mem::replace(&mut before, name) != *name)
    }

    /// The version of a known kind's name, for hints on a wrong one.
    pub fn version_of(kind: &str) -> Option<&'static str> {
        Kind::read().find(|row| row.name == kind).map(|row| row.api_version)
    }

    /// The apiVersions of the known kinds of a name, in one text: those of this group where there are any. Empty if there is
    /// no such kind.
    pub(crate) fn versions_of(kind: &str, group: &str) -> String {
        let named = || Kind::read().filter(|row| row.name == kind);
        let of_group = named().any(|row| row.group() == group);
        let meant = named().filter(|row| !of_group || row.group() == group);
        meant.map(|row| row.api_version).collect::<Vec<_>>().join(", ")
    }

    /// apiVersion and kind, as objects say them.
    pub fn identity(&self) -> (&str, &str) {
        match self {
            Kind::Other(name) => name.rsplit_once('/').unwrap_or(("", name)),
            known => known.row().map_or(("", ""), |row| (row.api_version, row.name)),
        }
    }

    /// The name of a known kind; `Other` for the rest.
    pub(crate) fn name(&self) -> &'static str {
        self.row().map_or("Other", |row| row.name)
    }

    /// Does anybody read objects of this kind in a simulation?
    pub(crate) fn is_read(&self) -> bool {
        self.row().is_some_and(|row| row.simulated == Simulated::Read)
    }

    /// Do objects of this kind live in a namespace?
    pub fn is_namespaced(&self) -> bool {
        match self {
            Kind::Other(name) => {
                let kind = name.rsplit('/').next().unwrap_or(name);
                !CLUSTER_SCOPED.contains(&kind)
            }
            known => known.row().is_some_and(|row| row.namespaced),
        }
    }

    /// Does the API server count generations of this kind?
    pub(crate) fn has_generation(&self) -> bool {
        self.row().is_some_and(|row| row.habits.generation)
    }

    /// Is this a change that moves the generation? Of a kind without a status subresource every field does, but
    /// metadata; a pod's generation does not move when it is bound.
    pub(crate) fn spec_changed(&self, old: &Value, new: &Value) -> bool {
        let spec = old.get("spec") != new.get("spec");
        match self {
            Kind::Pod => spec && old.at("/spec/nodeName") == new.at("/spec/nodeName"),
            _ if self.row().is_some_and(|row| row.habits.custom && !row.habits.status) => {
                spec || old.get("status") != new.get("status")
            }
            _ => spec,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Kind::Other(name) => f.pad(name.rsplit('/').next().unwrap_or(name)),
            known => f.pad(known.row().map_or("", |row| row.name)),
        }
    }
}

/// What names an object. Cluster-scoped objects have an empty namespace.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs)]
pub struct Key {
    pub kind: Kind,
    pub namespace: Arc<str>,
    pub name: Arc<str>,
}

impl Key {
    /// A key; the namespace of a cluster-scoped kind is dropped.
    pub fn new(kind: Kind, namespace: &str, name: &str) -> Key {
        let namespace = match (kind.is_namespaced(), namespace) {
            (false, _) => "",
            (true, "") => "default",
            (true, namespace) => namespace,
        };
        Key { kind, namespace: namespace.into(), name: name.into() }
    }

    /// The key of an object, or the field that is missing and why that matters.
    pub fn of(value: &Value) -> Result<Key, (&'static str, &'static str)> {
        let text = |pointer: &str| value.at(pointer).and_then(Value::as_str).unwrap_or("");
        let name = text("/metadata/name");
        if name.is_empty() {
            return Err(("metadata.name", "is missing"));
        }
        Ok(Key::new(Kind::of(text("/apiVersion"), text("/kind")), text("/metadata/namespace"), name))
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.namespace.is_empty() {
            write!(f, "{} {}", self.kind, self.name)
        } else {
            write!(f, "{} {}/{}", self.kind, self.namespace, self.name)
        }
    }
}
