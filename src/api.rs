//! Wire types: what objects look like as the API server stores them, and every key that Phalanx reads or writes.
//!
//! Nothing outside this room knows a JSON field name. The types are open: an unknown field is ignored, an unknown
//! enum value is kept as it is ([`open_enum`](crate::open_enum)), so that one new value can never stop a watch. Custom resources
//! (PodGroup, Queue, HyperNode, ModelServing) carry every field; core objects (Pod, Node) only what scheduling reads.

pub mod core;
pub mod crd;
pub mod decode;
pub mod device;
pub mod gang;
pub mod hyper_node;
pub mod keys;
pub mod kind;
pub mod leader_worker_set;
pub mod meta;
pub mod model_serving;
pub mod nearest;
pub mod object;
pub mod pod_group;
pub mod quantity;
pub mod queue;
pub mod scheduler_name;
pub mod scheduling_group;
pub mod strict;
pub mod time;
pub mod unsupported;
pub mod workload;

pub use decode::{DecodeError, decode};

/// Declares a string enum that keeps values it does not know, in `Other`.
#[macro_export]
macro_rules! open_enum {
    ($(#[$meta:meta])* $name:ident { $($(#[$vmeta:meta])* $variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[allow(missing_docs)]
        pub enum $name {
            $($(#[$vmeta])* $variant,)+
            /// A value this version does not know; kept as it was written.
            Other(String),
        }

        impl $name {
            /// The text on the wire.
            pub fn as_str(&self) -> &str {
                match self { $($name::$variant => $text,)+ $name::Other(text) => text }
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                match text { $($text => $name::$variant,)+ other => $name::Other(other.to_owned()) }
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <String as serde::Deserialize>::deserialize(deserializer)?;
                Ok($name::from(text.as_str()))
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }
    };
}
