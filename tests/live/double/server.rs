//! The double's way in: requests of the real client become those of the API server in memory, and watches become streams.

use super::judge::is_deposed;
use super::store::{Key, Store, key, text};
use axum::body::{Body, Bytes};
use http::{Method, Response};
use phalanx::apiserver::{Actor, Answer, Body as Content, Request, Target as Place, Verb, Watch};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use tokio::sync::watch;

/// How often a watch looks whether it has something to say though nothing has happened: a bookmark, or its end.
const LOOK: Duration = Duration::from_secs(20);

/// The double: to be shared by all its clients.
#[derive(Clone)]
pub(crate) struct Server {
    store: Arc<Mutex<Store>>,
    news: Arc<watch::Sender<u64>>,
    started: tokio::time::Instant,
}

/// What a path means, as far as it matters on the way.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) plural: String,
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) subresource: String,
    pub(crate) watch: bool,
    /// A list that may come from a cache that is behind: whoever decides upon it decides upon what was.
    pub(crate) may_be_old: bool,
    /// The version that a list is served as of, though it should be the latest.
    pub(crate) as_of: Option<u64>,
    uri: String,
}

impl Target {
    pub(crate) fn of(uri: &http::Uri) -> Self {
        let uri = uri.path_and_query().map_or("", |path| path.as_str());
        let place = Place::read(uri).unwrap_or_default();
        Target {
            watch: place.is_watch(),
            may_be_old: place.parameter("resourceVersion") == Some("0"),
            plural: place.plural,
            namespace: place.namespace,
            name: place.name,
            subresource: place.subresource,
            as_of: None,
            uri: uri.to_owned(),
        }
    }

    fn key(&self) -> Key {
        key(&self.plural, &self.namespace, &self.name)
    }

    /// The path and query, of an earlier version if it is to be served as of one.
    fn path(&self) -> String {
        let Some(version) = self.as_of else { return self.uri.clone() };
        let (path, query) = self.uri.split_once('?').unwrap_or((&self.uri, ""));
        let others = query.split('&').filter(|pair| !pair.is_empty() && !pair.starts_with("resourceVersion"));
        let exact = format!("resourceVersion={version}&resourceVersionMatch=Exact");
        format!("{path}?{}", others.chain([exact.as_str()]).collect::<Vec<_>>().join("&"))
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
        store.set_now(self.started.elapsed().as_millis() as u64);
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
        let Some(verb) = Verb::of(method.as_str()) else {
            return refusal(405, "MethodNotAllowed", "no such method");
        };
        // A cache that is behind has what can still be watched from.
        let mut target = target.clone();
        target.as_of = target.as_of.map(|version| version.max(self.store().api.compacted()));
        let target = &target;
        let request = Request {
            verb,
            path: target.path(),
            content_type: content.to_owned(),
            body: Content::read(body),
            by: Actor::User,
        };
        let answer = {
            let mut store = self.store();
            self.note(&mut store, &request, target);
            let deposed = match &request.body {
                Content::Json(patch) if target.plural == "configmaps" => {
                    is_deposed(&store, &target.key(), patch)
                }
                _ => false,
            };
            let answer = store.api.serve(&request);
            let refused = matches!(&answer, Answer::Done(response) if response.code == 409);
            store.judge.sealed_out += usize::from(deposed && refused);
            store.look();
            answer
        };
        match answer {
            Answer::Done(response) => {
                self.tell();
                json_answer(response.code, &response.body)
            }
            Answer::Watching(watch) => self.watch(*watch),
        }
    }

    /// Tells the judge what it must know of a request before it takes effect.
    fn note(&self, store: &mut Store, request: &Request, target: &Target) {
        match request.verb {
            Verb::Get if target.name.is_empty() && !target.watch => {
                if target.may_be_old {
                    store.judge.violations.push(format!("a list of {} may be old", target.plural));
                }
                if let Some(version) = target.as_of {
                    let now = store.now;
                    store.judge.conceals(version, now);
                }
            }
            Verb::Delete if !target.name.is_empty() => {
                let Some(object) = store.find(&target.key()).cloned() else { return };
                let wanted = match &request.body {
                    Content::Json(options) => text(options, "/preconditions/uid").to_owned(),
                    _ => String::new(),
                };
                if wanted.is_empty() || wanted == text(&object, "/metadata/uid") {
                    let mut judge = std::mem::take(&mut store.judge);
                    judge.deleted_by_us(store, &target.key(), &object);
                    store.judge = judge;
                }
            }
            Verb::Post if target.subresource == "eviction" => {
                let Some(object) = store.find(&target.key()).cloned() else { return };
                let Content::Json(eviction) = &request.body else { return };
                if text(eviction, "/deleteOptions/preconditions/uid") == text(&object, "/metadata/uid") {
                    let mut judge = std::mem::take(&mut store.judge);
                    judge.evicted_by_us(store, &target.key(), &object);
                    store.judge = judge;
                }
            }
            _ => {}
        }
    }

    fn watch(&self, watch: Watch) -> Response<Body> {
        let state = (self.clone(), watch, self.news.subscribe());
        let lines = futures::stream::unfold(state, |(server, mut watch, mut news)| async move {
            loop {
                news.borrow_and_update();
                let events = server.store().api.next_events(&mut watch);
                if !events.is_empty() {
                    let lines: String = events.iter().map(phalanx::apiserver::Event::line).collect();
                    return Some((Ok::<_, std::io::Error>(Bytes::from(lines)), (server, watch, news)));
                }
                if watch.has_ended() {
                    return None;
                }
                if let Ok(Err(_)) = tokio::time::timeout(LOOK, news.changed()).await {
                    return None;
                }
            }
        });
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
