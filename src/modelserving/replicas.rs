//! The role replicas of one ServingGroup that stays: which go, which come, which are completed.

use super::assess::{Assessed, Context, RevisedRole};
use super::change::Kind;
use super::events::{self, Phase};
use super::groups::{Group, Replica};
use super::names::{self, PodKey};
use super::plan::Plan;
use super::podgroup::{Complete, Gang};
use super::recovery::{self, Damage, Verdict};
use super::rollout::{self, Unit};
use super::scale::{self, Candidate, State};
use super::settings::{
    Recovery, Strategy, role_max_surge, role_max_unavailable, role_partition, role_pods, role_replicas,
};
use super::{observed::ObservedPod, pods};

/// Longest name of a pod or Service: it is a label value and a host name too.
const NAME_LIMIT: usize = 63;

/// Plans everything inside one group: its PodGroup, role replicas, pods and Services. Is this its end: does all that stays of
/// it go now, and nothing come?
pub(crate) fn plan_group(
    context: &Context<'_>,
    assessed: &Assessed<'_>,
    gang: &Gang<'_>,
    plan: &mut Plan,
) -> bool {
    let roles: Vec<RevisedRole<'_>> = context.roles(assessed).collect();
    let group_name = names::group(context.name(), assessed.ordinal);
    let in_gang = in_gang(context, assessed.group);
    let blocked = in_gang && plan.is_foreign(context, Kind::PodGroup, &group_name);
    let pod_group = assessed.group.and_then(|group| group.pod_group);
    let before = (plan.pods.len(), plan.deletes.len(), plan.pod_groups.len());
    let mut work =
        Work { context, assessed, name: &group_name, in_gang, blocked, plan, complete: Vec::new() };
    for &revised in &roles {
        work.role(revised);
    }
    work.unwanted(&roles);
    let Work { complete: by_role, plan, .. } = work;
    let complete = |role: &str| {
        by_role.iter().find(|(name, _)| *name == role).map(|(_, complete)| *complete).unwrap_or_default()
    };
    match pod_group {
        None if in_gang && !blocked && roles.iter().any(|role| role_replicas(role.role) > 0) => {
            let established = assessed.group.is_some_and(|group| group.live_pods().next().is_some());
            let complete: Option<&dyn Fn(&str) -> Complete> =
                if established { Some(&complete) } else { None };
            plan.pod_groups.push(gang.create(context, assessed.ordinal, complete));
        }
        Some(pod_group) if in_gang && !pod_group.object.deleting => {
            let lowered = gang.step(context, &pod_group.spec, None);
            let raised = gang.step(context, lowered.as_ref().unwrap_or(&pod_group.spec), Some(&complete));
            // Where no pod comes or goes there is nothing between the two.
            let moves = (plan.pods.len(), plan.deletes.len()) != (before.0, before.1);
            plan.lower
                .extend(lowered.filter(|_| moves || raised.is_none()).map(|spec| update(pod_group, spec)));
            plan.raise.extend(raised.map(|spec| update(pod_group, spec)));
        }
        Some(pod_group) if !in_gang => plan.delete(Kind::PodGroup, &pod_group.object),
        _ => {}
    }
    let Some(group) = assessed.group else { return false };
    let has_pod_group = in_gang && group.live_pod_group().is_some() || plan.pod_groups.len() > before.2;
    let gone = plan.deletes[before.1..].iter().filter(|change| change.kind() == Kind::Pod).count();
    !has_pod_group && plan.pods.len() == before.0 && gone == group.live_pods().count()
}

fn update(
    pod_group: &super::observed::ObservedPodGroup,
    spec: crate::api::pod_group::PodGroupSpec,
) -> super::change::Change {
    super::change::Change::UpdatePodGroup {
        name: pod_group.object.name.clone(),
        uid: pod_group.object.uid.clone(),
        spec: Box::new(spec),
    }
}

/// Does this group have a PodGroup? Not if its pods were created without: a pod joins a gang at birth or never, and a gang
/// that counts pods which are not in it could never start.
pub(crate) fn in_gang(context: &Context<'_>, group: Option<&Group<'_>>) -> bool {
    let capabilities = context.capabilities();
    let wanted =
        capabilities.pod_groups && capabilities.gang_schedulers.contains(&context.settings.scheduler);
    let Some(group) = group else { return wanted };
    let mut live = group.live_pods().peekable();
    if live.peek().is_none() {
        return wanted;
    }
    capabilities.pod_groups && live.any(|member| member.pod.in_gang)
}

/// Deletes a role replica: its pods, then its Service.
pub(crate) fn delete_replica(replica: &Replica<'_>, plan: &mut Plan) {
    for member in replica.pods {
        plan.delete(Kind::Pod, &member.pod.object);
    }
    if let Some(service) = replica.service {
        plan.delete(Kind::Service, &service.object);
    }
}

/// The role replicas to create so that there are so many.
fn coming(expected: u32, existing: &[&Replica<'_>]) -> Vec<u32> {
    let ordinals: Vec<u32> = existing.iter().map(|replica| replica.ordinal).collect();
    scale::additions(expected, &ordinals)
}

/// What becomes of a role replica.
enum Fate {
    Stays,
    Goes,
    Gone,
}

struct Work<'w, 'c> {
    context: &'w Context<'c>,
    assessed: &'w Assessed<'w>,
    name: &'w str,
    in_gang: bool,
    /// No pods can be created now.
    blocked: bool,
    plan: &'w mut Plan,
    /// By role.
    complete: Vec<(&'w str, Complete)>,
}

impl<'w> Work<'w, '_> {
    fn role(&mut self, revised: RevisedRole<'w>) {
        let context = self.context;
        let role = revised.role;
        let existing: Vec<&Replica<'w>> = match self.assessed.group {
            Some(group) => group.of_role(&role.name).filter(|replica| !replica.pods.is_empty()).collect(),
            None => Vec::new(),
        };
        let mut staying: Vec<&Replica<'w>> = Vec::new();
        // Those of which a pod goes now; the others of its pods stay.
        let mut hurt: Vec<u32> = Vec::new();
        for &replica in &existing {
            let deletes = self.plan.deletes.len();
            match self.recover(replica, revised) {
                Fate::Stays => {
                    staying.push(replica);
                    if self.plan.deletes.len() > deletes {
                        hurt.push(replica.ordinal);
                    }
                }
                Fate::Goes => self.delete(replica),
                Fate::Gone => {}
            }
        }

        // Again while something goes: with the last outdated replica goes the reason for any surplus.
        let expected = loop {
            let before = staying.len();
            let expected = self.scale_down(revised, &existing, &mut staying);
            if self.rolls() {
                let mut units = self.units(&existing, &staying, revised, expected);
                // What is about to come counts as what it will be.
                units.extend(coming(expected, &existing).into_iter().map(|ordinal| {
                    let own = self.template(revised, ordinal);
                    let outdated = !context.revisions.is_current(&role.name, own.revision, own.label());
                    Unit { ordinal, outdated, available: false, protected: outdated }
                }));
                let outdated = rollout::choose(&units, role_replicas(role), role_max_unavailable(role));
                self.delete_all(&outdated, &mut staying);
            }
            if staying.len() == before {
                break expected;
            }
        };

        let mut complete = Complete { replicas: 0, smallest: u32::MAX };
        let mut count = |pods: u32, whole: bool| {
            complete.smallest = complete.smallest.min(pods);
            complete.replicas += u32::from(whole);
        };
        for replica in &staying {
            let own = context.role_of(replica, Some(revised)).unwrap_or(revised);
            let whole = self.complete_replica(replica, own, hurt.contains(&replica.ordinal));
            count(role_pods(own.role), whole);
        }
        for ordinal in coming(expected, &existing) {
            let own = self.template(revised, ordinal);
            let whole = self.create_replica(own, ordinal);
            count(role_pods(own.role), whole);
        }
        if complete.smallest == u32::MAX {
            // All of them are on their way out: the next ones will tell.
            complete.smallest = if role_replicas(role) == 0 { role_pods(role) } else { 0 };
        }
        self.complete.push((&role.name, complete));
    }

    /// Role replicas that nobody asks for: of a role that the spec does not have, and Services without pods.
    fn unwanted(&mut self, roles: &[RevisedRole<'_>]) {
        let Some(group) = self.assessed.group else { return };
        for replica in &group.replicas {
            let wanted = roles.iter().find(|revised| revised.role.name == replica.role);
            if replica.pods.is_empty() {
                // Unless its pods are being created: then the Service is there already.
                let name = names::pod(self.context.name(), group.ordinal, replica.role, replica.ordinal, 0);
                let created = self.plan.pods.iter().any(|change| change.name() == name);
                if let Some(service) = replica.service.filter(|_| !created) {
                    self.plan.delete(Kind::Service, &service.object);
                }
            } else if wanted.is_none() && self.context.settings.strategy == Strategy::Role {
                self.delete(replica);
            }
        }
    }

    /// What follows from what happened to its pods? Deletes single pods where that is enough.
    fn recover(&mut self, replica: &Replica<'w>, revised: RevisedRole<'w>) -> Fate {
        let recovery = self.context.settings.recovery;
        if replica.is_deleting(recovery) {
            // Its last pod may have failed alone, and will find its Service when it comes back.
            return if recovery == Recovery::Pod { Fate::Gone } else { Fate::Goes };
        }
        if recovery == Recovery::ServingGroup {
            return Fate::Stays; // the group was judged as a whole
        }
        let mut failed: Vec<&ObservedPod> = Vec::new();
        for member in replica.live_pods() {
            if recovery::judge(self.context, member.pod, self.plan) == Verdict::Failed {
                failed.push(member.pod);
            }
        }
        if recovery == Recovery::Pod {
            let all = failed.len() == replica.live as usize;
            for pod in failed {
                self.plan.delete(Kind::Pod, &pod.object);
            }
            return if all { Fate::Gone } else { Fate::Stays };
        }
        let pods = self.context.role_of(replica, Some(revised)).map_or(0, |own| role_pods(own.role));
        if failed.is_empty() && !recovery::lost_a_pod(replica, pods) { Fate::Stays } else { Fate::Goes }
    }

    fn delete(&mut self, replica: &Replica<'_>) {
        if replica.live > 0 {
            self.plan.events.push(events::role(Phase::Deleting, self.name, replica.role, replica.ordinal));
        }
        delete_replica(replica, self.plan);
    }

    fn delete_all(&mut self, ordinals: &[u32], staying: &mut Vec<&Replica<'w>>) {
        for ordinal in ordinals {
            if let Some(replica) = staying.iter().find(|replica| replica.ordinal == *ordinal) {
                self.delete(replica);
            }
        }
        staying.retain(|replica| !ordinals.contains(&replica.ordinal));
    }

    /// Deletes what is too much; returns how many replicas there should be: more than asked for while there are outdated ones
    /// to trade for them.
    fn scale_down(
        &mut self,
        revised: RevisedRole<'w>,
        existing: &[&Replica<'w>],
        staying: &mut Vec<&Replica<'w>>,
    ) -> u32 {
        let wanted = role_replicas(revised.role);
        let surge = if self.rolls() { role_max_surge(revised.role) } else { 0 };
        let surge = if surge > 0 && rollout::in_progress(&self.units(existing, staying, revised, wanted)) {
            surge
        } else {
            0
        };
        let expected = wanted.saturating_add(surge);
        if staying.len() > expected as usize {
            let (context, plan) = (self.context, &mut *self.plan);
            let candidate = |replica: &&Replica<'w>| Candidate {
                ordinal: replica.ordinal,
                state: match () {
                    () if recovery::damage(context, replica, revised, plan) != Damage::None => State::Going,
                    () if context.is_running(replica, revised) => State::Running,
                    () => State::NotRunning,
                },
                cost: replica.deletion_cost(),
            };
            let candidates: Vec<Candidate> = staying.iter().map(candidate).collect();
            let protected = self.front(revised, existing, expected);
            let protected = staying.iter().filter(|replica| protected.contains(&replica.ordinal)).count();
            let surplus = scale::victims(&candidates, expected as usize, protected);
            let max_unavailable = role_max_unavailable(revised.role).unwrap_or(wanted);
            let floor = if self.rolls() { wanted.saturating_sub(max_unavailable) } else { 0 };
            self.delete_all(&scale::spare(surplus, &candidates, floor as usize), staying);
        }
        expected
    }

    fn rolls(&self) -> bool {
        self.context.settings.strategy == Strategy::Role
    }

    /// The ordinals that the partition protects: it counts positions in the list of all replicas, gaps that are about to be
    /// filled so that there are `expected` included.
    fn front(&self, revised: RevisedRole<'w>, existing: &[&Replica<'w>], expected: u32) -> Vec<u32> {
        let partition = if self.rolls() { role_partition(revised.role) as usize } else { 0 };
        if partition == 0 {
            return Vec::new();
        }
        let existing: Vec<u32> = existing.iter().map(|replica| replica.ordinal).collect();
        let mut front = [scale::additions(expected, &existing), existing].concat();
        front.sort_unstable();
        front.truncate(partition);
        front
    }

    /// The replicas that stay, as the rollout sees them.
    fn units(
        &self,
        existing: &[&Replica<'w>],
        staying: &[&Replica<'w>],
        revised: RevisedRole<'w>,
        expected: u32,
    ) -> Vec<Unit> {
        let front = self.front(revised, existing, expected);
        let unit = |replica: &&Replica<'w>| {
            let (revision, hash) = replica.labels().unwrap_or_default();
            Unit {
                ordinal: replica.ordinal,
                outdated: !self.context.revisions.is_current(replica.role, revision, hash),
                available: self.context.is_running(replica, revised),
                protected: front.contains(&replica.ordinal),
            }
        };
        staying.iter().map(unit).collect()
    }

    /// What a replica with this ordinal is built from. Below the role's partition that is what the others there run.
    fn template(&self, revised: RevisedRole<'w>, ordinal: u32) -> RevisedRole<'w> {
        let context = self.context;
        if context.settings.strategy != Strategy::Role || ordinal >= role_partition(revised.role) {
            return revised;
        }
        let of = |label: &'w str| {
            let (roles, keys) = context.revisions.roles(label)?;
            let index = roles.iter().position(|role| role.name == revised.role.name)?;
            Some(RevisedRole { role: &roles[index], revision: label, key: &keys[index] })
        };
        let status = &context.object.status.current_revision;
        let beside = self.assessed.group.into_iter().flat_map(|group| group.of_role(&revised.role.name));
        let beside = beside.filter_map(Replica::labels).map(|(revision, _)| revision);
        [status.as_str()]
            .into_iter()
            .chain(beside)
            .filter(|label| !context.revisions.is_update(label))
            .find_map(of)
            .unwrap_or(revised)
    }

    /// Creates what an existing replica lacks; `hurt`: one of its pods goes now. Is it whole then?
    fn complete_replica(&mut self, replica: &Replica<'w>, own: RevisedRole<'w>, hurt: bool) -> bool {
        let pods = role_pods(own.role);
        let whole = if replica.live == pods && replica.terminating == 0 {
            !hurt
        } else {
            let mut missing = (0..pods)
                .filter(|index| !replica.pods.iter().any(|member| member.key.index == *index))
                .peekable();
            let waiting = hurt || replica.terminating > 0; // a pod that goes holds its name
            let mut created = !waiting;
            if missing.peek().is_some() {
                created &= self.create_pods(own, replica.ordinal, missing);
            }
            created && replica.live <= pods
        };
        if whole && replica.service.is_none() {
            self.create_service(own, replica.ordinal);
        }
        whole
    }

    fn create_replica(&mut self, own: RevisedRole<'w>, ordinal: u32) -> bool {
        let whole = self.create_pods(own, ordinal, 0..role_pods(own.role));
        let service = self.assessed.group.and_then(|group| group.replica(&own.role.name, ordinal)?.service);
        if whole {
            self.plan.events.push(events::role(Phase::Creating, self.name, &own.role.name, ordinal));
            if service.is_none() {
                self.create_service(own, ordinal);
            }
        }
        whole
    }

    /// Creates these pods. Could all of them be?
    fn create_pods(
        &mut self,
        own: RevisedRole<'w>,
        replica: u32,
        indexes: impl Iterator<Item = u32>,
    ) -> bool {
        let context = self.context;
        if self.blocked {
            return false;
        }
        let mut changes = Vec::new();
        for index in indexes {
            let key = PodKey { group: self.assessed.ordinal, role: &own.role.name, replica, index };
            let name = names::pod(context.name(), key.group, key.role, key.replica, index);
            if name.len() > NAME_LIMIT {
                let what =
                    format!("pod name {name} is longer than {NAME_LIMIT} characters; use shorter names");
                self.plan.trouble("InvalidName", what);
                return false;
            }
            if self.plan.is_foreign(context, Kind::Pod, &name) {
                return false;
            }
            match pods::pod(context, own, key, self.in_gang, &mut self.plan.templates) {
                Some(Ok(change)) => changes.push(change),
                Some(Err(error)) => {
                    self.plan.trouble("PluginFailed", format!("role {}: {error}", key.role));
                    return false;
                }
                None => {
                    let what = format!(
                        "role {}: workerTemplate is required when workerReplicas is greater than 0",
                        key.role
                    );
                    self.plan.trouble("InvalidSpec", what);
                    // The entry pod is created all the same, as upstream does.
                    self.plan.pods.append(&mut changes);
                    return false;
                }
            }
        }
        for protected in pods::protected_keys(own.role) {
            let what = format!(
                "role {}: {protected} in a template is set by the controller; the template's value is dropped",
                own.role.name
            );
            let event = events::trouble("ProtectedMetadata", what);
            if !self.plan.events.contains(&event) {
                self.plan.events.push(event);
            }
        }
        self.plan.revisions_used.insert(own.revision.to_owned());
        self.plan.pods.append(&mut changes);
        true
    }

    fn create_service(&mut self, own: RevisedRole<'w>, replica: u32) {
        if own.role.worker_template.is_none() {
            return;
        }
        let name = names::pod(self.context.name(), self.assessed.ordinal, &own.role.name, replica, 0);
        if !self.plan.is_foreign(self.context, Kind::Service, &name) {
            self.plan.services.push(pods::service(
                self.context,
                self.assessed.ordinal,
                &own.role.name,
                replica,
            ));
        }
    }
}
