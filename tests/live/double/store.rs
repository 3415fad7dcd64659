//! The objects of the double: the library's API server in memory, under a judge, with a log that tells when. Paths name
//! kinds here, since that is what the links and the tests speak of.

use super::judge::Judge;
use phalanx::apiserver::{self, Actor, Kind, Resource, resource_of, resources};
use serde_json::Value;
use std::sync::Arc;

/// Plural, namespace, name.
pub(crate) type Key = (String, String, String);

/// A change, as a watch shows it.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    pub(crate) version: u64,
    pub(crate) key: Key,
    /// `ADDED`, `MODIFIED` or `DELETED`.
    pub(crate) what: &'static str,
    pub(crate) object: Arc<Value>,
    /// When, in milliseconds of virtual time.
    pub(crate) at: u64,
}

/// Seconds since 1970 at which virtual time begins.
pub(crate) const START: i64 = 1_767_225_600;

#[derive(Debug)]
pub(crate) struct Store {
    /// The API server.
    pub(crate) api: apiserver::Store,
    /// The latest version that the judge has seen.
    pub(crate) version: u64,
    pub(crate) log: Vec<Change>,
    pub(crate) judge: Judge,
    /// Milliseconds of virtual time.
    pub(crate) now: u64,
}

impl Default for Store {
    fn default() -> Self {
        let mut api = apiserver::Store::bare();
        api.set_now(START);
        Store { api, version: 0, log: Vec::new(), judge: Judge::default(), now: 0 }
    }
}

pub(crate) fn key(plural: &str, namespace: &str, name: &str) -> Key {
    (plural.to_owned(), namespace.to_owned(), name.to_owned())
}

pub(crate) fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or("")
}

fn resource(plural: &str) -> &'static Resource {
    resources().find(|resource| resource.plural == plural).expect("the API server serves it")
}

fn kind(plural: &str) -> Kind {
    Kind::from(resource(plural).kind)
}

fn api_key(key: &Key) -> apiserver::Key {
    apiserver::Key::new(kind(&key.0), &key.1, &key.2)
}

fn own_key(key: &apiserver::Key) -> Key {
    let plural = resource_of(&key.kind).map_or("", |resource| resource.plural);
    (plural.to_owned(), key.namespace.to_string(), key.name.to_string())
}

impl Store {
    /// It is so late.
    pub(crate) fn set_now(&mut self, milliseconds: u64) {
        self.now = milliseconds;
        self.api.set_now(START + (milliseconds / 1000) as i64);
    }

    pub(crate) fn find(&self, key: &Key) -> Option<&Value> {
        self.api.get(&api_key(key)).map(|object| &*object.value)
    }

    /// Objects of a kind; of all namespaces if `namespace` is empty.
    pub(crate) fn all<'a>(&'a self, plural: &str, namespace: &'a str) -> impl Iterator<Item = &'a Value> {
        let mine = self
            .api
            .of_kind(&kind(plural))
            .filter(move |(key, _)| namespace.is_empty() || &*key.namespace == namespace);
        mine.map(|(_, object)| &*object.value)
    }

    /// The version of so many milliseconds ago; none that watches are no longer served from.
    pub(crate) fn version_before(&self, milliseconds: u64) -> u64 {
        let then = self.now.saturating_sub(milliseconds);
        let until = self.log.partition_point(|change| change.at <= then);
        let version = self.log[..until].last().map_or(0, |change| change.version);
        version.max(self.api.compacted())
    }

    /// Whoever watches from now or before is told that it has expired.
    pub(crate) fn expire(&mut self) {
        let version = self.api.version();
        self.api.compact(version);
    }

    /// Shows the judge what has been written.
    pub(crate) fn look(&mut self) {
        let seen = self.version;
        let new: Vec<apiserver::StoredChange> =
            self.api.changes().iter().filter(|change| change.version > seen).cloned().collect();
        let mut judge = std::mem::take(&mut self.judge);
        for change in new {
            self.version = change.version;
            let key = own_key(&change.key);
            judge.changed(self, &key, change.before.as_deref(), change.after.as_deref());
            self.log.push(Change {
                version: change.version,
                key,
                what: change.what().name(),
                object: change.object(),
                at: self.now,
            });
        }
        self.judge = judge;
    }

    /// Creates an object as somebody else would, with the status that it brings along.
    pub(crate) fn create(&mut self, key: Key, mut object: Value) {
        let resource = resource(&key.0);
        object["apiVersion"] = resource.api_version.into();
        object["kind"] = resource.name.into();
        object["metadata"]["name"] = key.2.into();
        if resource.namespaced {
            object["metadata"]["namespace"] = key.1.into();
        }
        let _ = self.api.create(object, Actor::User);
        self.look();
    }

    /// Changes an object as somebody else would.
    pub(crate) fn change(&mut self, key: &Key, change: impl FnOnce(&mut Value)) {
        self.api.update(&api_key(key), Actor::User, change);
        self.look();
    }

    /// Binds a pod as another scheduler or a user would.
    pub(crate) fn bind_as_another(&mut self, key: &Key, node: &str) {
        self.as_another(|store| store.change(key, |pod| pod["spec"]["nodeName"] = node.into()));
    }

    /// Changes something that our instances change as well.
    pub(crate) fn as_another(&mut self, change: impl FnOnce(&mut Self)) {
        self.judge.foreign = true;
        change(self);
        self.judge.foreign = false;
    }

    /// Deletes as somebody else would; a bound pod stays until its kubelet is done with it.
    pub(crate) fn delete(&mut self, key: &Key) {
        let _ = self.api.delete(&api_key(key), None, Actor::User);
        self.look();
    }

    /// It is gone.
    pub(crate) fn remove(&mut self, key: &Key) {
        self.api.remove(&api_key(key));
        self.look();
    }
}
