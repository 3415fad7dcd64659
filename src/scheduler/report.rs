//! What the scheduler can say of each gang, for tables, JSON and `explain`.

use super::explain::Explanation;
use super::gang::{Hold, held, too_few};
use super::status::Counts;
use super::{Quality, Reason, Scheduler};
use crate::api::pod_group::PodGroupPhase;
use crate::cluster::Cluster;
use crate::cluster::gangs::{GangKind, GangRecord};
use crate::cluster::ids::{DomainId, GangId};
use crate::cluster::pods::PodState;
use crate::cluster::topology::{Tier, Topology};

/// A gang as people see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GangReport {
    /// The namespace.
    pub namespace: String,
    /// The name.
    pub name: String,
    /// A PodGroup, or a pod on its own.
    pub kind: GangKind,
    /// `spec.minMember`; 1 for a pod on its own.
    pub minimum: u32,
    /// Pods by state.
    pub counts: Counts,
    /// Pods that get room which is being freed.
    pub promised: u32,
    /// The innermost HyperNode around its placed pods; `None`: nothing placed, or no HyperNode holds them all.
    pub domain: Option<String>,
    /// The tier of that HyperNode.
    pub tier: Option<Tier>,
    /// How good its last placement was; `None` if this scheduler has not placed it, or has no more of it placed.
    pub quality: Option<Quality>,
    /// Why pods wait.
    pub reason: Option<Reason>,
    /// The same as a sentence; empty if none waits.
    pub message: String,
    /// What the solver found, in parts; `None` if none waits, or if the solver was not asked.
    pub explanation: Option<Explanation>,
}

impl Scheduler {
    /// Reports on every gang, PodGroups first, by namespace and name.
    pub fn reports(&self) -> Vec<GangReport> {
        let mut reports: Vec<GangReport> =
            self.cluster.gangs().iter().map(|(id, gang)| self.report(id, gang)).collect();
        reports.sort_by(|a, b| {
            (a.kind, &a.namespace)
                .cmp(&(b.kind, &b.namespace))
                .then_with(|| crate::cluster::natural::compare(&a.name, &b.name))
        });
        reports
    }

    fn report(&self, id: GangId, gang: &GangRecord) -> GangReport {
        let topology = self.cluster.view().topology;
        let domain = placed_domain(&self.cluster, gang);
        let is_placed = domain.is_some();
        let domain = domain.filter(|&domain| domain != Topology::ROOT);
        let wait = self.waiting.get(&id);
        let lacking = if wait.is_none() { lacking(&self.cluster, gang) } else { None };
        GangReport {
            namespace: gang.namespace().to_owned(),
            name: gang.name().to_owned(),
            kind: gang.kind,
            minimum: minimum(gang),
            counts: counts(&self.cluster, gang),
            promised: self.cluster.promised_to(id).len() as u32,
            domain: domain.map(|domain| topology.name(domain).to_owned()),
            tier: domain.map(|domain| topology.tier(domain)),
            quality: self.quality.get(&id).filter(|known| known.gang == gang.sequence && is_placed).cloned(),
            reason: wait.map(|wait| wait.reason).or(lacking.as_ref().map(|hold| hold.reason)),
            message: match (wait, lacking) {
                (Some(wait), _) => wait.message.clone(),
                (None, Some(hold)) => hold.message,
                (None, None) => String::new(),
            },
            explanation: wait
                .and_then(|wait| wait.shortfall.as_deref())
                .map(|shortfall| Explanation::of(&self.cluster, shortfall)),
        }
    }
}

/// Why a PodGroup has less than its minimum though no pod of it waits for a node: pods of it do not exist, failed, or ask for
/// another scheduler. Whoever makes them may be about to: it is no news, and said where somebody asks.
fn lacking(cluster: &Cluster, gang: &GangRecord) -> Option<Hold> {
    let group = gang.group.as_ref().filter(|group| gang.kind == GangKind::PodGroup && !group.deleting)?;
    let (counts, minimum) = (counts(cluster, gang), minimum(gang));
    let is_over = group.status.phase == Some(PodGroupPhase::Completed);
    if is_over || counts.placed() + counts.assumed >= minimum {
        return None;
    }
    match gang.pods.is_empty() {
        // Another scheduler's, unless the gang has been told otherwise.
        true if cluster.other_schedulers(&gang.key).next().is_some() => None,
        true => Some(Hold { reason: Reason::NotEnoughTasks, message: too_few(0, minimum, gang.dialect()) }),
        false => held(cluster, gang),
    }
}

/// `minMember`, nothing below 0; 1 for a pod on its own.
pub(super) fn minimum(gang: &GangRecord) -> u32 {
    match gang.kind {
        GangKind::Pod => 1,
        GangKind::PodGroup => {
            let minimum = gang.group.as_ref().and_then(|group| group.spec.min_member).unwrap_or(0);
            u32::try_from(minimum).unwrap_or(0)
        }
    }
}

/// Pods of a gang by state.
pub(super) fn counts(cluster: &Cluster, gang: &GangRecord) -> Counts {
    let mut counts = Counts::default();
    for pod in gang.pods.iter().filter_map(|&pod| cluster.pods().get(pod)) {
        let count = match pod.state {
            PodState::Succeeded => &mut counts.succeeded,
            PodState::Failed => &mut counts.failed,
            _ if pod.deleting && pod.node.is_some() => &mut counts.releasing,
            PodState::Running => &mut counts.running,
            PodState::Bound => &mut counts.bound,
            PodState::Assumed => &mut counts.assumed,
            PodState::Pending => &mut counts.pending,
        };
        *count += 1;
    }
    counts
}

/// The innermost domain around the placed pods of a gang.
pub(super) fn placed_domain(cluster: &Cluster, gang: &GangRecord) -> Option<DomainId> {
    let topology = cluster.view().topology;
    gang.pods
        .iter()
        .filter_map(|&pod| cluster.pods().get(pod))
        .filter(|pod| pod.is_placed())
        .filter_map(|pod| Some(topology.leaf(topology.position(pod.node?)?)))
        .reduce(|a, b| topology.common(a, b))
}
