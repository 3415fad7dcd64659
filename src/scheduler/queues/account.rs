//! What one gang uses and asks for, and the units that it consists of where it runs: its core, and each pod above it.

use super::Context;
use crate::cluster::Cluster;
use crate::cluster::gangs::{GangKind, GangRecord};
use crate::cluster::ids::{GangId, PodId};
use crate::cluster::natural;
use crate::cluster::pods::{PodRecord, PodState};
use crate::scheduler::order::priority;
use crate::scheduler::report::minimum;
use crate::scheduler::{Reason, gang::subgroup_values};
use crate::sharing::{Amounts, QueueIndex, Unit};
use std::collections::BTreeMap;

/// What is known of one gang.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Account {
    /// Its queue.
    pub(crate) queue: QueueIndex,
    /// What it uses: its pods that have a node and stay, and what is kept for it while others leave.
    pub(crate) used: Amounts,
    /// The part of it that is the core of a gang that refuses eviction.
    pub(crate) unevictable: Amounts,
    /// What it uses and what its other pods ask for.
    pub(crate) asks: Amounts,
    /// What would start next: what its minimum lacks, or where that is met one more pod. Nothing if no pod waits.
    pub(crate) waits: Amounts,
    /// Is its minimum met, so that only more pods wait?
    pub(crate) grows: bool,
    /// Does it refuse eviction?
    pub(crate) refuses_eviction: bool,
    /// Its priority.
    pub(crate) priority: i32,
    /// What runs of it, its core first.
    pub(crate) units: Vec<RunningUnit>,
}

/// What runs of a gang and goes as one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct RunningUnit {
    /// Its pods; none where the gang waits for room that is kept for it.
    pub(crate) pods: Vec<PodId>,
    /// What they use.
    pub(crate) amounts: Amounts,
}

impl Account {
    pub(super) fn of(
        cluster: &Cluster,
        id: GangId,
        gang: &GangRecord,
        queue: QueueIndex,
        context: &Context<'_>,
    ) -> Account {
        let group = gang.group.as_deref().filter(|_| gang.kind == GangKind::PodGroup);
        let mut account = Account {
            queue,
            refuses_eviction: group.is_some_and(|group| !group.evictable),
            priority: priority(cluster, gang),
            ..Account::default()
        };
        let is_ending = group.is_none_or(|group| group.deleting);
        let can_run = context.waiting.get(&id).is_none_or(|wait| !is_final(wait.reason));
        let (mut placed, mut waits) = (Vec::new(), Vec::new());
        for &pod in &gang.pods {
            let Some(record) = cluster.pods().get(pod) else { continue };
            let comes_back = !is_ending && context.leaving.contains_key(&pod);
            let leaves = context.leaving.contains_key(&pod);
            let still_runs = leaves && context.counts_leaving && record.holds().is_some();
            if still_runs || record.is_placed() && !leaves {
                placed.push((pod, record));
            } else if record.state == PodState::Pending && !record.deleting && can_run && !is_ending {
                waits.push((pod, record));
            } else if comes_back && record.holds().is_some() {
                add(cluster, &mut account.asks, record);
            }
        }
        let kept: Amounts = cluster
            .promised_to(id)
            .iter()
            .flat_map(|room| cluster.view().classes.get(room.class).requests.iter().copied())
            .collect();
        account.waits(cluster, gang, &placed, &waits, cluster.promised_to(id).len());
        account.running(cluster, gang, placed);
        for (_, record) in &waits {
            add(cluster, &mut account.asks, record);
        }
        account.used.add_all(&kept);
        for unit in &account.units {
            account.used.add_all(&unit.amounts);
        }
        if account.refuses_eviction {
            account.unevictable.add_all(&kept);
            if let Some(core) = account.units.first() {
                account.unevictable.add_all(&core.amounts);
            }
        }
        for unit in &account.units {
            account.asks.add_all(&unit.amounts);
        }
        // Room that is kept is the core of a unit to come: nobody takes it, and it counts in the walk of its queue.
        if !kept.is_empty() {
            account.units.push(RunningUnit { pods: Vec::new(), amounts: kept });
        }
        account
    }

    /// A unit as the walk of its queue sees it.
    pub(super) fn unit(&self, gang: &GangRecord, priority: i32, at: usize) -> Unit {
        let unit = &self.units[at];
        let core = at == 0 || unit.pods.is_empty();
        Unit {
            queue: self.queue,
            unevictable: self.refuses_eviction,
            core,
            priority,
            created: age(gang),
            name: if core { gang.key.to_string() } else { format!("{}/{at:08}", gang.key) },
            amounts: unit.amounts.clone(),
        }
    }

    /// What would start next.
    fn waits(
        &mut self,
        cluster: &Cluster,
        gang: &GangRecord,
        placed: &[(PodId, &PodRecord)],
        waits: &[(PodId, &PodRecord)],
        kept: usize,
    ) {
        let lacks = (minimum(gang) as usize).saturating_sub(placed.len());
        self.grows = lacks == 0 && !placed.is_empty() || waits.is_empty();
        // What is kept for a gang is counted as used: it asks for nothing beyond that.
        if kept > 0 {
            return;
        }
        let chosen = chosen(cluster, gang, waits, lacks.max(1));
        for record in chosen {
            add(cluster, &mut self.waits, record);
        }
    }

    /// Deals what runs out to the core and pods above it. Pods that refuse eviction are of the core first, then those that
    /// roles and subgroups need, then by rank.
    fn running(&mut self, cluster: &Cluster, gang: &GangRecord, mut placed: Vec<(PodId, &PodRecord)>) {
        if placed.is_empty() {
            return;
        }
        let minimum = (minimum(gang) as usize).max(1);
        if placed.len() > minimum {
            let refuses = |record: &PodRecord| record.eviction.refused || record.eviction.critical;
            placed.sort_by_cached_key(|(_, record)| {
                (!refuses(record), record.task_index, natural::Key::new(record.name()))
            });
        }
        let core: Vec<PodId> = core(cluster, gang, &placed, minimum);
        let amounts = |pods: &[PodId]| {
            let mut sum = Amounts::default();
            pods.iter()
                .filter_map(|&pod| cluster.pods().get(pod))
                .for_each(|record| add(cluster, &mut sum, record));
            sum
        };
        self.units.push(RunningUnit { amounts: amounts(&core), pods: core.clone() });
        for (pod, _) in placed.iter().filter(|(pod, _)| core.binary_search(pod).is_err()) {
            self.units.push(RunningUnit { amounts: amounts(&[*pod]), pods: vec![*pod] });
        }
    }
}

/// Older gangs sort first; those without a creation time last, in the order in which they were first seen.
pub(crate) fn age(gang: &GangRecord) -> String {
    let created = gang.group.as_ref().map_or("", |group| &group.created);
    format!("{}/{:020}", if created.is_empty() { "~" } else { created }, gang.sequence)
}

/// Reasons that only a change of the gang's own objects can lift.
fn is_final(reason: Reason) -> bool {
    matches!(
        reason,
        Reason::InvalidPodGroup | Reason::UnknownTier | Reason::PodRefused | Reason::QueueNotFound
    )
}

fn add(cluster: &Cluster, sum: &mut Amounts, record: &PodRecord) {
    for &(resource, amount) in &cluster.view().classes.get(record.class).requests {
        sum.add(resource, amount);
    }
}

/// Role minima that bind, by role.
pub(crate) fn role_minima(cluster: &Cluster, gang: &GangRecord, minimum: usize) -> BTreeMap<u32, usize> {
    let Some(group) = gang.group.as_deref() else { return BTreeMap::new() };
    let roles = &group.spec.min_task_member;
    let sum: i64 = roles.values().map(|&count| i64::from(count.max(0))).sum();
    if (minimum as i64) < sum {
        return BTreeMap::new();
    }
    let role = |(name, &count): (&String, &i32)| {
        Some((cluster.texts().find(name)?.0, usize::try_from(count).unwrap_or(0)))
    };
    roles.iter().filter_map(role).collect()
}

/// The pods of the core among these, ascending; the first ones as far as roles and subgroups leave a choice.
fn core(cluster: &Cluster, gang: &GangRecord, pods: &[(PodId, &PodRecord)], minimum: usize) -> Vec<PodId> {
    if pods.len() <= minimum {
        // There is no choice, as with most gangs.
        let mut all: Vec<PodId> = pods.iter().map(|(pod, _)| *pod).collect();
        all.sort_unstable();
        return all;
    }
    let mut roles = role_minima(cluster, gang, minimum);
    let mut core: Vec<PodId> = whole_subgroups(cluster, gang, pods);
    for (pod, record) in pods {
        let open = roles.get_mut(&record.role.0).filter(|open| **open > 0);
        if let Some(open) = open {
            *open -= 1;
            if !core.contains(pod) {
                core.push(*pod);
            }
        }
    }
    for (pod, _) in pods {
        if core.len() >= minimum {
            break;
        }
        if !core.contains(pod) {
            core.push(*pod);
        }
    }
    core.sort_unstable();
    core
}

/// Pods of subgroups that the gang's minimum asks for, whole; the first subgroups by the values that tell them apart.
fn whole_subgroups(cluster: &Cluster, gang: &GangRecord, pods: &[(PodId, &PodRecord)]) -> Vec<PodId> {
    let policies = gang.group.as_deref().map_or(&[][..], |group| &group.spec.sub_group_policy);
    let mut core = Vec::new();
    for policy in policies.iter().filter(|policy| policy.min_sub_groups.unwrap_or(0) > 0) {
        let mut subgroups: BTreeMap<Vec<natural::Key>, Vec<PodId>> = BTreeMap::new();
        for (pod, record) in pods {
            if let Some(values) = subgroup_values(policy, cluster.labels().get(record.labels)) {
                subgroups.entry(values).or_default().push(*pod);
            }
        }
        let size = usize::try_from(policy.sub_group_size.unwrap_or(1)).unwrap_or(1).max(1);
        let minimum = usize::try_from(policy.min_sub_groups.unwrap_or(0)).unwrap_or(0);
        let whole = subgroups.into_values().filter(|pods| pods.len() >= size).take(minimum);
        core.extend(whole.flat_map(|pods| pods.into_iter().take(size)));
    }
    core
}

/// So many of the pods that wait, in no order: those that roles need first, then by rank.
fn chosen<'a>(
    cluster: &Cluster,
    gang: &GangRecord,
    waits: &[(PodId, &'a PodRecord)],
    count: usize,
) -> Vec<&'a PodRecord> {
    let mut waits = waits.to_vec();
    if waits.len() <= count {
        return waits.into_iter().map(|(_, record)| record).collect();
    }
    waits.sort_by_cached_key(|(_, record)| (record.task_index, natural::Key::new(record.name())));
    let core = core(cluster, gang, &waits, minimum(gang) as usize);
    let (first, rest): (Vec<_>, Vec<_>) = waits.into_iter().partition(|(pod, _)| core.contains(pod));
    first.into_iter().chain(rest).take(count).map(|(_, record)| record).collect()
}
