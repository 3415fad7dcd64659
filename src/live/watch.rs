//! Watches, one task per kind, into one channel.
//!
//! A raw stream per kind is turned into the engine's inputs: objects that vanish during a gap are noticed by comparing keys
//! when a relist ends. Objects come as JSON, so that one that does not decode is reported and never the end of the watch.
//! Kinds whose CRD is missing are looked for again every few seconds.

use super::log::Once;
use super::whole::{Whole, resource_in};
use crate::engine::{Change, Input, Kind, Needed, Object};
use futures::StreamExt;
use kube::Client;
use kube::api::{Api, ListParams};
use kube::discovery::ApiResource;
use kube::runtime::{WatchStreamExt, watcher};
use serde_json::Value;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::mpsc::Sender;

/// How often a missing CRD is looked for.
const LOOK_AGAIN: Duration = Duration::from_secs(3);

/// How often it is tried whether a kind may be read that need not be.
const LOOK_AGAIN_LATER: Duration = Duration::from_secs(60);

/// How long a watch whose version has expired waits before everything is listed again.
const EXPIRED: Duration = Duration::from_millis(500);

/// Names of the objects of a kind that have been seen and are not known to be gone. Outlives a watch that ends.
pub type Seen = Arc<Mutex<BTreeSet<(String, String)>>>;

/// Watches a kind until the receiver is gone. A kind that need not be served may come in another version when the API server
/// is another: what was known of it is kept meanwhile, since an API that is gone says nothing about its objects.
pub async fn watch(client: Client, kind: Kind, inputs: Sender<Input>, seen: Seen) {
    while watch_version(&client, kind, &inputs, &seen).await {}
}

/// Watches a kind in the version that is served. Returns whether it is not served any more, else the receiver is gone.
async fn watch_version(client: &Client, kind: Kind, inputs: &Sender<Input>, seen: &Seen) -> bool {
    let known = || seen.lock().unwrap_or_else(PoisonError::into_inner);
    let row = kind.row();
    let may_do_without = matches!(row.needed, Needed::ForGrouping | Needed::IfServed);
    let mut api_version = row.api_version;
    let mut told = false;
    if row.may_be_missing() {
        api_version = loop {
            let answer = served(client, kind).await;
            if let Ok(Some(version)) = answer {
                break version;
            }
            // A server that cannot be reached counts as "not yet".
            let is_rare = row.needed == Needed::IfServed && answer.is_ok();
            let again = if is_rare { LOOK_AGAIN_LATER } else { LOOK_AGAIN };
            if !std::mem::replace(&mut told, true) && inputs.send(Input::Missing(kind)).await.is_err() {
                return false;
            }
            tokio::time::sleep(again).await;
        };
    }
    if may_do_without {
        loop {
            match readable(client, kind, api_version).await {
                Some(true) => break,
                Some(false) => {}
                None => {
                    tokio::time::sleep(LOOK_AGAIN).await;
                    continue;
                }
            }
            if !std::mem::replace(&mut told, true) {
                let without = match row.needed {
                    Needed::ForGrouping => "Volcano's controllers are known by their PodGroups alone",
                    _ => "pods of its gangs are not placed",
                };
                tracing::info!(?kind, "it may not be read; {without}");
                if inputs.send(Input::Missing(kind)).await.is_err() {
                    return false;
                }
            }
            tokio::time::sleep(LOOK_AGAIN_LATER).await;
        }
    }
    let resource = resource_in(kind, api_version);
    let api: Api<Whole> = Api::all_with(client.clone(), &resource);
    let applied = |object: Whole| Input::Observed(read(kind, api_version, &object));
    let config = match kind.selector() {
        "" => watcher::Config::default(),
        selector => watcher::Config::default().labels(selector),
    };
    let start = || watcher(api.clone(), config.clone()).default_backoff().boxed();
    let mut stream = start();
    let mut listed: BTreeSet<(String, String)> = BTreeSet::new();
    let mut once = Once::default();
    while let Some(event) = stream.next().await {
        if event.is_ok() && once.is_well(kind.name()) {
            tracing::info!(?kind, "the watch works again");
        }
        let input = match event {
            Ok(watcher::Event::Init) => {
                listed.clear();
                continue;
            }
            Ok(watcher::Event::InitApply(object)) => {
                listed.insert(object.key());
                applied(object)
            }
            Ok(watcher::Event::InitDone) => {
                let vanished: Vec<_> = known().difference(&listed).cloned().collect();
                for (namespace, name) in vanished {
                    let gone = Input::Observed(Change::Gone { kind, namespace, name });
                    if inputs.send(gone).await.is_err() {
                        return false;
                    }
                }
                *known() = std::mem::take(&mut listed);
                Input::Synced(kind)
            }
            Ok(watcher::Event::Apply(object)) => {
                known().insert(object.key());
                applied(object)
            }
            Ok(watcher::Event::Delete(object)) => {
                let key = object.key();
                known().remove(&key);
                Input::Observed(Change::Gone { kind, namespace: key.0, name: key.1 })
            }
            Err(error) => {
                if once.is_news(kind.name(), &error.to_string()) {
                    tracing::warn!(?kind, %error, "the watch fails, and is tried again until it does not");
                }
                if row.needed == Needed::IfServed && is_unserved(&error) {
                    return true;
                }
                if has_expired(&error) {
                    tokio::time::sleep(EXPIRED).await;
                    stream = start();
                }
                continue;
            }
        };
        if inputs.send(input).await.is_err() {
            return false;
        }
    }
    false
}

/// The object as its kind, or what is wrong with it.
fn read(kind: Kind, api_version: &str, object: &Whole) -> Change {
    match Object::read(kind, &object.of(kind)) {
        Ok(object) => Change::Applied(object.in_version(api_version)),
        Err(error) => {
            let (namespace, name) = object.key();
            Change::Malformed {
                kind,
                namespace,
                name,
                uid: object.uid().to_owned(),
                error: error.to_string(),
            }
        }
    }
}

/// Every object of a kind, once; none where it is not served.
pub async fn list(client: &Client, kind: Kind) -> kube::Result<Vec<Value>> {
    for api_version in kind.row().versions() {
        if let Some(objects) = list_in(client, kind, api_version).await? {
            return Ok(objects);
        }
    }
    Ok(Vec::new())
}

/// The same of one version; nothing where it is not served.
async fn list_in(client: &Client, kind: Kind, api_version: &str) -> kube::Result<Option<Vec<Value>>> {
    let resource: ApiResource = resource_in(kind, api_version);
    let api: Api<Whole> = Api::all_with(client.clone(), &resource);
    let mut page = ListParams::default().limit(500);
    let mut objects = Vec::new();
    loop {
        let list = match api.list(&page).await {
            Ok(list) => list,
            Err(kube::Error::Api(status)) if status.code == 404 => return Ok(None),
            Err(error) => return Err(error),
        };
        objects.extend(list.items.into_iter().map(|object| object.value(&resource)));
        match list.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => page = page.continue_token(&token),
            None => return Ok(Some(objects)),
        }
    }
}

/// A version that is refused when a watch is opened, rather than in its stream, the watcher would ask for again for ever.
fn has_expired(error: &watcher::Error) -> bool {
    matches!(error, watcher::Error::WatchStartFailed(kube::Error::Api(status)) if status.code == 410)
}

/// Does the API server know nothing of the kind in this version?
fn is_unserved(error: &watcher::Error) -> bool {
    let (watcher::Error::InitialListFailed(cause)
    | watcher::Error::WatchStartFailed(cause)
    | watcher::Error::WatchFailed(cause)) = error
    else {
        return false;
    };
    matches!(cause, kube::Error::Api(status) if status.code == 404)
}

/// May the kind be read? Nothing while the server gives no answer: a watch begun on a guess would be refused for ever, and
/// everything would wait for its list.
async fn readable(client: &Client, kind: Kind, api_version: &str) -> Option<bool> {
    let resource = resource_in(kind, api_version);
    let api: Api<Whole> = Api::all_with(client.clone(), &resource);
    let page = ListParams::default().limit(1).labels(kind.selector());
    match api.list(&page).await {
        Ok(_) => Some(true),
        Err(kube::Error::Api(status)) if matches!(status.code, 403 | 404) => Some(false),
        Err(_) => None,
    }
}

/// The version that the kind is served in, if it is; or why nobody knows.
async fn served(client: &Client, kind: Kind) -> kube::Result<Option<&'static str>> {
    for api_version in kind.row().versions() {
        match client.list_api_group_resources(api_version).await {
            Ok(list) if list.resources.iter().any(|served| served.name == kind.row().plural) => {
                return Ok(Some(api_version));
            }
            Ok(_) => {}
            Err(kube::Error::Api(status)) if status.code == 404 => {}
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}
