//! The epoch from which a leader may begin: later than all who have written a record, even where the Lease was deleted,
//! or nobody held one.

use super::call::{Answer, Call};
use crate::engine::Kind;
use crate::reservation::record::{RESERVATION, Record};
use kube::Client;
use serde_json::Value;
use std::time::Duration;

/// One more than the highest epoch of any record. Waits for an API server that does not answer.
pub async fn least_epoch(client: &Client) -> u64 {
    let list = loop {
        match Call::get(Kind::PodGroup.path("", "", "")).run(client, Duration::from_secs(10)).await {
            Answer::Done(list) => break list,
            // Without the CRD there are no records.
            Answer::Refused { code: 404, .. } => return 1,
            answer => {
                tracing::warn!(?answer, "PodGroups cannot be read; trying again");
                tokio::time::sleep(Duration::from_millis(500)).await;
            }
        }
    };
    let items = list.get("items").and_then(Value::as_array).into_iter().flatten();
    let records = items
        .filter_map(|group| group.get("metadata")?.get("annotations")?.get(RESERVATION)?.as_str())
        .filter_map(|text| Record::decode(text).ok());
    records.map(|record| record.epoch + 1).max().unwrap_or(1)
}
