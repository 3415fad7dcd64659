//! How a queue shares with others, in words: what it deserves, gets and uses, and the class of each of its gangs.

use crate::cluster::requests::amount_text;
use crate::scheduler::QueueReport;
use crate::simulation::report::columns::columns;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// The division as a table, and the walk of what runs.
pub(super) fn shares(queue: &QueueReport) -> (String, Value) {
    let lists = [&queue.deserved, &queue.fair_share, &queue.allocated, &queue.requested, &queue.capability];
    let named: BTreeSet<&String> =
        lists[..2].iter().chain(&lists[4..]).flat_map(|list| list.keys()).collect();
    let cell = |list: &BTreeMap<String, i64>, name: &str, none: &str| {
        list.get(name).map_or_else(|| none.to_owned(), |&amount| amount_text(name, amount))
    };
    let rows: Vec<Vec<String>> = named
        .iter()
        .map(|name| {
            vec![
                (*name).clone(),
                cell(&queue.deserved, name, "0"),
                cell(&queue.fair_share, name, "-"),
                cell(&queue.allocated, name, "0"),
                cell(&queue.requested, name, "-"),
                cell(&queue.capability, name, "no limit"),
            ]
        })
        .collect();
    let mut text = String::new();
    if !rows.is_empty() {
        let head = ["RESOURCE", "DESERVED", "FAIR SHARE", "USED", "REQUESTED", "LIMIT"];
        text.push_str(&columns(&head, &rows));
        text.push('\n');
    }
    let class = |class: &Option<crate::sharing::Class>| class.map_or("waits", |class| class.name());
    if !queue.gangs.is_empty() {
        let rows: Vec<Vec<String>> =
            queue.gangs.iter().map(|(gang, it)| vec![gang.clone(), class(it).to_owned()]).collect();
        text.push_str(&columns(&["GANG", "CLASS"], &rows));
        text.push('\n');
    }
    let texts = |list: &BTreeMap<String, i64>| -> BTreeMap<String, String> {
        list.iter().map(|(name, &amount)| (name.clone(), amount_text(name, amount))).collect()
    };
    let gangs: Vec<Value> =
        queue.gangs.iter().map(|(gang, it)| json!({ "gang": gang, "class": class(it) })).collect();
    let value = json!({
        "parent": queue.parent, "weight": queue.weight, "deserved": texts(&queue.deserved),
        "fairShare": texts(&queue.fair_share), "allocated": texts(&queue.allocated),
        "requested": texts(&queue.requested), "capability": texts(&queue.capability), "gangs": gangs,
    });
    (text, value)
}
