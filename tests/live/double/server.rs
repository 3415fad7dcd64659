//! The API that the double serves: paths and verbs onto the store, and watches as streams.

use super::store::{Answer, Key, Refusal, Store, key, text};
use axum::body::{Body, Bytes};
use http::{Method, Response};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex, MutexGuard};
use tokio::sync::watch;

/// The double: to be shared by all its clients.
#[derive(Clone)]
pub(crate) struct Server {
    store: Arc<Mutex<Store>>,
    news: Arc<watch::Sender<u64>>,
    started: tokio::time::Instant,
}

/// The custom resources that are installed.
const CUSTOM: [(&str, &[&str]); 2] = [
    ("scheduling.volcano.sh/v1beta1", &["podgroups", "queues"]),
    ("topology.volcano.sh/v1alpha1", &["hypernodes"]),
];

/// What a path means.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) plural: String,
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) subresource: String,
    pub(crate) watch: bool,
    pub(crate) version: u64,
    /// A list that may come from a cache that is behind: whoever decides upon it decides upon what was.
    pub(crate) may_be_old: bool,
    /// The version that a list is served as of, though it should be the latest.
    pub(crate) as_of: Option<u64>,
    /// `group/version` where that is all that is asked for.
    pub(crate) discovery: Option<String>,
}

impl Target {
    pub(crate) fn of(uri: &http::Uri) -> Self {
        let mut parts: Vec<&str> = uri.path().split('/').filter(|part| !part.is_empty()).collect();
        let mut target = Target::default();
        let custom = parts.first() == Some(&"apis");
        let versions: Vec<&str> = parts.drain(..parts.len().min(if custom { 3 } else { 2 })).collect();
        if parts.is_empty() {
            target.discovery = Some(versions[1..].join("/"));
            return target;
        }
        if parts[0] == "namespaces" && parts.len() > 2 {
            target.namespace = parts[1].to_owned();
            parts.drain(..2);
        }
        let mut parts = parts.into_iter().map(str::to_owned);
        target.plural = parts.next().unwrap_or_default();
        target.name = parts.next().unwrap_or_default();
        target.subresource = parts.next().unwrap_or_default();
        for pair in uri.query().unwrap_or("").split('&') {
            match pair.split_once('=') {
                Some(("watch", value)) => target.watch = value == "true" || value == "1",
                Some(("resourceVersion", "0")) => target.may_be_old = true,
                Some(("resourceVersion", value)) => target.version = value.parse().unwrap_or(0),
                _ => {}
            }
        }
        target
    }

    pub(crate) fn key(&self) -> Key {
        key(&self.plural, &self.namespace, &self.name)
    }
}

impl Server {
    pub(crate) fn new() -> Self {
        Server {
            store: Arc::default(),
            news: Arc::new(watch::channel(0).0),
            started: tokio::time::Instant::now(),
        }
    }

    /// The store, to look at or to change as somebody else; [`Server::tell`] afterwards.
    pub(crate) fn store(&self) -> MutexGuard<'_, Store> {
        let mut store = self.store.lock().unwrap();
        store.now = self.started.elapsed().as_millis() as u64;
        store
    }

    /// Wakes the watches.
    pub(crate) fn tell(&self) {
        let version = self.store().version;
        self.news.send_replace(version);
    }

    /// Answers a request.
    pub(crate) fn serve(
        &self,
        method: &Method,
        target: &Target,
        content: &str,
        body: &[u8],
    ) -> Response<Body> {
        if let Some(group) = &target.discovery {
            return self.discover(group);
        }
        if target.watch {
            return self.watch(target);
        }
        let body: Value = serde_json::from_slice(body).unwrap_or(Value::Null);
        let answer = self.answer(method, target, content, body);
        self.tell();
        match answer {
            Ok(object) => json_answer(if *method == Method::POST { 201 } else { 200 }, &object),
            Err(Refusal(code, reason, message)) => refusal(code, reason, &message),
        }
    }

    fn answer(&self, method: &Method, target: &Target, content: &str, body: Value) -> Answer {
        let mut store = self.store();
        let at = target.key();
        match (method.as_str(), target.subresource.as_str()) {
            ("GET", _) if target.name.is_empty() => {
                if target.may_be_old {
                    store.judge.violations.push(format!("a list of {} may be old", target.plural));
                }
                if let Some(version) = target.as_of {
                    let now = store.now;
                    store.judge.conceals(version, now);
                }
                let version = target.as_of.unwrap_or(store.version);
                let items: Vec<Value> = match target.as_of {
                    Some(version) => store.as_of(version, &target.plural),
                    None => store.all(&target.plural, &target.namespace).cloned().collect(),
                };
                Ok(json!({
                    "kind": "List", "apiVersion": "v1",
                    "metadata": { "resourceVersion": version.to_string() }, "items": items,
                }))
            }
            ("GET", _) => store.get(&at),
            ("POST", "binding") => store.bind(&at, &body),
            ("POST", _) => {
                let name = text(&body, "/metadata/name").to_owned();
                store.create(key(&target.plural, &target.namespace, &name), body)
            }
            ("PUT", _) => store.put(&at, body),
            ("DELETE", _) => {
                let uid = text(&body, "/preconditions/uid").to_owned();
                store.delete(&at, &uid, true)
            }
            ("PATCH", _) if content.contains("json-patch") => store.json_patch(&at, &body),
            ("PATCH", "status") if content.contains("strategic") => store.conditions(&at, &body),
            ("PATCH", _) if content.contains("merge-patch") => store.merge(&at, &body),
            _ => Err(Refusal(405, "MethodNotAllowed", format!("{method} {target:?} {content}"))),
        }
    }

    fn discover(&self, group: &str) -> Response<Body> {
        let Some((_, plurals)) = CUSTOM.iter().find(|(served, _)| *served == group) else {
            return refusal(404, "NotFound", "the server could not find the requested resource");
        };
        let resources: Vec<Value> = plurals
            .iter()
            .map(|plural| json!({ "name": plural, "singularName": "", "namespaced": true, "kind": plural, "verbs": ["list", "watch"] }))
            .collect();
        json_answer(
            200,
            &json!({ "kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group, "resources": resources }),
        )
    }

    fn watch(&self, target: &Target) -> Response<Body> {
        if target.version < self.store().compacted {
            return refusal(410, "Expired", "too old resource version");
        }
        let (server, plural, news) = (self.clone(), target.plural.clone(), self.news.subscribe());
        let state = (server, plural, news, target.version, 0);
        let lines = futures::stream::unfold(
            state,
            |(server, plural, mut news, mut version, mut quiet)| async move {
                loop {
                    news.borrow_and_update();
                    let (frames, latest, expired) = {
                        let store = server.store();
                        let from = store.log.partition_point(|change| change.version <= version);
                        let mut frames = String::new();
                        for change in &store.log[from..] {
                            if change.key.0 == plural {
                                frames.push_str(&frame(change.what, &change.object));
                            }
                        }
                        (frames, store.version, version < store.compacted)
                    };
                    if expired {
                        let status = json!({ "kind": "Status", "status": "Failure", "code": 410, "reason": "Expired",
                        "message": "too old resource version" });
                        let frame = frame("ERROR", &status);
                        return Some((
                            Ok::<_, std::io::Error>(Bytes::from(frame)),
                            (server, plural, news, u64::MAX, 0),
                        ));
                    }
                    version = latest;
                    if !frames.is_empty() {
                        return Some((Ok(Bytes::from(frames)), (server, plural, news, version, 0)));
                    }
                    quiet += 1;
                    if quiet > 40 {
                        // other kinds have moved on
                        let object = json!({ "metadata": { "resourceVersion": version.to_string() }, "kind": "x", "apiVersion": "v1" });
                        let frame = frame("BOOKMARK", &object);
                        return Some((Ok(Bytes::from(frame)), (server, plural, news, version, 0)));
                    }
                    if news.changed().await.is_err() {
                        return None;
                    }
                }
            },
        );
        Response::builder()
            .header("content-type", "application/json")
            .body(Body::from_stream(lines))
            .expect("a watch is a valid answer")
    }
}

pub(crate) fn json_answer(code: u16, value: &Value) -> Response<Body> {
    Response::builder()
        .status(code)
        .header("content-type", "application/json")
        .body(Body::from(value.to_string()))
        .expect("JSON is a valid answer")
}

pub(crate) fn refusal(code: u16, reason: &str, message: &str) -> Response<Body> {
    json_answer(
        code,
        &json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "reason": reason, "message": message, "code": code,
        }),
    )
}

/// A line of a watch; the type comes first, as the API server writes it.
fn frame(what: &str, object: &Value) -> String {
    format!("{{\"type\":\"{what}\",\"object\":{object}}}\n")
}
