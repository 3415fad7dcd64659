//! What a cluster holds, read once and as far as the user may: for `explain`, and for `simulate --from-cluster`.

use super::journal;
use crate::api::model_serving::ModelServing;
use crate::api::pod_group::PodGroup;
use crate::api::unsupported;
use crate::cluster::Event;
use crate::engine::{Kind, Needed, Object, TABLE};
use crate::live::clock::Clock;
use crate::live::watch::list;
use crate::reservation::journal::{Place, read};
use crate::reservation::record::Record;
use crate::scheduler::notices::{self, ObjectNotice};
use crate::scheduler::{Decision, PodRef, Scheduler, SchedulerConfig};
use anyhow::Context;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Objects of a cluster by kind, what others depend on first, and what could not be read.
pub(super) struct Objects {
    pub(super) kinds: Vec<(Kind, Vec<Value>)>,
    /// `may not list queues: ...`
    pub(super) unread: Vec<String>,
    /// What the scheduler in the cluster has promised and not yet bound.
    promised: Vec<Record>,
}

impl Objects {
    /// Lists every kind that tells about placement, and those besides. A kind that the user may not list is noted and left
    /// out.
    pub(super) async fn list(
        client: &kube::Client,
        skip: &[Kind],
        besides: &[Kind],
    ) -> anyhow::Result<Objects> {
        let mut objects = Objects { kinds: Vec::new(), unread: Vec::new(), promised: Vec::new() };
        // Who groups pods decides nothing about those that wait.
        let told = TABLE
            .iter()
            .filter(|row| !matches!(row.needed, Needed::WithOwners | Needed::ForGrouping | Needed::Never));
        let told = told.map(|row| row.kind).filter(|kind| !skip.contains(kind));
        for kind in told.chain(besides.iter().copied()) {
            match list(client, kind).await {
                Ok(found) => objects.kinds.push((kind, found)),
                Err(kube::Error::Api(status)) if matches!(status.code, 401 | 403) => {
                    let plural = kind.row().plural;
                    objects.unread.push(format!("may not list {plural}: {}", status.message));
                }
                Err(error) => return Err(error).context("cannot read the cluster"),
            }
        }
        if objects.kinds.is_empty() {
            anyhow::bail!("nothing of the cluster may be read: {}", objects.unread.join("; "));
        }
        Ok(objects)
    }

    /// Reads what is promised, from the journal and from nowhere else: anybody may write what looks like one.
    pub(super) async fn read_promises(&mut self, client: &kube::Client, place: &Place) {
        match journal::fetch(client, place).await {
            Ok(pages) => self.promised.extend(pages.into_iter().flat_map(|page| {
                read(&page.metadata.name, &page.data).0.into_iter().map(|(_, record)| record)
            })),
            Err(error) => self.unread.push(format!("what is promised is not known: {error:#}")),
        }
    }
}

/// What a cluster holds, and a scheduler after one cycle on it.
pub(super) struct Found {
    pub(super) scheduler: Scheduler,
    pub(super) pod_groups: Vec<Arc<PodGroup>>,
    pub(super) model_servings: Vec<Arc<ModelServing>>,
    /// Objects that cannot be used, and why.
    pub(super) unusable: Vec<String>,
    pub(super) unread: Vec<String>,
    /// Gangs, `namespace/name`, that the cycle placed and the scheduler in the cluster has not.
    pub(super) would_fit: BTreeSet<String>,
    /// What objects ask for and do not get, by kind and name.
    pub(super) notices: Vec<ObjectNotice>,
    /// Names of schedulers that are answered to.
    pub(super) scheduler_names: Vec<String>,
    /// When pods without a node were created, by `namespace/name`.
    pub(super) created: BTreeMap<String, String>,
    /// When it was read.
    pub(super) now: crate::api::time::Timestamp,
}

impl Found {
    /// Takes in what was listed and runs one cycle.
    pub(super) fn new(objects: Objects, settings: SchedulerConfig) -> Found {
        let scheduler_names = settings.cluster.scheduler_names.clone();
        let mut found = Found {
            scheduler_names,
            created: BTreeMap::new(),
            scheduler: Scheduler::configured(settings),
            pod_groups: Vec::new(),
            model_servings: Vec::new(),
            unusable: Vec::new(),
            unread: objects.unread,
            would_fit: BTreeSet::new(),
            notices: Vec::new(),
            now: Clock::start().timestamp(),
        };
        for (kind, objects) in &objects.kinds {
            objects.iter().for_each(|object| found.take(*kind, object));
        }
        found.keep_promises(objects.promised);
        let of_cluster = notices::notices(found.scheduler.cluster());
        found.notices.extend(of_cluster);
        let cycle = found.scheduler.cycle(&found.now.to_string());
        found.would_fit = cycle
            .decisions
            .into_iter()
            .filter_map(|decision| match decision {
                Decision::Place(placement) => Some(placement.gang),
                _ => None,
            })
            .collect();
        found
    }

    /// What an object asks for and does not get. Pods of other schedulers, and those that have a node, are not asked about.
    fn note(&mut self, kind: Kind, object: &Value) {
        let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        let name = |name: &str| self.scheduler_names.iter().any(|ours| ours == name);
        if kind == Kind::Pod && !(name(text("/spec/schedulerName")) && text("/spec/nodeName").is_empty()) {
            return;
        }
        let name = match text("/metadata/namespace") {
            "" => text("/metadata/name").to_owned(),
            namespace => format!("{namespace}/{}", text("/metadata/name")),
        };
        let of = |notice| ObjectNotice { kind: kind.name(), name: name.clone(), notice };
        self.notices.extend(unsupported::notices(object).into_iter().map(of));
    }

    fn take(&mut self, kind: Kind, object: &Value) {
        self.note(kind, object);
        let object = match Object::read(kind, object) {
            Ok(object) => object,
            Err(error) => return self.unusable.push(error.to_string()),
        };
        if let Some(event) = Event::of(&object) {
            self.scheduler.apply(event);
        }
        match object {
            Object::Pod(pod) if pod.spec.node_name.is_none() => {
                if let Some(created) = &pod.metadata.creation_timestamp {
                    let key = format!("{}/{}", pod.metadata.namespace, pod.metadata.name);
                    self.created.insert(key, created.clone());
                }
            }
            Object::PodGroup(group) => self.pod_groups.push(group),
            Object::ModelServing(serving) => self.model_servings.push(serving),
            _ => {}
        }
    }

    /// What the scheduler in the cluster has promised and not yet bound.
    fn keep_promises(&mut self, promised: Vec<Record>) {
        for record in promised {
            for entry in record.entries {
                let namespace = record.gang.namespace.clone();
                self.scheduler.promise(&PodRef { namespace, name: entry.name, uid: entry.uid }, &entry.node);
            }
        }
    }
}
