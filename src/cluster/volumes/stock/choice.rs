//! Which of the existing volumes each claim gets: for a placement as a whole before it is promised, and pod by pod with the
//! promise.

use super::{Choice, Unallotted, VolumeKind, is_open};
use crate::cluster::ids::{NodeId, PodId};
use crate::cluster::labels::LabelSet;
use crate::cluster::volumes::{Known, Volumes};
use rustc_hash::FxHashMap;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

impl Volumes {
    /// The free volumes for a claim on a node, the smallest first.
    fn fitting<'a>(
        &'a self,
        kind: &VolumeKind,
        size: i64,
        node: (NodeId, &str, LabelSet<'_>),
    ) -> Vec<(&'a str, &'a Known)> {
        let (id, name, labels) = node;
        let mut fitting: Vec<(&str, &Known)> = self
            .volumes
            .iter()
            .filter(|(_, volume)| {
                volume.offer.is_free() && volume.offer.size >= size && kind.accepts(&volume.offer)
            })
            .filter(|(volume, _)| !self.stock.taken.contains(*volume))
            .filter(|(volume, _)| self.stock.homes.get(*volume).is_none_or(|home| *home == id))
            .filter(|(_, volume)| volume.is_reached(name, labels))
            .map(|(name, volume)| (name.as_str(), volume))
            .collect();
        fitting.sort_by_key(|(name, volume)| (volume.offer.size, *name));
        fitting
    }

    /// Chooses volumes for the claims of a pod that was promised a node. False if one finds none.
    pub(in crate::cluster) fn choose(
        &mut self,
        pod: PodId,
        node: NodeId,
        name: &str,
        labels: LabelSet<'_>,
    ) -> bool {
        let Some(consumer) = self.consumers.get(&pod) else { return true };
        let claims: BTreeSet<Arc<str>> = consumer.claims.iter().cloned().collect();
        let mut wanted: Vec<(i64, Arc<str>, VolumeKind)> = claims
            .into_iter()
            .filter(|claim| self.stock.chosen(claim).is_none())
            .filter_map(|claim| self.kind(&claim).map(|(kind, size)| (size, claim, kind)))
            .collect();
        wanted.sort_by(|left, right| (left.0, &left.1).cmp(&(right.0, &right.1)));
        let mut all = true;
        for (size, claim, kind) in wanted {
            let fitting = self.fitting(&kind, size, (node, name, labels));
            let allotted = self.stock.allotted.get(&*claim);
            let choice = fitting.iter().find(|(name, _)| allotted.is_some_and(|one| one == name));
            let Some((volume, _)) = choice.or(fitting.first()) else {
                all = false;
                continue;
            };
            let volume = (*volume).to_owned();
            self.stock.allotted.remove(&*claim);
            self.stock.taken.insert(volume.clone());
            self.stock.chosen.insert(claim.to_string(), Choice { volume, node, pod });
            self.stock.is_stale = true;
        }
        all
    }

    /// The pod has no node any more: what was chosen for it is free.
    pub(in crate::cluster) fn release(&mut self, pod: PodId) {
        if self.stock.chosen.is_empty() {
            return;
        }
        let of_pod = self.stock.chosen.iter().filter(|(_, choice)| choice.pod == pod);
        let claims: Vec<String> = of_pod.map(|(claim, _)| claim.clone()).collect();
        claims.iter().for_each(|claim| self.stock.give_back(claim));
    }

    /// Has each claim of the pod that waits for an existing volume one that the node reaches?
    pub(in crate::cluster::volumes) fn has_volumes(
        &self,
        pod: PodId,
        node: &str,
        labels: LabelSet<'_>,
    ) -> bool {
        let claims = self.consumers.get(&pod).into_iter().flat_map(|consumer| &consumer.claims);
        let mut open = claims.filter(|_| !self.stock.is_empty());
        open.all(|claim| match (self.reserved(claim).filter(|_| self.is_waiting(claim)), self.kind(claim)) {
            (Some(reserved), _) => reserved.is_reached(node, labels),
            (None, Some(_)) => {
                let chosen = self.stock.chosen(claim).and_then(|volume| self.volumes.get(volume));
                chosen.is_some_and(|volume| volume.is_reached(node, labels))
            }
            (None, None) => true,
        })
    }

    fn is_waiting(&self, claim: &str) -> bool {
        self.claims.get(claim).is_some_and(is_open)
    }

    /// Matches the claims that wait of pods that are to be promised these nodes with volumes, each with one of its own.
    pub(in crate::cluster) fn allot<'n>(
        &mut self,
        pods: &[(PodId, NodeId)],
        describe: impl Fn(NodeId) -> (&'n str, LabelSet<'n>),
    ) -> Result<(), Unallotted> {
        self.stock.allotted.clear();
        let mut wanted: BTreeMap<Arc<str>, (i64, NodeId, VolumeKind)> = BTreeMap::new();
        for &(pod, node) in pods {
            let claims = self.consumers.get(&pod).into_iter().flat_map(|consumer| consumer.claims.iter());
            for claim in claims.filter(|claim| self.stock.chosen(claim).is_none()) {
                if let Some((kind, size)) = self.kind(claim) {
                    wanted.insert(Arc::clone(claim), (size, node, kind));
                }
            }
        }
        let mut order: Vec<(&Arc<str>, &(i64, NodeId, VolumeKind))> = wanted.iter().collect();
        order.sort_by_key(|(claim, (size, ..))| (*size, *claim));
        let edges: Vec<Vec<&str>> = order
            .iter()
            .map(|(_, (size, node, kind))| {
                let (name, labels) = describe(*node);
                self.fitting(kind, *size, (*node, name, labels)).into_iter().map(|(name, _)| name).collect()
            })
            .collect();
        let mut holder: FxHashMap<&str, usize> = FxHashMap::default();
        let found =
            (0..order.len()).filter(|&at| augment(at, &edges, &mut holder, &mut BTreeSet::new())).count();
        let pairs: Vec<(String, String, NodeId)> = holder
            .iter()
            .map(|(&volume, &at)| (order[at].0.to_string(), volume.to_owned(), order[at].1.1))
            .collect();
        let of = order.len();
        if found == of {
            self.stock.allotted.extend(pairs.into_iter().map(|(claim, volume, _)| (claim, volume)));
            return Ok(());
        }
        let mut may_retry = false;
        for (_, volume, node) in pairs {
            may_retry |= self.stock.homes.insert(volume, node).is_none();
        }
        self.stock.is_stale = true;
        Err(Unallotted { found, of, may_retry })
    }
}

/// One step of a maximum matching (Kuhn): finds a volume for this claim, and others for those that have it.
fn augment<'v>(
    claim: usize,
    edges: &[Vec<&'v str>],
    holder: &mut FxHashMap<&'v str, usize>,
    seen: &mut BTreeSet<&'v str>,
) -> bool {
    for &volume in &edges[claim] {
        if seen.insert(volume) {
            let other = holder.get(volume).copied();
            if other.is_none_or(|other| augment(other, edges, holder, seen)) {
                holder.insert(volume, claim);
                return true;
            }
        }
    }
    false
}
