//! What happened when: the timeline's doings, the events of scheduler and controller, and what pods and nodes went
//! through.

use super::time::Millis;
use serde::Serialize;
use std::collections::BTreeMap;

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Happened {
    /// Milliseconds since the start.
    pub at_milliseconds: Millis,
    /// Who says so: `user`, `controller`, `scheduler`, `kubelet`, `node`.
    pub by: &'static str,
    /// The kind of the object.
    pub kind: &'static str,
    /// Its namespace; empty for objects without one.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// `Normal` or `Warning`.
    #[serde(rename = "type")]
    pub type_: &'static str,
    /// One word.
    pub reason: String,
    /// One sentence.
    pub message: String,
}

/// What happened, in order.
#[derive(Debug, Default)]
pub(crate) struct History {
    /// Does nobody ask for it? Then made gangs, which come by the thousand, leave nothing here.
    pub(crate) brief: bool,
    pub(crate) entries: Vec<Happened>,
    /// Object and reason -> the last message, so that what is said again and again is kept once.
    said: BTreeMap<(&'static str, String, String, String), String>,
}

impl History {
    /// Notes that something happened.
    pub(crate) fn note(&mut self, happened: Happened) {
        self.entries.push(happened);
    }

    /// Notes an event, unless the same was the last that was said with this reason about this object.
    pub(crate) fn say(&mut self, happened: Happened) {
        let about =
            (happened.kind, happened.namespace.clone(), happened.name.clone(), happened.reason.clone());
        let before = self.said.insert(about, happened.message.clone());
        if before.as_ref() != Some(&happened.message) {
            self.entries.push(happened);
        }
    }
}
