//! What of the table of kinds is served over HTTP.

use super::key::Kind;
use crate::api::kind::TABLE;
pub use crate::api::kind::{Habits, Row as Resource};

/// All that is served.
pub fn resources() -> impl Iterator<Item = &'static Resource> {
    TABLE.iter().filter(|resource| resource.habits.served)
}

/// What is served at a plural of a `group/version`.
pub fn served(api_version: &str, plural: &str) -> Option<&'static Resource> {
    resources().find(|resource| resource.plural == plural && resource.has_version(api_version))
}

/// How a kind is served; `None` for kinds that are only kept.
pub fn resource_of(kind: &Kind) -> Option<&'static Resource> {
    kind.row().filter(|resource| resource.habits.served)
}
