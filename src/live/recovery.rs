//! What a new leader reads before it decides anything: every record that its predecessors left, and the pods in it.

use super::call::{Answer, Call};
use super::kind::Kind;
use super::mirror::Shown;
use crate::api::core::Pod;
use crate::api::pod_group::PodGroup;
use crate::reservation::GroupFacts;
use crate::reservation::facts::group_facts;
use crate::reservation::record::{RESERVATION, Record};
use crate::scheduler::PodRef;
use futures::StreamExt;
use kube::Client;
use serde_json::Value;
use std::time::Duration;

/// A record as it is now, with the pods that it names.
#[derive(Clone, Debug)]
pub struct Found {
    /// `namespace/name` of the PodGroup.
    pub group: String,
    /// The PodGroup.
    pub facts: GroupFacts,
    /// Pods of the record that exist.
    pub pods: Vec<Pod>,
    /// The epoch of the record; 0 if it cannot be read.
    pub epoch: u64,
}

/// Reads these PodGroups and the pods in their records, later leaders' records first. Waits for an API server that does
/// not answer: without the records nothing may be decided.
pub async fn find(client: Client, groups: Vec<String>) -> Vec<Found> {
    let found = futures::stream::iter(groups).map(|group| one(client.clone(), group)).buffer_unordered(8);
    let mut found: Vec<Found> = found.filter_map(std::future::ready).collect().await;
    found.sort_by(|a, b| b.epoch.cmp(&a.epoch).then_with(|| a.group.cmp(&b.group)));
    found
}

async fn one(client: Client, group: String) -> Option<Found> {
    let (namespace, name) = group.split_once('/')?;
    let object = read(&client, Kind::PodGroup.path(namespace, name, "")).await?;
    let object: PodGroup = serde_json::from_value(object).ok()?;
    let facts = group_facts(&object);
    let record = facts.record.as_deref().and_then(|text| Record::decode(text).ok());
    let names: Vec<String> =
        record.iter().flat_map(|record| record.entries.iter().map(|entry| entry.name.clone())).collect();
    let pods = futures::stream::iter(names)
        .map(|name| {
            let (client, path) = (client.clone(), Kind::Pod.path(namespace, &name, ""));
            async move { serde_json::from_value::<Pod>(read(&client, path).await?).ok() }
        })
        .buffered(16)
        .filter_map(std::future::ready)
        .collect()
        .await;
    let epoch = record.map_or(0, |record| record.epoch);
    Some(Found { facts, pods, epoch, group: group.clone() })
}

/// One more than the highest epoch of any record: whoever leads next must be later than all who wrote, even where the
/// Lease was deleted, or nobody held one. Waits for an API server that does not answer.
pub async fn least_epoch(client: &Client) -> u64 {
    // Without the CRD there are no records.
    let Some(list) = read(client, Kind::PodGroup.path("", "", "")).await else { return 1 };
    let items = list.get("items").and_then(Value::as_array).into_iter().flatten();
    let records = items
        .filter_map(|group| group.get("metadata")?.get("annotations")?.get(RESERVATION)?.as_str())
        .filter_map(|text| Record::decode(text).ok());
    records.map(|record| record.epoch + 1).max().unwrap_or(1)
}

/// What bears the pod's name now; waits for the answer.
pub async fn look(client: &Client, pod: PodRef) -> Shown {
    let object = read(client, Kind::Pod.path(&pod.namespace, &pod.name, "")).await;
    match object.and_then(|object| serde_json::from_value::<Pod>(object).ok()) {
        Some(found) => Shown::Pod(Box::new(found)),
        None => Shown::Gone(pod),
    }
}

/// The object; `None` if there is none.
async fn read(client: &Client, path: String) -> Option<Value> {
    loop {
        match Call::get(path.clone()).run(client, Duration::from_secs(10)).await {
            Answer::Done(value) => return Some(value),
            Answer::Refused { code: 404, .. } => return None,
            answer => {
                tracing::warn!(path, ?answer, "cannot be read; trying again");
                tokio::time::sleep(Duration::from_millis(500)).await;
            }
        }
    }
}
