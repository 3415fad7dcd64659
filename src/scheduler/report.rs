//! What the scheduler can say of each gang, for tables, JSON and `explain`.

use super::explain::Explanation;
use super::gang::too_few;
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
        let empty = wait.is_none() && lacks_pods(&self.cluster, gang);
        GangReport {
            namespace: gang.namespace().to_owned(),
            name: gang.name().to_owned(),
            kind: gang.kind,
            minimum: minimum(gang),
            counts: counts(&self.cluster, gang),
            domain: domain.map(|domain| topology.name(domain).to_owned()),
            tier: domain.map(|domain| topology.tier(domain)),
            quality: self.quality.get(&id).filter(|known| known.gang == gang.sequence && is_placed).cloned(),
            reason: wait.map(|wait| wait.reason).or(empty.then_some(Reason::NotEnoughTasks)),
            message: wait.map_or_else(
                || {
                    if empty { too_few(0, minimum(gang)) } else { String::new() }
                },
                |wait| wait.message.clone(),
            ),
            explanation: wait
                .and_then(|wait| wait.shortfall.as_deref())
                .map(|shortfall| Explanation::of(&self.cluster, shortfall)),
        }
    }
}

/// Is it a PodGroup that asks for pods and has none, of ours or of others? Whoever makes them may be about to: it is no
/// news, and said where somebody asks.
fn lacks_pods(cluster: &Cluster, gang: &GangRecord) -> bool {
    let Some(group) = gang.group.as_ref().filter(|group| gang.kind == GangKind::PodGroup && !group.deleting)
    else {
        return false;
    };
    let is_over = group.status.phase == Some(PodGroupPhase::Completed);
    minimum(gang) > 0 && !is_over && gang.pods.is_empty() && cluster.strangers(&gang.key).next().is_none()
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
