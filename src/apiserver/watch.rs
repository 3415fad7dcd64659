//! Watches: what has happened since a version, event by event, for whoever comes to ask.

use super::Store;
use super::history::{StoredChange, What};
use super::list::Choice;
use super::request::{Response, Target};
use super::resource::Resource;
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::sync::Arc;

/// Seconds between bookmarks where nothing else is said.
const BOOKMARKS: i64 = 60;
/// A watch that is about to end says where it is so many seconds before.
const LAST_BOOKMARK: i64 = 2;

/// An event of a watch.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// `ADDED`, `MODIFIED`, `DELETED`, `BOOKMARK` or `ERROR`.
    pub kind: &'static str,
    /// The object; a `Status` of an error.
    pub object: Arc<Value>,
}

impl Event {
    /// As a line of the answer; the type comes first, as the API server writes it.
    pub fn line(&self) -> String {
        format!("{{\"type\":\"{}\",\"object\":{}}}\n", self.kind, self.object)
    }
}

/// A watch.
#[derive(Clone, Debug)]
pub struct Watch {
    choice: Choice,
    /// `apiVersion` and kind, for bookmarks.
    api_version: &'static str,
    kind: &'static str,
    /// All up to here has been said.
    version: u64,
    bookmarks: bool,
    /// What was there at the beginning and has not been said.
    first: VecDeque<Arc<Value>>,
    /// The end of the beginning is to be marked.
    mark_end_of_first: bool,
    /// When something was last said, seconds since 1970.
    said: i64,
    /// When it ends.
    ends: Option<i64>,
    said_last: bool,
    ended: bool,
}

impl Watch {
    /// Is it over? Nothing comes any more.
    pub fn has_ended(&self) -> bool {
        self.ended
    }
}

impl Store {
    /// GET of a collection with `watch=true`. A version that is too old is answered with an event, as the API server does.
    pub(super) fn watch(&self, resource: &Resource, target: &Target) -> Result<Watch, Response> {
        if self.history.is_none() {
            return Err(Response::not_done("watches, since no history is kept"));
        }
        let choice = Choice::read(resource, target)?;
        let invalid = |why: &str| {
            let message =
                format!("ListOptions.meta.k8s.io \"\" is invalid: resourceVersionMatch: Forbidden: {why}");
            Err(Response::failure(422, "Invalid", message))
        };
        let wants_first = target.parameter("sendInitialEvents").is_some();
        match (wants_first, target.parameter("resourceVersionMatch")) {
            (true, Some("NotOlderThan")) | (false, None) => {}
            (true, _) => {
                return invalid("sendInitialEvents requires setting resourceVersionMatch to NotOlderThan");
            }
            (false, Some(_)) => {
                return invalid(
                    "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided",
                );
            }
        }
        let version = match target.parameter("resourceVersion").map(str::parse::<u64>) {
            None => 0,
            Some(Ok(version)) => version,
            // The API server did not foresee this, and so it is an error of its own.
            Some(Err(_)) => return Err(Response::failure(500, "", "resourceVersion: Invalid value")),
        };
        let timeout = target.parameter("timeoutSeconds").and_then(|seconds| seconds.parse::<i64>().ok());
        let from_now = version == 0 || target.is_set("sendInitialEvents");
        let first = self
            .of_kind(&choice.kind)
            .filter(|(key, object)| from_now && choice.covers(key) && choice.selects(&object.value));
        let bookmarks = target.is_set("allowWatchBookmarks");
        Ok(Watch {
            first: first.map(|(_, object)| Arc::clone(&object.value)).collect(),
            mark_end_of_first: bookmarks && target.is_set("sendInitialEvents"),
            api_version: resource.api_version,
            kind: resource.name,
            version: if from_now { self.version } else { version },
            bookmarks,
            said: self.now,
            ends: timeout.map(|seconds| self.now + seconds),
            said_last: false,
            ended: false,
            choice,
        })
    }

    /// What there is to say on a watch by now; nothing if nothing has happened.
    pub fn next_events(&self, watch: &mut Watch) -> Vec<Event> {
        if watch.ended {
            return Vec::new();
        }
        let first = std::mem::take(&mut watch.first).into_iter();
        let mut events: Vec<Event> = first.map(|object| Event { kind: "ADDED", object }).collect();
        if std::mem::take(&mut watch.mark_end_of_first) {
            events.push(bookmark(watch, true));
        }
        let Some(history) = &self.history else { return events };
        if watch.version < history.compacted() {
            let message = format!("too old resource version: {} ({})", watch.version, history.compacted());
            let status = Response::failure(410, "Expired", message).body;
            events.push(Event { kind: "ERROR", object: Arc::new(status) });
            watch.ended = true;
            return events;
        }
        let changes = history.since(watch.version).iter();
        events.extend(changes.filter_map(|change| seen(&watch.choice, change)));
        watch.version = watch.version.max(self.version);
        let silent = self.now - watch.said;
        if !events.is_empty() {
            watch.said = self.now;
        }
        let about_to_end =
            !watch.said_last && watch.ends.is_some_and(|ends| self.now >= ends - LAST_BOOKMARK);
        if watch.bookmarks && ((events.is_empty() && silent >= BOOKMARKS) || about_to_end) {
            events.push(bookmark(watch, false));
            watch.said = self.now;
        }
        watch.said_last |= about_to_end;
        watch.ended = watch.ends.is_some_and(|ends| self.now >= ends);
        events
    }
}

fn bookmark(watch: &Watch, is_end_of_first: bool) -> Event {
    let mut object = json!({
        "kind": watch.kind, "apiVersion": watch.api_version,
        "metadata": { "resourceVersion": watch.version.to_string() },
    });
    if is_end_of_first {
        object["metadata"]["annotations"] = json!({ "k8s.io/initial-events-end": "true" });
    }
    Event { kind: "BOOKMARK", object: Arc::new(object) }
}

/// A write as the choice sees it: what begins to fit is new, what no longer fits is gone.
fn seen(choice: &Choice, change: &StoredChange) -> Option<Event> {
    if !choice.covers(&change.key) {
        return None;
    }
    let fits = |object: &Option<Arc<Value>>| object.as_ref().is_some_and(|object| choice.selects(object));
    let (what, object) = match (fits(&change.before), fits(&change.after)) {
        (false, false) => return None,
        (false, true) => (What::Added, change.object()),
        (true, true) => (What::Modified, change.object()),
        (true, false) => (What::Deleted, change.as_of_this(change.before.as_ref()?)),
    };
    Some(Event { kind: what.name(), object })
}
