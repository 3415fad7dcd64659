//! Random specs, edits and faults in virtual time. A run is a pure function of its seed; a failure prints the seed and, from
//! a second run that takes notes, what led to it. To keep it, put it into [`KNOWN`].

use super::world::{World, describe};
use crate::api::meta::IntOrString;
use crate::api::model_serving::{ModelServing, Role};
use crate::modelserving::settings::{Settings, Strategy, role_max_unavailable, role_pods, role_replicas};
use crate::modelserving::*;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Seeds that have failed once.
const KNOWN: &[u64] =
    &[349, 878, 1008, 1010, 1305, 1315, 1971, 2424, 2666, 3027, 3395, 4262, 4429, 11144, 12105];
/// Two thousand and more a second where the compiler optimises.
const RUNS: u64 = if cfg!(debug_assertions) { 500 } else { 10_000 };

#[test]
fn known_seeds() {
    KNOWN.iter().for_each(|&seed| Chaos::new(seed).run());
}

#[test]
fn random_faults_end_in_rest() {
    (0..RUNS).for_each(|seed| Chaos::new(seed).run());
}

/// From any state, stopping after any number of changes and starting again without memory ends in the same place.
#[test]
fn a_restart_between_any_two_changes_ends_in_the_same_place() {
    for seed in 0..RUNS / 4 {
        let mut chaos = Chaos::new(seed);
        (0..20).for_each(|_| chaos.act());
        let outcome = chaos.world.reconcile();
        let finish = |count: usize| {
            let mut world = chaos.world.clone();
            outcome.changes.iter().take(count).for_each(|change| world.apply(change));
            world.memory = None;
            world.run();
            shape(&world)
        };
        let whole = finish(outcome.changes.len());
        for count in 0..outcome.changes.len() {
            let list: Vec<String> = outcome.changes.iter().map(describe).collect();
            let spec = serde_json::to_string(&chaos.world.object.spec).unwrap();
            assert_eq!(finish(count), whole, "seed {seed}, stopped after {count} of {list:?}\n{spec}");
        }
    }
}

/// What a world looks like, uids and times aside. Which ordinals stay after a surge, or of groups that lose everything at
/// once, depends on who is ready first.
fn shape(world: &World) -> (Vec<(String, String)>, Vec<String>, Value) {
    let place = |name: &str| {
        let key = names::parse_pod("ms", name).unwrap();
        format!("{} {}", key.role, key.index)
    };
    let mut pods: Vec<(String, String)> =
        world.pods.iter().map(|pod| (place(&pod.object.name), pod.role_hash.to_string())).collect();
    pods.sort();
    let mut services: Vec<String> =
        world.services.iter().map(|service| place(&service.object.name)).collect();
    services.sort();
    let mut status = serde_json::to_value(&world.object.status).unwrap();
    status["conditions"] = Value::Null;
    status["labelSelector"] = Value::Null;
    (pods, services, status)
}

/// What a ServingGroup is worth.
#[derive(Debug)]
struct Serving {
    /// Role -> replicas that run.
    running: BTreeMap<String, u32>,
    /// Roles with a pod that stays.
    live: BTreeSet<String>,
    /// Role -> replicas that its revision asks for.
    wanted: BTreeMap<String, u32>,
    /// All that it asks for.
    available: bool,
}

struct Chaos {
    seed: u64,
    random: Random,
    world: World,
    /// What happened, for those who ask.
    notes: Option<Vec<String>>,
    /// What each revision asked for when a reconcile last saw it.
    history: BTreeMap<String, (Vec<Role>, Vec<String>)>,
    /// The generation that it was last brought up to.
    remembered: i64,
    /// The hash of that.
    hash: String,
}

impl Chaos {
    fn new(seed: u64) -> Self {
        let mut random = Random(seed);
        let world = World::new(random_object(&mut random));
        let history = BTreeMap::new();
        let mut chaos =
            Chaos { seed, random, world, notes: None, history, remembered: 0, hash: String::new() };
        chaos.world.gangs = chaos.random.one_in(4) < 3;
        chaos
    }

    fn run(&mut self) {
        for _ in 0..40 {
            self.act();
        }
        self.note(|| "rest".to_owned());
        self.rest();
    }

    fn note(&mut self, what: impl FnOnce() -> String) {
        if let Some(notes) = &mut self.notes {
            notes.push(what());
        }
    }

    fn fail(&self, what: &str) -> ! {
        let world = &self.world;
        let Some(notes) = &self.notes else {
            let mut again = Chaos::new(self.seed);
            again.notes = Some(Vec::new());
            again.run();
            panic!("seed {}: {what}, and not the second time", self.seed);
        };
        let steps: Vec<&String> = notes.iter().rev().take(12).rev().collect();
        let pods: Vec<String> = world
            .pods
            .iter()
            .map(|p| {
                format!("{} {} deleting {} ready {}", p.object.name, p.role_hash, p.object.deleting, p.ready)
            })
            .collect();
        panic!(
            "seed {}: {what}\nsteps: {steps:#?}\nspec: {}\nstatus: {}\npods: {pods:#?}",
            self.seed,
            serde_json::to_string(&world.object.spec).unwrap(),
            serde_json::to_string(&world.object.status).unwrap(),
        )
    }

    fn act(&mut self) {
        let world = &mut self.world;
        let random = &mut self.random;
        let step = match random.one_in(20) {
            0..7 => {
                self.reconcile();
                return;
            }
            7..9 => {
                world.run_pods();
                "everything runs".to_owned()
            }
            9 => edit(random, world),
            10 => {
                world.now = world.now.plus(3);
                "time passes".to_owned()
            }
            11 => {
                world.memory = None;
                let count = random.one_in(3) as usize;
                let outcome = world.reconcile();
                outcome.changes.iter().take(count).for_each(|change| world.apply(change));
                // A status that names a revision without its ControllerRevision is another matter: nobody could tell what
                // it meant.
                if random.one_in(2) == 0
                    && (count > 0 || outcome.changes.is_empty())
                    && let Some(status) = outcome.status
                {
                    world.object.status = status;
                }
                self.remember();
                format!("crash after {count} changes")
            }
            12 if !world.services.is_empty() => {
                let at = random.below(world.services.len());
                format!("service {} vanishes", world.services.swap_remove(at).object.name)
            }
            13 if !world.pod_groups.is_empty() => {
                let at = random.below(world.pod_groups.len());
                format!("pod group {} vanishes", world.pod_groups.swap_remove(at).object.name)
            }
            fault if !world.pods.is_empty() => {
                let at = random.below(world.pods.len());
                let now = world.now;
                let pod = &mut world.pods[at];
                let name = pod.object.name.clone();
                match fault {
                    14 => {
                        (pod.ready, pod.started) = (false, true);
                        pod.failing_since = Some(now);
                        format!("{name} fails")
                    }
                    15 => {
                        pod.ready = false;
                        format!("{name} is unready")
                    }
                    16 => {
                        pod.object.deleting = true;
                        format!("{name} is deleted")
                    }
                    17 => {
                        pod.deletion_cost = random.below(3) as i64;
                        format!("{name} costs {}", pod.deletion_cost)
                    }
                    18 if pod.object.deleting => {
                        world.pods.swap_remove(at);
                        format!("{name} is gone")
                    }
                    18 => {
                        (pod.ready, pod.started, pod.failing_since) = (true, true, None);
                        format!("{name} is ready")
                    }
                    _ => {
                        world.pods.swap_remove(at);
                        format!("{name} vanishes")
                    }
                }
            }
            _ => return,
        };
        self.note(|| step);
    }

    /// One reconcile, applied whole, with every invariant checked on the way.
    fn reconcile(&mut self) -> bool {
        self.remember();
        let outcome = self.world.reconcile();
        self.note(|| {
            let names: Vec<String> = outcome.changes.iter().map(describe).collect();
            let events: Vec<&str> = outcome.events.iter().map(|event| event.message.as_str()).collect();
            format!("reconcile: {} [{}]", names.join(", "), events.join(", "))
        });
        let before = self.serving();
        self.check_status(&outcome, &before);
        if !outcome.changes.is_empty() {
            for change in &outcome.changes {
                self.check_change(change);
                self.world.apply(change);
            }
            self.check_budget(&before);
            self.check_count(&outcome);
        }
        self.world.report(&outcome);
        // What changed nothing would say the same again.
        if !outcome.changes.is_empty() || outcome.status.is_some() {
            let again = self.world.reconcile().changes;
            if !again.is_empty() {
                let again: Vec<String> = again.iter().map(describe).collect();
                self.fail(&format!("a second call wants more: {again:?}"));
            }
        }
        !outcome.changes.is_empty()
    }

    fn remember(&mut self) {
        let generation = self.world.object.metadata.generation;
        if std::mem::replace(&mut self.remembered, generation) != generation {
            let roles = self.world.object.spec.template.roles.clone();
            self.hash = roles_hash(&roles);
            let hashes = roles.iter().map(role_hash).collect();
            self.history.insert(self.hash.clone(), (roles, hashes));
        }
    }

    /// Everybody does their work until nothing changes; then everything must be as the spec says.
    fn rest(&mut self) {
        for _ in 0..300 {
            let changed = self.reconcile();
            let before = self.world.pods.clone();
            self.world.run_pods();
            self.world.now = self.world.now.plus(1);
            if !changed && before == self.world.pods {
                self.reconcile();
                return self.check_rest();
            }
        }
        self.fail("does not come to rest");
    }

    /// What each ServingGroup is worth, by nothing but its pods.
    fn serving(&self) -> BTreeMap<u32, Serving> {
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

    fn check_status(&self, outcome: &Outcome, serving: &BTreeMap<u32, Serving>) {
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

    fn check_change(&self, change: &Change) {
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
    fn check_budget(&self, before: &BTreeMap<u32, Serving>) {
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
    fn check_selector(&self) {
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
    fn check_count(&self, outcome: &Outcome) {
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

    fn check_rest(&self) {
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

fn random_object(random: &mut Random) -> ModelServing {
    let role = |random: &mut Random, name: &str| {
        let workers = random.below(3);
        let mut role = json!({
            "name": name,
            "replicas": random.below(4).max(usize::from(name == "a")),
            "workerReplicas": workers,
            "entryTemplate": {"spec": {"containers": [{"name": "c", "image": "0"}]}},
        });
        if workers > 0 || random.one_in(2) == 0 {
            role["workerTemplate"] = json!({"spec": {"containers": [{"name": "c", "image": "0"}]}});
        }
        role
    };
    let mut roles = vec![role(random, "a")];
    if random.one_in(2) == 0 {
        roles.push(role(random, "b-1"));
    }
    let policy = ["RoleRecreate", "ServingGroupRecreate", "None"][random.below(3)];
    let mut object: ModelServing = serde_json::from_value(json!({
        "metadata": {"name": "ms"},
        "spec": {
            "replicas": random.below(4),
            "recoveryPolicy": policy,
            "template": {"restartGracePeriodSeconds": random.below(2) * 4, "roles": roles},
        },
    }))
    .unwrap();
    budgets(random, &mut object);
    object
}

fn number(number: usize) -> Option<IntOrString> {
    Some(IntOrString::Int(number as i32))
}

/// Draws strategy, budgets and partitions that validation accepts.
fn budgets(random: &mut Random, object: &mut ModelServing) {
    let roles = object.spec.recovery_policy != Some("ServingGroupRecreate".into()) && random.one_in(2) == 0;
    let surge = random.below(3);
    let unavailable = random.below(3).max(usize::from(surge == 0));
    let strategy = if roles {
        json!({"type": "RoleRollingUpdate"})
    } else {
        json!({"type": "ServingGroupRollingUpdate", "rollingUpdateConfiguration":
            {"maxUnavailable": unavailable, "maxSurge": surge, "partition": random.below(3) * random.below(2)}})
    };
    object.spec.rollout_strategy = Some(serde_json::from_value(strategy).unwrap());
    for role in &mut object.spec.template.roles {
        (role.max_unavailable, role.max_surge, role.partition) = (number(1), None, None);
        if roles {
            let surge = random.below(3);
            role.max_surge = number(surge);
            role.max_unavailable = number(random.below(3).max(usize::from(surge == 0)));
            role.partition = number(random.below(3) * random.below(2));
        }
    }
}

fn edit(random: &mut Random, world: &mut World) -> String {
    let mut what = String::new();
    world.edit(|object| {
        let roles = object.spec.template.roles.len();
        let role = &mut object.spec.template.roles[random.below(roles)];
        what = match random.one_in(6) {
            0 | 1 => {
                let image = random.below(3).to_string();
                role.entry_template.spec.as_mut().unwrap()["containers"][0]["image"] = image.clone().into();
                format!("image {image}")
            }
            2 => {
                object.spec.replicas = Some(random.below(4) as i32);
                format!("replicas {:?}", object.spec.replicas)
            }
            3 => {
                role.replicas = Some(random.below(4).max(usize::from(role.name == "a")) as i32);
                format!("role replicas {:?}", role.replicas)
            }
            4 if role.worker_template.is_some() => {
                role.worker_replicas = random.below(3) as i32;
                format!("workers {}", role.worker_replicas)
            }
            _ => {
                budgets(random, object);
                format!("{:?}", object.spec.rollout_strategy)
            }
        };
    });
    what
}

/// SplitMix64.
struct Random(u64);

impl Random {
    fn one_in(&mut self, count: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ mixed >> 31) % count
    }

    fn below(&mut self, count: usize) -> usize {
        self.one_in(count as u64) as usize
    }
}
