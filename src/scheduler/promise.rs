//! What the reservation tells the scheduler: promises taken back, promises that a predecessor's record holds, and gangs
//! that are not to be placed for now.

use super::{PodRef, Scheduler, SubgroupRef};
use crate::api::core::Pod;
use crate::cluster::devices::Grant;
use crate::cluster::ids::PodId;
use crate::cluster::pods::PodState;
use crate::cluster::{OpenClaim, Unallotted};
use crate::placement::{GangRequest, Placement};
use crate::scheduler::gang::subgroup_values;
use std::collections::{BTreeMap, BTreeSet};

/// Gangs of PodGroups (`namespace/name`) whose reservation has something to say to the scheduler.
pub type HeldBack = BTreeMap<String, Held>;

/// What the reservation of a gang has to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Held {
    /// It is left alone, and this is said about it, if anything.
    Back(Option<String>),
    /// What it waits for while none of its pods wants a node: some have one that is of no use, and cannot have another yet.
    Waits(String),
}

impl Scheduler {
    /// Takes back the promise of a node to exactly this pod, where it has not been bound.
    pub fn forget(&mut self, pod: &PodRef) {
        if let Some(pod) = self.exactly(pod) {
            self.cluster.forget(pod);
        }
    }

    /// Promises a node to exactly this pending pod because a record says so, whether or not the node is well, and whether or
    /// not its capacity is free: a bind that is under way takes effect all the same, and what comes free there is for it.
    /// `None` if the node or the pod does not exist or the pod has another node; otherwise whether the capacity was free.
    pub fn promise(&mut self, pod: &PodRef, node: &str) -> Option<bool> {
        let (id, node) = (self.exactly(pod)?, self.cluster.nodes().id(node)?);
        self.cluster.refresh_numbers();
        let record = self.cluster.pods().get(id)?;
        if record.state == PodState::Assumed {
            return (record.node == Some(node)).then_some(true);
        }
        let view = self.cluster.view();
        if record.state != PodState::Pending || !view.capacity.is_present(node) {
            return None;
        }
        let requests = &view.classes.get(record.class).requests;
        let is_free = requests.iter().all(|&(resource, amount)| view.capacity.free(node, resource) >= amount);
        let gang = record.gang;
        self.cluster.assume(id, node);
        // What the gang asks for is another thing now.
        if let Some(wait) = gang.and_then(|gang| self.waiting.get_mut(&gang)) {
            wait.asked = None;
        }
        Some(is_free)
    }

    /// May the pod still be bound to the node: does the node exist, and does nothing about it (a taint that says it is
    /// not ready, a cordon, a label) keep the pod away?
    pub fn is_usable(&self, pod: &PodRef, node: &str) -> bool {
        let (Some(id), Some(node)) = (self.exactly(pod), self.cluster.nodes().id(node)) else { return false };
        let view = self.cluster.view();
        self.cluster.pods().get(id).is_some_and(|record| {
            let constraint = view.classes.get(record.class).constraint;
            view.capacity.is_present(node) && view.eligibility.cause(constraint, node).is_none()
        })
    }

    /// May the pod be bound to the node as far as its volumes are concerned, those that exist?
    pub fn reaches_volumes(&self, pod: &PodRef, node: &str) -> bool {
        let (Some(id), Some(node)) = (self.exactly(pod), self.cluster.nodes().id(node)) else { return true };
        self.cluster.reaches_volumes(id, node)
    }

    /// Finds an existing volume of its own for each claim that waits for one. Where volumes that several nodes reach are too
    /// few for the placement, each of those that are used counts on one node alone, and the gang is placed again.
    pub(super) fn allot(
        &mut self,
        request: &GangRequest,
        mut placement: Placement,
    ) -> Result<Placement, Unallotted> {
        const ATTEMPTS: usize = 8;
        let mut attempts = 0;
        let result = loop {
            let pods: Vec<_> = placement.assignments.iter().map(|one| (one.pod, one.node)).collect();
            let Err(unallotted) = self.cluster.allot_volumes(&pods) else { break Ok(placement) };
            attempts += 1;
            if attempts == ATTEMPTS || !unallotted.may_retry {
                break Err(unallotted);
            }
            match self.placer.decide(self.cluster.view(), request, &self.rules) {
                Ok(again) => placement = again,
                // With other volumes left out there might be room: what was found says more.
                Err(_) => break Err(unallotted),
            }
        };
        self.cluster.release_homes();
        result
    }

    /// What is to be written on device claims before any pod of this pod's gang is bound ([`Cluster::grant_devices`]).
    ///
    /// [`Cluster::grant_devices`]: crate::cluster::Cluster::grant_devices
    pub fn grant_devices(
        &mut self,
        pod: &PodRef,
        specs: &BTreeMap<String, Pod>,
    ) -> Result<Vec<Grant>, (String, String)> {
        self.exactly(pod).map_or(Ok(Vec::new()), |id| self.cluster.grant_devices(id, specs))
    }

    /// Promised pods of this pod's gang for whose extended resources a claim is needed on their nodes.
    pub fn needs_made_claims(&self, pod: &PodRef) -> Vec<PodRef> {
        let pods = self.exactly(pod).map_or(Vec::new(), |id| self.cluster.needs_made_claims(id));
        pods.into_iter().map(|(namespace, name, uid)| PodRef { namespace, name, uid }).collect()
    }

    /// Does exactly this pod wait for a node?
    pub fn waits(&self, pod: &PodRef) -> bool {
        let record = self.exactly(pod).and_then(|id| self.cluster.pods().get(id));
        record.is_some_and(|record| record.state == PodState::Pending)
    }

    /// Device claims (`namespace/name`) of the promised pods of this pod's gang.
    pub fn promised_claims(&self, pod: &PodRef) -> BTreeSet<String> {
        self.exactly(pod).map_or(BTreeSet::new(), |id| self.cluster.promised_claims(id))
    }

    /// Device claims (`namespace/name`) that are reserved for exactly this pod, which waits for a node.
    pub fn reserved_devices(&self, pod: &PodRef) -> Vec<String> {
        self.exactly(pod).map_or(Vec::new(), |id| self.cluster.reserved_devices(id))
    }

    /// Device claims (`namespace/name`) that are allocated for nobody but exactly this pod.
    pub fn stuck_devices(&self, pod: &PodRef) -> Vec<String> {
        self.exactly(pod).map_or(Vec::new(), |id| self.cluster.stuck_devices(id))
    }

    /// Claims that are to be bound before exactly this pod is.
    pub fn unbound_claims(&self, pod: &PodRef) -> Vec<OpenClaim> {
        self.exactly(pod).map_or(Vec::new(), |id| self.cluster.unbound_claims(id))
    }

    /// Are the pod's claims bound, and their volumes reached from the node?
    pub fn reaches_all_volumes(&self, pod: &PodRef, node: &str) -> bool {
        let waits = self.exactly(pod).is_some_and(|id| self.cluster.waits_for_claims(id));
        !waits && self.reaches_volumes(pod, node)
    }

    /// Takes out the promised pods whose claims wait for nothing any more: can they be bound where they were promised?
    /// Those first that cannot.
    pub fn take_settled(&mut self) -> Vec<(PodRef, bool)> {
        let settled = self.cluster.take_settled();
        let named = settled.into_iter().filter_map(|(pod, reached)| {
            let record = self.cluster.pods().get(pod)?;
            let (namespace, name) = (record.namespace().to_owned(), record.name().to_owned());
            Some((PodRef { namespace, name, uid: record.uid.to_string() }, reached))
        });
        named.collect()
    }

    /// Leaves these gangs alone from now on, or says what they wait for, and no others: those before are tried again.
    pub fn hold_back(&mut self, held: HeldBack) {
        if self.held_back == held {
            return;
        }
        let before = std::mem::replace(&mut self.held_back, held);
        for (group, held) in &self.held_back {
            if *held != Held::Back(None) && before.get(group) != Some(held) {
                self.cluster.mark(group);
            }
        }
        for group in before.keys().filter(|group| !self.held_back.contains_key(*group)) {
            self.cluster.mark(group);
        }
    }

    /// The subgroup of its gang that the pod is in.
    pub fn subgroup(&self, pod: &PodRef) -> Option<SubgroupRef> {
        let record = self.cluster.pods().get(self.exactly(pod)?)?;
        let spec = &self.cluster.gangs().get(record.gang?)?.group.as_ref()?.spec;
        if spec.sub_group_policy.is_empty() {
            return None;
        }
        let labels = self.cluster.labels().get(record.labels);
        spec.sub_group_policy.iter().zip(0..).find_map(|(policy, index)| {
            subgroup_values(policy, labels)?;
            let values: Vec<&str> =
                policy.match_label_keys.iter().filter_map(|key| labels.get(key)).collect();
            let size = u32::try_from(policy.sub_group_size.unwrap_or(1)).unwrap_or(1).max(1);
            Some(SubgroupRef { policy: index, size, values: values.join(",") })
        })
    }

    pub(super) fn exactly(&self, pod: &PodRef) -> Option<PodId> {
        let id = self.cluster.pods().id(&format!("{}/{}", pod.namespace, pod.name))?;
        self.cluster.pods().get(id).is_some_and(|record| *record.uid == *pod.uid).then_some(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::core::{Node, Pod};
    use crate::cluster::{Event, Settings};
    use crate::placement::PlacementRules;
    use crate::scheduler::{Decision, Reason};
    use serde_json::{Value, json};

    fn scheduler(nodes: &[(&str, Value)]) -> Scheduler {
        let mut scheduler = Scheduler::new(Settings::default(), PlacementRules::default());
        for (name, spec) in nodes {
            let status = json!({"allocatable": {"nvidia.com/gpu": "1", "pods": "10"}});
            let node: Node =
                serde_json::from_value(json!({"metadata": {"name": name}, "spec": spec, "status": status}))
                    .unwrap();
            scheduler.apply(Event::Node(&node));
        }
        scheduler
    }

    fn add_pod(scheduler: &mut Scheduler, name: &str, uid: &str) -> PodRef {
        let resources = json!({"requests": {"nvidia.com/gpu": "1"}});
        let pod: Pod = serde_json::from_value(json!({
            "metadata": {"name": name, "namespace": "ns", "uid": uid,
                "annotations": {"scheduling.k8s.io/group-name": "g"}},
            "spec": {"schedulerName": "volcano", "containers": [{"name": "c", "resources": resources}]},
        }))
        .unwrap();
        scheduler.apply(Event::Pod(&pod));
        PodRef { namespace: "ns".into(), name: name.into(), uid: uid.into() }
    }

    #[test]
    fn a_promise_is_of_one_pod_and_not_of_its_name() {
        let mut scheduler = scheduler(&[("n", json!({}))]);
        let old = PodRef { namespace: "ns".into(), name: "p".into(), uid: "old".into() };
        let new = add_pod(&mut scheduler, "p", "new");
        assert_eq!(scheduler.promise(&old, "n"), None, "the pod of that name is another one");
        assert_eq!(scheduler.promise(&new, "n"), Some(true));
        assert_eq!(scheduler.promise(&new, "n"), Some(true), "it has it already");
        scheduler.forget(&old);
        let other = add_pod(&mut scheduler, "q", "q");
        assert_eq!(
            scheduler.promise(&other, "n"),
            Some(false),
            "what an earlier pod of the name was promised is not the new one's"
        );
        scheduler.forget(&new);
        scheduler.forget(&other);
        assert_eq!(scheduler.promise(&other, "n"), Some(true));
        assert_eq!(scheduler.promise(&other, "gone"), None, "no such node");
    }

    /// A node that offered nothing at the takeover comes back: what is promised there is for those that have the promise.
    #[test]
    fn what_is_promised_is_kept_though_the_room_is_not_there_yet() {
        let mut scheduler = scheduler(&[("n", json!({}))]);
        let (first, late) = (add_pod(&mut scheduler, "p", "p"), add_pod(&mut scheduler, "q", "q"));
        assert_eq!(scheduler.promise(&first, "n"), Some(true));
        assert_eq!(scheduler.promise(&late, "n"), Some(false), "the node is full");
        scheduler.forget(&first);
        let third = add_pod(&mut scheduler, "r", "r");
        assert_eq!(scheduler.promise(&third, "n"), Some(false), "what came free is the late one's");
    }

    #[test]
    fn a_node_that_is_not_ready_keeps_its_promises_and_is_not_usable() {
        let taint = json!({"taints": [{"key": "node.kubernetes.io/not-ready", "effect": "NoExecute"}]});
        let mut scheduler =
            scheduler(&[("n", taint), ("well", json!({})), ("off", json!({"unschedulable": true}))]);
        let pod = add_pod(&mut scheduler, "p", "p");
        let usable = ["n", "well", "off", "none"].map(|node| scheduler.is_usable(&pod, node));
        assert_eq!(usable, [false, true, false, false]);
        assert_eq!(scheduler.promise(&pod, "n"), Some(true), "its capacity is taken all the same");
    }

    #[test]
    fn a_gang_that_is_held_back_waits_says_why_and_is_tried_again() {
        let mut scheduler = scheduler(&[("n", json!({}))]);
        let group = json!({"metadata": {"name": "g", "namespace": "ns"}, "spec": {"minMember": 1}});
        scheduler.apply(Event::PodGroup(&serde_json::from_value(group).unwrap()));
        add_pod(&mut scheduler, "p", "p");
        let mut cycle = |held: Option<Held>| {
            scheduler.hold_back(held.into_iter().map(|held| ("ns/g".to_owned(), held)).collect());
            let cycle = scheduler.cycle("");
            let said = cycle.decisions.iter().find_map(|decision| match decision {
                Decision::Event { message, .. } => Some(message.clone()),
                _ => None,
            });
            (cycle.placed, said, scheduler.waiting().next().map(|waiting| waiting.reason))
        };
        assert_eq!(cycle(Some(Held::Back(None))), (0, None, None));
        let why = Some("no room in the annotations".to_owned());
        let coded = Some("ReservationRefused: no room in the annotations".to_owned());
        let said = (0, coded, Some(Reason::ReservationRefused));
        assert_eq!(cycle(Some(Held::Back(why.clone()))), said);
        assert_eq!(cycle(Some(Held::Back(why))).1, None, "once");
        // What another pod of it waits for does not keep this one waiting.
        let waits = Some(Held::Waits("a bind".to_owned()));
        assert_eq!(cycle(waits), (1, None, None), "and then it is placed");
    }
}
