//! Watches, one task per kind, into one channel.
//!
//! A raw stream per kind is turned into the engine's inputs: objects that vanish during a gap are noticed by comparing keys
//! when a relist ends. Objects come as JSON, so that one that does not decode is reported and never the end of the watch.
//! Kinds whose CRD is missing are looked for again every few seconds.

use super::log::Once;
use super::whole::{Whole, resource};
use crate::engine::{Change, Input, Kind, Needed, Object};
use futures::StreamExt;
use kube::Client;
use kube::api::{Api, ListParams};
use kube::discovery::ApiResource;
use kube::runtime::{WatchStreamExt, watcher};
use serde_json::Value;
use std::collections::BTreeSet;
use std::time::Duration;
use tokio::sync::mpsc::Sender;

/// How often a missing CRD is looked for.
const LOOK_AGAIN: Duration = Duration::from_secs(3);

/// How often it is tried whether a kind may be read that need not be.
const LOOK_AGAIN_LATER: Duration = Duration::from_secs(60);

/// How long a watch whose version has expired waits before everything is listed again.
const EXPIRED: Duration = Duration::from_millis(500);

/// Watches a kind until the receiver is gone.
pub async fn watch(client: Client, kind: Kind, inputs: Sender<Input>) {
    if kind.row().habits.custom {
        let mut told = false;
        while !served(&client, kind).await {
            if !std::mem::replace(&mut told, true) && inputs.send(Input::Missing(kind)).await.is_err() {
                return;
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }
    if kind.row().needed == Needed::ForGrouping {
        let mut told = false;
        loop {
            match readable(&client, kind).await {
                Some(true) => break,
                Some(false) => {}
                None => {
                    tokio::time::sleep(LOOK_AGAIN).await;
                    continue;
                }
            }
            if !std::mem::replace(&mut told, true) {
                tracing::info!(
                    ?kind,
                    "it may not be read; Volcano's controllers are known by their PodGroups alone"
                );
                if inputs.send(Input::Missing(kind)).await.is_err() {
                    return;
                }
            }
            tokio::time::sleep(LOOK_AGAIN_LATER).await;
        }
    }
    let resource = resource(kind);
    let api: Api<Whole> = Api::all_with(client, &resource);
    let applied = |object: Whole| Input::Observed(read(kind, &object));
    let config = match kind.selector() {
        "" => watcher::Config::default(),
        selector => watcher::Config::default().labels(selector),
    };
    let start = || watcher(api.clone(), config.clone()).default_backoff().boxed();
    let mut stream = start();
    let mut known: BTreeSet<(String, String)> = BTreeSet::new();
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
                for (namespace, name) in known.difference(&listed) {
                    let (namespace, name) = (namespace.clone(), name.clone());
                    let gone = Input::Observed(Change::Gone { kind, namespace, name });
                    if inputs.send(gone).await.is_err() {
                        return;
                    }
                }
                known = std::mem::take(&mut listed);
                Input::Synced(kind)
            }
            Ok(watcher::Event::Apply(object)) => {
                known.insert(object.key());
                applied(object)
            }
            Ok(watcher::Event::Delete(object)) => {
                let key = object.key();
                known.remove(&key);
                Input::Observed(Change::Gone { kind, namespace: key.0, name: key.1 })
            }
            Err(error) => {
                if once.is_news(kind.name(), &error.to_string()) {
                    tracing::warn!(?kind, %error, "the watch fails, and is tried again until it does not");
                }
                if has_expired(&error) {
                    tokio::time::sleep(EXPIRED).await;
                    stream = start();
                }
                continue;
            }
        };
        if inputs.send(input).await.is_err() {
            return;
        }
    }
}

/// The object as its kind, or what is wrong with it.
fn read(kind: Kind, object: &Whole) -> Change {
    match Object::read(kind, &object.of(kind)) {
        Ok(object) => Change::Applied(object),
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

/// Every object of a kind, once; none where its CRD is missing.
pub async fn list(client: &Client, kind: Kind) -> kube::Result<Vec<Value>> {
    let resource: ApiResource = resource(kind);
    let api: Api<Whole> = Api::all_with(client.clone(), &resource);
    let mut page = ListParams::default().limit(500);
    let mut objects = Vec::new();
    loop {
        let list = match api.list(&page).await {
            Ok(list) => list,
            Err(kube::Error::Api(status)) if status.code == 404 => return Ok(objects),
            Err(error) => return Err(error),
        };
        objects.extend(list.items.into_iter().map(|object| object.value(&resource)));
        match list.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => page = page.continue_token(&token),
            None => return Ok(objects),
        }
    }
}

/// A version that is refused when a watch is opened, rather than in its stream, the watcher would ask for again for ever.
fn has_expired(error: &watcher::Error) -> bool {
    matches!(error, watcher::Error::WatchStartFailed(kube::Error::Api(status)) if status.code == 410)
}

/// May the kind be read? Nothing while the server gives no answer: a watch begun on a guess would be refused for ever, and
/// everything would wait for its list.
async fn readable(client: &Client, kind: Kind) -> Option<bool> {
    let resource = resource(kind);
    let api: Api<Whole> = Api::all_with(client.clone(), &resource);
    let page = ListParams::default().limit(1).labels(kind.selector());
    match api.list(&page).await {
        Ok(_) => Some(true),
        Err(kube::Error::Api(status)) if matches!(status.code, 403 | 404) => Some(false),
        Err(_) => None,
    }
}

/// Is the kind served? A server that cannot be reached counts as "not yet".
async fn served(client: &Client, kind: Kind) -> bool {
    let resource = resource(kind);
    match client.list_api_group_resources(&resource.api_version).await {
        Ok(list) => list.resources.iter().any(|served| served.name == resource.plural),
        Err(_) => false,
    }
}
