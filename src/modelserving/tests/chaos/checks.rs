//! What must hold at every step, measured by nothing but pods, and what must hold at rest.

use super::{Chaos, Serving};
use crate::api::model_serving::Role;
use crate::modelserving::settings::{Settings, Strategy, role_max_unavailable, role_pods, role_replicas};
use crate::modelserving::*;
use std::collections::{BTreeMap, BTreeSet};

impl Chaos {
    /// What each ServingGroup is worth, by nothing but its pods.
    pub(super) fn serving(&self) -> BTreeMap<u32, Serving> {
        let mut pods: Vec<(names::PodKey<'_>, &ObservedPod)> = self
            .world
            .pods
            .iter()
            .map(|pod| (names::parse_pod("ms", &pod.object.name).unwrap(), pod))
            .collect();
        pods.sort_by_key(|(key, _)| *key);
        let groups = pods.chunk_by(|(left, _), (right, _)| left.group == right.group);
        groups.map(|pods| (pods[0].0.group, self.serving_group(pods))).collect()
    }

    fn serving_group(&self, pods: &[(names::PodKey<'_>, &ObservedPod)]) -> Serving {
        let mut running: BTreeMap<String, u32> = BTreeMap::new();
        let mut live = BTreeSet::new();
        for pods in
            pods.chunk_by(|(left, _), (right, _)| (left.role, left.replica) == (right.role, right.replica))
        {
            let first = pods.iter().find(|(_, pod)| !pod.object.deleting).unwrap_or(&pods[0]);
            // By its hash: a revision that nobody remembers is only a label.
            let role = self.role_of(first.0.role, &first.1.role_hash);
            let whole = pods.len() == role_pods(role) as usize;
            let runs = whole && pods.iter().all(|(_, pod)| pod.ready && !pod.object.deleting);
            *running.entry(role.name.clone()).or_default() += u32::from(runs);
            if !first.1.object.deleting {
                live.insert(role.name.clone());
            }
        }
        let revision = self.revision_of(pods);
        let wanted: BTreeMap<String, u32> =
            self.history[&revision].0.iter().map(|role| (role.name.clone(), role_replicas(role))).collect();
        let available = wanted.iter().all(|(role, count)| running.get(role).unwrap_or(&0) >= count);
        Serving { running, live, wanted, available }
    }

    fn role_of(&self, name: &str, hash: &str) -> &Role {
        let known = self.history.values().flat_map(|(roles, hashes)| roles.iter().zip(hashes));
        let mut same = known.filter(|(role, known)| role.name == name && *known == hash);
        same.next().unwrap().0
    }

    /// The revision that a group is measured by: its own, or that of the spec where roles roll and where nothing in it is older.
    fn revision_of(&self, pods: &[(names::PodKey<'_>, &ObservedPod)]) -> String {
        let (roles, hashes) = &self.history[&self.hash];
        if Settings::of(&self.world.object).strategy == Strategy::Role {
            return self.hash.clone();
        }
        let current = |key: &names::PodKey<'_>, pod: &ObservedPod| {
            roles.iter().zip(hashes).any(|(role, hash)| role.name == key.role && *hash == pod.role_hash)
        };
        let mut by_life: Vec<_> = pods.to_vec();
        by_life.sort_by_key(|(key, pod)| (key.role, key.replica, pod.object.deleting));
        if let Some((_, old)) = by_life.iter().find(|(key, pod)| !current(key, pod)) {
            return old.revision.to_string();
        }
        let fresh = pods.iter().any(|(_, pod)| pod.revision == self.hash);
        let has = |role: &Role| role_replicas(role) == 0 || pods.iter().any(|(key, _)| key.role == role.name);
        if fresh || roles.iter().all(has) { self.hash.clone() } else { by_life[0].1.revision.to_string() }
    }

    fn available(serving: &BTreeMap<u32, Serving>) -> BTreeSet<u32> {
        serving.iter().filter(|(_, serving)| serving.available).map(|(group, _)| *group).collect()
    }

    pub(super) fn check_status(&self, outcome: &Outcome, serving: &BTreeMap<u32, Serving>) {
        let status = outcome.status.as_ref().unwrap_or(&self.world.object.status);
        let available = Self::available(serving);
        if status.available_replicas as usize != available.len() {
            self.fail(&format!(
                "status says {} available, they are {available:?}",
                status.available_replicas
            ));
        }
        let ready =
            status.conditions.iter().find(|c| c.type_ == "Available").is_some_and(|c| c.status == "True");
        let wanted = Settings::of(&self.world.object).replicas as usize;
        if ready && available.len() < wanted {
            self.fail("says Available");
        }
        if status.conditions.iter().filter(|condition| condition.status == "True").count() != 1 {
            self.fail(&format!("conditions {:?}", status.conditions));
        }
    }

    pub(super) fn check_change(&self, change: &Change) {
        if let Change::UpdatePodGroup { name, spec, .. } = change {
            let old = self.world.pod_groups.iter().find(|pod_group| pod_group.object.name == *name).unwrap();
            for policy in &spec.sub_group_policy {
                let had = old.spec.sub_group_policy.iter().find(|old| old.name == policy.name);
                let had = had.and_then(|had| had.min_sub_groups).unwrap_or(0);
                let prefix = format!("{name}-{}-", policy.name);
                let pods = self.world.pods.iter().filter(|pod| !pod.object.deleting);
                let pods = pods.filter(|pod| pod.object.name.starts_with(&prefix)).count() as i32;
                let (count, size) = (policy.min_sub_groups.unwrap(), policy.sub_group_size.unwrap());
                if count > had && count * size > pods {
                    self.fail(&format!("{prefix} asks for {count} of {size}, {pods} pods exist"));
                }
            }
        }
    }

    /// What served and does not any more, by our doing, must fit the budget.
    pub(super) fn check_budget(&self, before: &BTreeMap<u32, Serving>) {
        let object = &self.world.object;
        let settings = Settings::of(object);
        let after = self.serving();
        if settings.strategy == Strategy::ServingGroup {
            let served = Self::available(before).len();
            let serves = Self::available(&after).len();
            let floor = settings.replicas.saturating_sub(settings.max_unavailable) as usize;
            if serves < served.min(floor) {
                self.fail(&format!("{serves} of {served} ServingGroups left"));
            }
        }
        for (group, before) in before {
            let Some(after) = after.get(group).filter(|after| !after.live.is_empty()) else { continue };
            for (role, &wanted) in after.wanted.iter().filter(|(role, _)| after.live.contains(*role)) {
                let max_unavailable = match settings.strategy {
                    Strategy::Role => {
                        settings.role(role).map_or(u32::MAX, |r| role_max_unavailable(r).unwrap_or(u32::MAX))
                    }
                    Strategy::ServingGroup => 0,
                };
                let served = before.running.get(role).copied().unwrap_or(0);
                let serves = after.running.get(role).copied().unwrap_or(0);
                if serves < served.min(wanted.saturating_sub(max_unavailable)) {
                    self.fail(&format!("group {group} role {role}: {serves} of {served} left"));
                }
            }
        }
    }

    /// The scale selector finds one pod in each group.
    pub(super) fn check_selector(&self) {
        let object = &self.world.object;
        let selector = &object.status.label_selector;
        let role = &object.spec.template.roles[0].name;
        let by_label = selector.contains("representative=true");
        let mut found: Vec<u32> = Vec::new();
        for pod in &self.world.pods {
            let key = names::parse_pod("ms", &pod.object.name).unwrap();
            let by_ordinal = key.role == role && key.replica == 0 && key.index == 0;
            if if by_label { pod.representative } else { by_ordinal } {
                found.push(key.group);
            }
        }
        found.sort_unstable();
        let groups: Vec<u32> = self.serving().into_keys().collect();
        if found != groups {
            self.fail(&format!("{selector} finds {found:?} of {groups:?}"));
        }
    }

    /// Never more ServingGroups than asked for, surge included, by our doing.
    pub(super) fn check_count(&self, outcome: &Outcome) {
        let settings = Settings::of(&self.world.object);
        let created: BTreeSet<u32> = outcome
            .changes
            .iter()
            .filter(|change| matches!(change, Change::Create(created) if created.kind == Kind::Pod))
            .map(|change| names::parse_pod("ms", change.name()).unwrap().group)
            .collect();
        let all: BTreeSet<u32> = self
            .world
            .pods
            .iter()
            .map(|pod| names::parse_pod("ms", &pod.object.name).unwrap().group)
            .collect();
        let existing = outcome.status.as_ref().unwrap_or(&self.world.object.status).replicas as usize;
        if !created.is_empty() && all.len() > existing.max((settings.replicas + settings.max_surge) as usize)
        {
            self.fail(&format!("{} ServingGroups", all.len()));
        }
    }

    pub(super) fn check_rest(&self) {
        let object = &self.world.object;
        let settings = Settings::of(object);
        let serving = self.serving();
        if Self::available(&serving).len() != settings.replicas as usize
            || serving.len() != settings.replicas as usize
        {
            self.fail(&format!("rests with {serving:?}"));
        }
        let hash = |pod: &ObservedPod| {
            let name = names::parse_pod("ms", &pod.object.name).unwrap();
            settings.role(name.role).map(role_hash).as_deref() == Some(pod.role_hash.as_str())
        };
        let old: BTreeSet<u32> = self
            .world
            .pods
            .iter()
            .filter(|pod| !hash(pod))
            .map(|pod| names::parse_pod("ms", &pod.object.name).unwrap().group)
            .collect();
        let roles_hold = settings.roles.iter().any(|role| settings::role_partition(role) > 0);
        if old.len() > settings.partition as usize && !(settings.strategy == Strategy::Role && roles_hold) {
            self.fail(&format!("groups {old:?} are outdated"));
        }
        let groups: BTreeSet<String> = serving.keys().map(|group| names::group("ms", *group)).collect();
        let pod_groups: BTreeSet<String> =
            self.world.pod_groups.iter().map(|pod_group| pod_group.object.name.clone()).collect();
        if self.world.gangs && pod_groups != groups && !groups.is_empty() {
            self.fail(&format!("pod groups {pod_groups:?}, groups {groups:?}"));
        }
        for service in &self.world.services {
            if !self.world.pods.iter().any(|pod| pod.object.name == service.object.name) {
                self.fail(&format!("service {} has no pod", service.object.name));
            }
        }
        self.check_selector();
        let used: BTreeSet<&str> = self.world.pods.iter().map(|pod| pod.revision.as_str()).collect();
        if self.world.revisions.len() > used.len() + 2 {
            self.fail("revisions are left over");
        }
        if object.status.conditions.iter().all(|c| c.type_ != "Available" || c.status != "True") {
            self.fail("is not Available");
        }
    }
}
