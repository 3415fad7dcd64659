//! Those who are compared: requests to them, and what is kept of their answers.

use super::objects::{differences, is_time, without_token};
use crate::cluster::TestCluster;
use futures::StreamExt;
use http_body_util::BodyExt;
use phalanx::apiserver::{Actor, Answer, Body, Request, Store, Verb};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

/// Seconds since 1970 at which the memory's time begins.
const START: i64 = 1_767_225_600;
/// How long a watch is listened to, in seconds.
const LISTEN: i64 = 3;

pub(crate) const MERGE: &str = "application/merge-patch+json";
pub(crate) const STRATEGIC: &str = "application/strategic-merge-patch+json";
pub(crate) const JSON_PATCH: &str = "application/json-patch+json";

pub(crate) enum Server {
    Memory(Box<Store>),
    Real(kube::Client),
}

/// One side, and what it has answered.
pub(crate) struct Side {
    server: Server,
    pub(crate) namespace: String,
    /// What was asked, and what came of it.
    steps: Vec<(String, Value)>,
    /// Versions of objects as last seen, by uid.
    versions: BTreeMap<String, String>,
    /// Uids in the order in which they were seen.
    uids: Vec<String>,
}

/// An answer as it came.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(crate) code: u16,
    pub(crate) body: Value,
}

impl Reply {
    pub(crate) fn text(&self, pointer: &str) -> String {
        self.body.pointer(pointer).and_then(Value::as_str).unwrap_or("").to_owned()
    }

    pub(crate) fn version(&self) -> String {
        self.text("/metadata/resourceVersion")
    }
}

impl Side {
    fn new(server: Server, namespace: &str) -> Side {
        let namespace = namespace.to_owned();
        Side { server, namespace, steps: Vec::new(), versions: BTreeMap::new(), uids: Vec::new() }
    }

    pub(crate) fn memory(namespace: &str) -> Side {
        let mut store = Store::bare();
        store.set_now(START);
        // No object of the script has version 1, as on a cluster that has been up for a while.
        store.reserve(&json!({ "metadata": { "resourceVersion": "1000" } }));
        Side::new(Server::Memory(Box::new(store)), namespace)
    }

    pub(crate) async fn real(cluster: &TestCluster, namespace: &str) -> Side {
        let clients = phalanx::live::client::connect(Some(&cluster.kubeconfig)).await.unwrap();
        Side::new(Server::Real(clients.write), namespace)
    }

    /// The path of a collection of the namespace: `pods`, `podgroups`, ...
    pub(crate) fn path(&self, plural: &str) -> String {
        let prefix = match plural {
            "podgroups" => "/apis/scheduling.volcano.sh/v1beta1",
            "modelservings" => "/apis/workload.serving.volcano.sh/v1alpha1",
            "poddisruptionbudgets" => "/apis/policy/v1",
            "leases" => "/apis/coordination.k8s.io/v1",
            _ => "/api/v1",
        };
        format!("{prefix}/namespaces/{}/{plural}", self.namespace)
    }

    pub(crate) fn is_memory(&self) -> bool {
        matches!(self.server, Server::Memory(_))
    }

    /// Sends a request without taking note of the answer.
    pub(crate) async fn send(
        &mut self,
        method: &str,
        path: &str,
        content: &str,
        body: Option<&Value>,
    ) -> Reply {
        self.send_text(method, path, content, body.map(Value::to_string)).await
    }

    async fn send_text(&mut self, method: &str, path: &str, content: &str, body: Option<String>) -> Reply {
        let bytes = body.unwrap_or_default().into_bytes();
        match &mut self.server {
            Server::Memory(store) => {
                let request = Request {
                    verb: Verb::of(method).unwrap(),
                    path: path.to_owned(),
                    content_type: content.to_owned(),
                    body: Body::read(&bytes),
                    by: Actor::User,
                };
                match store.serve(&request) {
                    Answer::Done(response) => Reply { code: response.code, body: response.body },
                    Answer::Watching(_) => panic!("{path} is a watch"),
                }
            }
            Server::Real(client) => {
                let request = http::Request::builder()
                    .method(method)
                    .uri(path)
                    .header("content-type", content)
                    .header("accept", "application/json")
                    .body(kube::client::Body::from(bytes))
                    .unwrap();
                let response = client.send(request).await.unwrap();
                let code = response.status().as_u16();
                let bytes = response.into_body().collect().await.unwrap().to_bytes();
                Reply { code, body: serde_json::from_slice(&bytes).unwrap_or(Value::Null) }
            }
        }
    }

    async fn ask(&mut self, method: &str, path: &str, content: &str, body: Option<&Value>) -> Reply {
        let reply = self.send(method, path, content, body).await;
        let what = format!("{method} {path} {}", body.map(Value::to_string).unwrap_or_default());
        self.note(what, &reply);
        reply
    }

    /// Takes note of an answer.
    pub(crate) fn note(&mut self, what: String, reply: &Reply) {
        let mut seen = json!({ "code": reply.code, "reason": reply.body.get("reason") });
        if reply.code < 300 {
            seen["body"] = self.plain(&reply.body);
        }
        self.steps.push((what, seen));
    }

    pub(crate) async fn get(&mut self, path: &str) -> Reply {
        self.ask("GET", path, "application/json", None).await
    }

    pub(crate) async fn post(&mut self, path: &str, body: Value) -> Reply {
        self.ask("POST", path, "application/json", Some(&body)).await
    }

    pub(crate) async fn put(&mut self, path: &str, body: Value) -> Reply {
        self.ask("PUT", path, "application/json", Some(&body)).await
    }

    pub(crate) async fn patch(&mut self, path: &str, content: &str, body: Value) -> Reply {
        self.ask("PATCH", path, content, Some(&body)).await
    }

    pub(crate) async fn delete(&mut self, path: &str, options: Value) -> Reply {
        let body = (!options.is_null()).then_some(options);
        self.ask("DELETE", path, "application/json", body.as_ref()).await
    }

    /// A body that is not JSON.
    pub(crate) async fn raw(&mut self, method: &str, path: &str, content: &str, body: &str) {
        let reply = self.send_text(method, path, content, Some(body.to_owned())).await;
        self.note(format!("{method} {path} {body}"), &reply);
    }

    /// Reads until the answer is right: what the API server leaves to controllers takes a while on the real one.
    pub(crate) async fn until(&mut self, path: &str, is_right: impl Fn(&Reply) -> bool) -> Reply {
        let mut reply = self.send("GET", path, "application/json", None).await;
        for _ in 0..600 {
            if is_right(&reply) || self.is_memory() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
            reply = self.send("GET", path, "application/json", None).await;
        }
        self.note(format!("in the end: GET {path}"), &reply);
        reply
    }

    /// What a watch says within some seconds. Bookmarks are only told apart from none, since their number is chance.
    pub(crate) async fn watch(&mut self, path: &str, query: &str) {
        let path = format!("{path}?watch=true&timeoutSeconds={LISTEN}&{query}");
        let events = match &mut self.server {
            Server::Memory(store) => {
                let request = Request::new(Verb::Get, path.clone(), None);
                match store.serve(&request) {
                    Answer::Done(response) => Err(Reply { code: response.code, body: response.body }),
                    Answer::Watching(mut watch) => {
                        let mut events = store.next_events(&mut watch);
                        store.set_now(START + LISTEN);
                        events.extend(store.next_events(&mut watch));
                        let event = |event: phalanx::apiserver::Event| json!({ "type": event.kind, "object": *event.object });
                        Ok(events.into_iter().map(event).collect())
                    }
                }
            }
            Server::Real(client) => listen(client, &path).await,
        };
        match events {
            Err(reply) => self.note(format!("WATCH {path}"), &reply),
            Ok(events) => {
                let mut seen: Vec<Value> = Vec::new();
                for event in events {
                    let plain = match event["type"].as_str() {
                        Some("BOOKMARK") => json!({ "bookmark": event["object"]["metadata"]["annotations"] }),
                        Some("ERROR") => {
                            json!({ "error": event["object"]["code"], "reason": event["object"]["reason"] })
                        }
                        _ => json!({ "type": event["type"], "object": self.plain(&event["object"]) }),
                    };
                    if seen.last() != Some(&plain) {
                        seen.push(plain);
                    }
                }
                self.steps.push((format!("WATCH {path}"), Value::Array(seen)));
            }
        }
    }

    /// Forgets what was written up to now, where that can be asked for.
    pub(crate) async fn forget(&mut self) {
        if let Server::Memory(store) = &mut self.server {
            let version = store.version();
            store.compact(version);
        }
    }

    /// Gives the collector of the real one time to see what was made: what it has not seen it cannot let be.
    pub(crate) async fn pause(&self) {
        if !self.is_memory() {
            tokio::time::sleep(Duration::from_secs(3)).await;
        }
    }

    /// Waits until the controller of budgets has counted; no such controller runs beside the memory, so its part is played.
    pub(crate) async fn counted(
        &mut self,
        path: &str,
        allowed: u64,
        healthy: u64,
        desired: u64,
        expected: u64,
    ) {
        if self.is_memory() {
            let budget = self.send("GET", path, "application/json", None).await;
            let status = json!({ "status": {
                "observedGeneration": budget.body["metadata"]["generation"], "disruptionsAllowed": allowed,
                "currentHealthy": healthy, "desiredHealthy": desired, "expectedPods": expected,
                "conditions": [{
                    "type": "DisruptionAllowed", "status": if allowed > 0 { "True" } else { "False" }, "message": "",
                    "reason": if allowed > 0 { "SufficientPods" } else { "InsufficientPods" },
                    "observedGeneration": budget.body["metadata"]["generation"],
                    "lastTransitionTime": "2026-01-01T00:00:00Z",
                }],
            } });
            let reply = self.send("PATCH", &format!("{path}/status"), MERGE, Some(&status)).await;
            assert_eq!(reply.code, 200, "{}", reply.body);
            return;
        }
        for _ in 0..600 {
            let status = self.send("GET", path, "application/json", None).await.body["status"].clone();
            let is = |field: &str, number: u64| status[field] == number;
            if is("disruptionsAllowed", allowed)
                && is("currentHealthy", healthy)
                && is("expectedPods", expected)
            {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("the budget was not counted as expected: {allowed} {healthy} {desired} {expected}");
    }

    /// An object without what no two servers share.
    fn plain(&mut self, object: &Value) -> Value {
        if let Some(items) = object.get("items").and_then(Value::as_array) {
            let items: Vec<Value> = items.iter().map(|item| self.plain(item)).collect();
            let metadata = &object["metadata"];
            return json!({
                "kind": object["kind"], "items": items, "left": metadata["remainingItemCount"],
                "continues": metadata["continue"].as_str().is_some_and(|token| !token.is_empty()),
            });
        }
        let mut object = object.clone();
        if object["kind"] == "Status" {
            let uid = object["details"]["uid"].as_str().map(str::to_owned);
            let uid = uid.map(|uid| self.named(&uid));
            return json!({ "status": object["status"], "of": object["details"]["name"], "uid": uid });
        }
        let uid = object["metadata"]["uid"].as_str().unwrap_or("").to_owned();
        let version = object["metadata"]["resourceVersion"].as_str().unwrap_or("").to_owned();
        let before = self.versions.insert(uid.clone(), version.clone());
        object["metadata"]["resourceVersion"] = match before {
            None => "first",
            Some(before) if before == version => "same",
            Some(_) => "another",
        }
        .into();
        object["metadata"]["uid"] = self.named(&uid).into();
        if let Some(metadata) = object["metadata"].as_object_mut() {
            metadata.remove("managedFields");
            if metadata.contains_key("generateName") {
                metadata.insert("name".into(), "generated".into());
            }
        }
        if object["kind"] == "Pod" || object["spec"].get("containers").is_some() {
            without_token(&mut object["spec"]);
        }
        self.calm(&mut object);
        object
    }

    fn named(&mut self, uid: &str) -> String {
        let at = self.uids.iter().position(|known| known == uid).unwrap_or_else(|| {
            self.uids.push(uid.to_owned());
            self.uids.len() - 1
        });
        format!("uid {at}")
    }

    /// Takes out nulls and times, and names uids by their order.
    fn calm(&mut self, value: &mut Value) {
        match value {
            Value::Object(fields) => {
                fields.retain(|_, field| !field.is_null());
                fields.values_mut().for_each(|field| self.calm(field));
            }
            Value::Array(items) => items.iter_mut().for_each(|item| self.calm(item)),
            Value::String(text) if is_time(text) => *text = "a time".to_owned(),
            Value::String(text) if self.uids.contains(text) => *text = self.named(&text.clone()),
            _ => {}
        }
    }

    /// Fails with every step in which the two differ.
    pub(crate) fn agrees_with(&self, real: &Side) {
        let mut wrong = Vec::new();
        for ((what, ours), (asked, theirs)) in self.steps.iter().zip(&real.steps) {
            if ours != theirs {
                let mut differ = Vec::new();
                differences("", ours, theirs, &mut differ);
                wrong.push(format!("{asked}\n    ({what})\n    {}", differ.join("\n    ")));
            }
        }
        assert_eq!(self.steps.len(), real.steps.len(), "both went through the same script");
        assert!(
            wrong.is_empty(),
            "{} of {} steps differ:\n{}",
            wrong.len(),
            self.steps.len(),
            wrong.join("\n")
        );
    }
}

async fn listen(client: &kube::Client, path: &str) -> Result<Vec<Value>, Reply> {
    let request = http::Request::get(path).body(kube::client::Body::empty()).unwrap();
    let response = client.send(request).await.unwrap();
    let code = response.status().as_u16();
    if code != 200 {
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        return Err(Reply { code, body: serde_json::from_slice(&bytes).unwrap_or(Value::Null) });
    }
    let mut frames = response.into_body().into_data_stream();
    let mut text = Vec::new();
    while let Some(Ok(frame)) = frames.next().await {
        text.extend_from_slice(&frame);
    }
    let lines = text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    Ok(lines.map(|line| serde_json::from_slice(line).unwrap()).collect())
}
