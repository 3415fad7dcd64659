//! Whether Volcano's controllers run on the cluster, and for which scheduler names, as far as can be seen.

use super::GroupedBy;
use crate::api::workload::Deployment;
use std::collections::{BTreeMap, BTreeSet};

/// The label `app` of the Deployments of Volcano's controllers and of its scheduler, in its chart and its manifests.
const CONTROLLERS: &str = "volcano-controller";
const SCHEDULER: &str = "volcano-scheduler";

/// Begins the names of Volcano's webhook configurations.
const WEBHOOK_PREFIX: &str = "volcano-admission-service";

/// The scheduler name that Volcano's controllers group for unless they are told another.
const DEFAULT_NAME: &str = "volcano";

/// Who makes the PodGroup of a pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Grouper {
    Volcano,
    Phalanx,
    Nobody,
}

/// What has been seen.
#[derive(Debug, Default)]
pub(super) struct Evidence {
    /// Scheduler names by Deployment of Volcano's controllers (`namespace/name`).
    controllers: BTreeMap<String, Vec<String>>,
    /// The same of Volcano's scheduler.
    schedulers: BTreeMap<String, Vec<String>>,
    webhooks: BTreeSet<String>,
    /// Has somebody made PodGroups for pods, and nothing speaks against that it still happens?
    groups: bool,
}

impl Evidence {
    /// True if that changes who groups.
    pub(super) fn deployment(&mut self, deployment: &Deployment) -> bool {
        let metadata = &deployment.metadata;
        let key = format!("{}/{}", metadata.namespace, metadata.name);
        let app = metadata.labels.get("app").map_or("", String::as_str);
        let runs = deployment.spec.replicas != Some(0);
        let names = scheduler_names(deployment);
        if app == SCHEDULER && runs {
            self.schedulers.insert(key.clone(), names.clone());
        } else {
            self.schedulers.remove(&key);
        }
        if app != CONTROLLERS || !runs {
            return self.controllers.remove(&key).is_some();
        }
        self.controllers.insert(key, names.clone()) != Some(names)
    }

    pub(super) fn deployment_gone(&mut self, namespace: &str, name: &str) -> bool {
        let key = format!("{namespace}/{name}");
        self.schedulers.remove(&key);
        self.controllers.remove(&key).is_some()
    }

    pub(super) fn is_admitted_elsewhere(&self, names: &[String]) -> bool {
        let is_other = |theirs: &Vec<String>| !theirs.iter().any(|name| names.contains(name));
        self.schedulers.values().any(is_other)
    }

    pub(super) fn webhook(&mut self, name: &str, exists: bool) -> bool {
        if !name.starts_with(WEBHOOK_PREFIX) {
            return false;
        }
        if exists { self.webhooks.insert(name.to_owned()) } else { self.webhooks.remove(name) }
    }

    pub(super) fn group_seen(&mut self) -> bool {
        !std::mem::replace(&mut self.groups, true)
    }

    /// A pod has waited in vain. True if PodGroups were all that spoke for Volcano.
    pub(super) fn refute_groups(&mut self) -> bool {
        self.controllers.is_empty() && self.webhooks.is_empty() && std::mem::take(&mut self.groups)
    }

    pub(super) fn grouper(&self, by: GroupedBy, scheduler_name: &str) -> Grouper {
        let is_volcanos = if self.controllers.is_empty() {
            (self.groups || !self.webhooks.is_empty()) && scheduler_name == DEFAULT_NAME
        } else {
            self.controllers.values().flatten().any(|name| name == scheduler_name)
        };
        match by {
            GroupedBy::Auto if is_volcanos => Grouper::Volcano,
            GroupedBy::Auto | GroupedBy::Phalanx => Grouper::Phalanx,
            GroupedBy::Volcano => Grouper::Volcano,
            GroupedBy::Nobody => Grouper::Nobody,
        }
    }
}

/// The values of `--scheduler-name`, which may be repeated and may list several.
fn scheduler_names(deployment: &Deployment) -> Vec<String> {
    let programs = &deployment.spec.template.spec.containers;
    let words: Vec<&str> = programs
        .iter()
        .flat_map(|program| program.command.iter().chain(&program.args))
        .flat_map(|text| text.split_whitespace())
        .collect();
    let mut names = Vec::new();
    for (at, word) in words.iter().enumerate() {
        let Some(flag) =
            word.strip_prefix("--scheduler-name").or_else(|| word.strip_prefix("-scheduler-name"))
        else {
            continue;
        };
        let value = flag.strip_prefix('=').or_else(|| words.get(at + 1).copied().filter(|_| flag.is_empty()));
        names.extend(value.into_iter().flat_map(|value| value.split(',')).map(str::to_owned));
    }
    if names.is_empty() { vec![DEFAULT_NAME.to_owned()] } else { names }
}
