//! What a change would alter against what runs now: who is placed, moves, is evicted or goes, and which gangs wait.

use super::columns::columns;
use super::{PodRow, Report, ShortfallRow, rows::waits};
use crate::api::gang::{Dialect, membership_in};
use crate::api::kind::Kind;
use crate::apiserver::At as _;
use crate::cluster::natural;
use crate::simulation::scenario::API_VERSION;
use crate::words::counted;
use serde::Serialize;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

/// Pods and PodGroups as they are now: what the objects of the cluster say.
#[derive(Clone, Debug, Default)]
pub struct Now {
    /// By namespace and name.
    pods: BTreeMap<(String, String), NowPod>,
    /// Minimum by namespace and name.
    groups: BTreeMap<(String, String), u32>,
}

#[derive(Clone, Debug, Default)]
struct NowPod {
    node: Option<String>,
    group: Option<String>,
    ended: bool,
}

/// What is different. Its JSON form is stable: fields may be added, none is renamed or removed within a version.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Diff {
    /// `simulation.phalanx.dev/v1alpha1`.
    pub api_version: &'static str,
    /// `Diff`.
    pub kind: &'static str,
    /// Pods that are not as they are now, by namespace and name.
    pub pods: Vec<PodChange>,
    /// PodGroups that wait, or no longer do, by namespace and name.
    pub pod_groups: Vec<GroupChange>,
    /// Pods that stay as they are.
    pub unchanged: u32,
}

/// What becomes of a pod.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PodChange {
    /// `placed`: gets a node. `waits`: is new and gets none. `moved`: has another node. `evicted`: loses its node. `gone`: had no
    /// node and does not exist any more.
    pub change: &'static str,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its PodGroup.
    pub pod_group: Option<String>,
    /// The node that it has now.
    pub from: Option<String>,
    /// The node that it would have.
    pub to: Option<String>,
}

/// What becomes of a PodGroup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GroupChange {
    /// `waits`: it would not have its minimum, or pods of it would wait. `placed`: it waits now and would not.
    pub change: &'static str,
    /// Does it wait now? Null if it does not exist now.
    pub waits_now: Option<bool>,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Why it would wait.
    pub reason: Option<String>,
    /// The same as a sentence.
    pub message: String,
    /// The same in parts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shortfall: Option<ShortfallRow>,
}

impl Now {
    /// Takes in an object as the API server shows it.
    pub fn take(&mut self, object: &Value) {
        let text = |pointer: &str| object.at(pointer).and_then(Value::as_str).unwrap_or_default();
        let namespace = Some(text("/metadata/namespace")).filter(|it| !it.is_empty()).unwrap_or("default");
        let key = (namespace.to_owned(), text("/metadata/name").to_owned());
        match text("/kind") {
            "Pod" => {
                let pod = NowPod {
                    node: Some(text("/spec/nodeName")).filter(|it| !it.is_empty()).map(str::to_owned),
                    group: membership_in(object).map(|group| group.into_owned()),
                    ended: matches!(text("/status/phase"), "Succeeded" | "Failed"),
                };
                self.pods.insert(key, pod);
            }
            "PodGroup" => {
                let kind = Kind::of(text("/apiVersion"), "PodGroup");
                let dialect = kind.and_then(Dialect::of).unwrap_or_default();
                let field = format!("/{}", dialect.minimum_field().replace('.', "/"));
                let minimum = object.at(&field).and_then(Value::as_u64).unwrap_or(0);
                let key = (key.0, dialect.gang_name(&key.1).into_owned());
                self.groups.insert(key, u32::try_from(minimum).unwrap_or(u32::MAX));
            }
            _ => {}
        }
    }

    fn waits(&self, namespace: &str, name: &str) -> Option<bool> {
        let minimum = *self.groups.get(&(namespace.to_owned(), name.to_owned()))?;
        let own = self
            .pods
            .iter()
            .filter(|((space, _), pod)| space == namespace && pod.group.as_deref() == Some(name));
        let placed = own.filter(|(_, pod)| pod.node.is_some()).count();
        Some(placed < minimum.max(1) as usize)
    }
}

impl Diff {
    /// What a run came to, against what is now.
    pub fn of(now: &Now, report: &Report) -> Diff {
        let mut pods: Vec<PodChange> = Vec::new();
        let mut unchanged = 0;
        let mut seen: BTreeSet<(&str, &str)> = BTreeSet::new();
        for row in &report.pods {
            seen.insert((row.namespace.as_str(), row.name.as_str()));
            let known = now.pods.get(&(row.namespace.to_string(), row.name.to_string()));
            match change(known, row) {
                Some(change) => pods.push(PodChange {
                    change,
                    namespace: row.namespace.to_string(),
                    name: row.name.to_string(),
                    pod_group: row.pod_group.as_ref().map(ToString::to_string),
                    from: known.and_then(|pod| pod.node.clone()),
                    to: row.node.as_ref().map(ToString::to_string),
                }),
                None => unchanged += 1,
            }
        }
        for ((namespace, name), pod) in &now.pods {
            if !seen.contains(&(namespace.as_str(), name.as_str())) && !pod.ended {
                pods.push(PodChange {
                    change: if pod.node.is_some() { "evicted" } else { "gone" },
                    namespace: namespace.clone(),
                    name: name.clone(),
                    pod_group: pod.group.clone(),
                    from: pod.node.clone(),
                    to: None,
                });
            }
        }
        pods.sort_by(|a, b| a.namespace.cmp(&b.namespace).then_with(|| natural::compare(&a.name, &b.name)));
        let groups = report.pod_groups.iter().filter_map(|row| {
            let waits_now = now.waits(&row.namespace, &row.name);
            let waits = waits(row) || row.reason.is_some();
            let change = match (waits_now, waits) {
                (_, true) => "waits",
                (Some(true), false) => "placed",
                _ => return None,
            };
            Some(GroupChange {
                change,
                waits_now,
                namespace: row.namespace.clone(),
                name: row.name.clone(),
                reason: row.reason.clone(),
                message: row.message.clone(),
                shortfall: row.shortfall.clone(),
            })
        });
        Diff { api_version: API_VERSION, kind: "Diff", pods, pod_groups: groups.collect(), unchanged }
    }

    /// The same for people.
    pub fn text(&self) -> String {
        let mut text = String::new();
        if !self.pods.is_empty() {
            let none = || "<none>".to_owned();
            let row = |it: &PodChange| {
                let ends = [&it.from, &it.to].map(|node| node.clone().unwrap_or_else(none));
                let [from, to] = ends;
                vec![it.change.to_owned(), it.namespace.clone(), it.name.clone(), from, to]
            };
            let rows: Vec<Vec<String>> = self.pods.iter().map(row).collect();
            text.push_str(&columns(&["CHANGE", "NAMESPACE", "POD", "NODE NOW", "NODE THEN"], &rows));
            text.push('\n');
        }
        for it in &self.pod_groups {
            let now = match (it.change, it.waits_now) {
                ("placed", _) => "waits now and would be placed",
                (_, Some(true)) => "would still wait",
                (_, Some(false)) => "is placed now and would wait",
                (_, None) => "would wait",
            };
            let separator = if it.message.is_empty() { "" } else { ": " };
            let _ = writeln!(text, "PodGroup {}/{} {now}{separator}{}", it.namespace, it.name, it.message);
        }
        if !self.pod_groups.is_empty() {
            text.push('\n');
        }
        let count = |change: &str| self.pods.iter().filter(|it| it.change == change).count();
        let pods = |count: usize| counted(count, "pod");
        let _ = writeln!(
            text,
            "{} placed, {} moved, {} evicted, {} waiting, {} gone; {} unchanged",
            pods(count("placed")),
            count("moved"),
            count("evicted"),
            count("waits"),
            count("gone"),
            pods(self.unchanged as usize)
        );
        text
    }
}

fn change(now: Option<&NowPod>, row: &PodRow) -> Option<&'static str> {
    match (now.and_then(|pod| pod.node.as_deref()), row.node.as_deref()) {
        (None, Some(_)) => Some("placed"),
        (Some(from), Some(to)) if from != to => Some("moved"),
        (Some(_), None) => Some("evicted"),
        (None, None) if now.is_none() && row.waits() => Some("waits"),
        _ => None,
    }
}
