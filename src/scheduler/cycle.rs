//! One cycle: which gangs a change could help, each in its turn, and the statuses that follow.

use super::decision::{Decision, GangPlacement, PodPlacement, PodRef};
use super::explain::explain;
use super::gang::{Hold, Prepared, prepare};
use super::order::turn;
use super::reason::Reason;
use super::report::{counts, minimum, placed_domain};
use super::status::{Waiting, status};
use super::{Cycle, Scheduler, Wait};
use crate::cluster::event::Marks;
use crate::cluster::gangs::{GangKind, GangRecord};
use crate::cluster::ids::{ClassId, CouplingId, GangId, NodeId};
use crate::cluster::topology::Topology;
use crate::placement::{GangRequest, Outcome, Placement, Proof};
use priority_queue::PriorityQueue;
use rustc_hash::FxBuildHasher;
use std::collections::BTreeSet;

impl Scheduler {
    /// Runs one cycle. `now` is an RFC 3339 time, used for transition times only.
    pub fn cycle(&mut self, now: &str) -> Cycle {
        self.cluster.refresh();
        let marks = self.cluster.take_marks();
        let (candidates, touched) = self.candidates(&marks);
        let mut queue: PriorityQueue<GangId, _, FxBuildHasher> = PriorityQueue::with_default_hasher();
        for gang in candidates {
            if let Some(record) = self.cluster.gangs().get(gang)
                && !self.deferred.contains(&*record.key)
            {
                queue.push(gang, turn(&self.cluster, record));
            }
        }
        let mut cycle = Cycle::default();
        while let Some((gang, _)) = queue.pop() {
            self.try_gang(gang, &mut cycle);
        }
        for gang in touched {
            self.write_status(gang, now, &mut cycle);
        }
        cycle
    }

    /// Gangs to try, and gangs whose status may differ: those and the ones that changed.
    fn candidates(&mut self, marks: &Marks) -> (BTreeSet<GangId>, BTreeSet<GangId>) {
        let mut try_again = marks.gangs.clone();
        if marks.everything {
            try_again.extend(self.cluster.gangs().iter().map(|(gang, _)| gang));
            self.waiting.retain(|gang, _| try_again.contains(gang));
        }
        if (!marks.gained.is_empty() || marks.coupled) && !marks.everything {
            let helps = |&class: &ClassId| {
                marks.coupled && self.cluster.view().classes.get(class).coupling != CouplingId(0)
                    || self.fits_one_of(class, &marks.gained)
            };
            let helped: Vec<GangId> = self
                .waiting
                .iter()
                .filter(|(_, wait)| wait.classes.iter().any(helps))
                .map(|(&gang, _)| gang)
                .collect();
            try_again.extend(helped);
        }
        let touched = try_again.union(&marks.statuses).copied().collect();
        (try_again, touched)
    }

    /// Could one of these nodes take one pod of the class?
    fn fits_one_of(&self, class: ClassId, nodes: &BTreeSet<NodeId>) -> bool {
        let view = self.cluster.view();
        let class = view.classes.get(class);
        nodes.iter().any(|&node| {
            view.capacity.is_present(node)
                && view.eligibility.cause(class.constraint, node).is_none()
                && class
                    .requests
                    .iter()
                    .all(|&(resource, amount)| view.capacity.free(node, resource) >= amount)
        })
    }

    fn try_gang(&mut self, id: GangId, cycle: &mut Cycle) {
        let Some(gang) = self.cluster.gangs().get(id) else {
            self.waiting.remove(&id);
            return;
        };
        if gang.kind == GangKind::PodGroup
            && let Some(said) = self.held_back.get(&*gang.key)
        {
            if let Some(message) = said.clone() {
                self.hold(id, Hold { reason: Reason::ReservationRefused, message }, cycle);
            }
            return;
        }
        let request = match prepare(&self.cluster, gang) {
            Prepared::Idle => {
                self.waiting.remove(&id);
                return;
            }
            Prepared::Held(hold) => return self.hold(id, hold, cycle),
            Prepared::Ready(request) => request,
        };
        cycle.tried += 1;
        match self.placer.place(self.cluster.view(), &request, &self.rules) {
            Outcome::Placed(placement) => {
                cycle.placed += 1;
                cycle.cut_short += usize::from(placement.proof != Proof::Proven);
                self.commit(id, &request, &placement, cycle);
            }
            Outcome::Short(_) => {
                let shortfall = self.placer.explain(self.cluster.view(), &request, &self.rules);
                cycle.cut_short += usize::from(shortfall.proof != Proof::Proven);
                let (reason, message) = explain(&self.cluster, &request, &shortfall);
                let below_minimum = self.is_below_minimum(id);
                let wait = Wait {
                    reason,
                    message,
                    below_minimum,
                    classes: classes(&request),
                    shortfall: Some(Box::new(shortfall)),
                };
                self.wait(id, wait, cycle);
            }
        }
    }

    fn commit(&mut self, id: GangId, request: &GangRequest, placement: &Placement, cycle: &mut Cycle) {
        for assignment in &placement.assignments {
            self.cluster.assume(assignment.pod, assignment.node);
        }
        if !placement.assignments.is_empty()
            && let Some(gang) = self.cluster.gangs().get(id)
        {
            cycle.decisions.push(Decision::Place(self.gang_placement(gang, placement)));
        }
        match &placement.shortfall {
            Some(shortfall) => {
                let (reason, message) = explain(&self.cluster, request, shortfall);
                let wait = Wait {
                    reason,
                    message,
                    below_minimum: false,
                    classes: classes(request),
                    shortfall: Some(Box::new(shortfall.clone())),
                };
                self.wait(id, wait, cycle);
            }
            None => {
                self.waiting.remove(&id);
            }
        }
    }

    fn gang_placement(&self, gang: &GangRecord, placement: &Placement) -> GangPlacement {
        let topology = self.cluster.view().topology;
        let domain = placement.domain.filter(|&domain| domain != Topology::ROOT);
        let pods = placement.assignments.iter().filter_map(|assignment| {
            let pod = self.cluster.pods().get(assignment.pod)?;
            let node = self.cluster.nodes().name(assignment.node).to_owned();
            Some(PodPlacement { pod: pod_ref(pod), node })
        });
        GangPlacement {
            gang: gang.key.to_string(),
            is_pod_group: gang.kind == GangKind::PodGroup,
            pods: pods.collect(),
            domain: domain.map(|domain| topology.name(domain).to_owned()),
            tier: domain.map(|domain| topology.tier(domain)),
        }
    }

    fn hold(&mut self, id: GangId, hold: Hold, cycle: &mut Cycle) {
        let below_minimum = self.is_below_minimum(id);
        let Hold { reason, message } = hold;
        let wait = Wait { reason, message, below_minimum, classes: Vec::new(), shortfall: None };
        self.wait(id, wait, cycle);
    }

    fn is_below_minimum(&self, id: GangId) -> bool {
        self.cluster.gangs().get(id).is_some_and(|gang| {
            let counts = counts(&self.cluster, gang);
            counts.scheduled() + counts.assumed < minimum(gang).max(1)
        })
    }

    /// Notes why a gang waits, and says so where the answer is new.
    fn wait(&mut self, id: GangId, wait: Wait, cycle: &mut Cycle) {
        let Wait { reason, message, .. } = &wait;
        let before = self.waiting.get(&id);
        let news = before.is_none_or(|before| before.reason != *reason || before.message != *message);
        // Pods that are still to come are no news for a person or an autoscaler: the condition says it.
        let is_told = !matches!(reason, Reason::NotEnoughTasks | Reason::NotEnoughPodsOfTask);
        if news
            && is_told
            && let Some(gang) = self.cluster.gangs().get(id)
        {
            let waiting: Vec<PodRef> = gang
                .pods
                .iter()
                .filter_map(|&pod| self.cluster.pods().get(pod))
                .filter(|pod| pod.wants_node())
                .map(pod_ref)
                .collect();
            if gang.group.is_some() && wait.below_minimum {
                cycle.decisions.push(Decision::Event {
                    kind: "PodGroup",
                    namespace: gang.namespace().to_owned(),
                    name: gang.name().to_owned(),
                    type_: "Warning",
                    reason: "Unschedulable",
                    message: message.clone(),
                });
            }
            // Without a PodGroup to say it on, it is said on a pod.
            if gang.group.is_none()
                && let Some(pod) = waiting.first()
            {
                cycle.decisions.push(Decision::Event {
                    kind: "Pod",
                    namespace: pod.namespace.clone(),
                    name: pod.name.clone(),
                    type_: "Warning",
                    reason: "FailedScheduling",
                    message: message.clone(),
                });
            }
            if !waiting.is_empty() {
                cycle.decisions.push(Decision::Unschedulable { pods: waiting, message: message.clone() });
            }
        }
        self.waiting.insert(id, wait);
    }

    fn write_status(&self, id: GangId, now: &str, cycle: &mut Cycle) {
        let Some(gang) = self.cluster.gangs().get(id) else { return };
        let Some(group) = &gang.group else { return };
        let wait = self.waiting.get(&id);
        let waiting = wait
            .filter(|wait| wait.below_minimum)
            .map(|wait| Waiting { reason: wait.reason, message: &wait.message });
        let extra = wait.filter(|wait| !wait.below_minimum).map(|wait| wait.message.as_str());
        let topology = self.cluster.view().topology;
        let domain = placed_domain(&self.cluster, gang).filter(|&domain| domain != Topology::ROOT);
        let mut placed = domain.map_or(String::new(), |domain| {
            format!("in {} (tier {})", topology.name(domain), topology.tier(domain))
        });
        if let Some(extra) = extra {
            let separator = if placed.is_empty() { "" } else { "; more pods wait: " };
            placed = format!("{placed}{separator}{extra}");
        }
        let admitted = self.cluster.queue(&group.spec.queue).is_some_and(|queue| queue.open);
        let counts = counts(&self.cluster, gang);
        let status = status(minimum(gang), &counts, waiting.as_ref(), &placed, admitted, &group.status, now);
        if status != group.status {
            cycle.decisions.push(Decision::GroupStatus {
                namespace: gang.namespace().to_owned(),
                name: gang.name().to_owned(),
                status,
            });
        }
    }
}

/// Classes of the pods that want a node.
fn classes(request: &GangRequest) -> Vec<ClassId> {
    let classes: BTreeSet<ClassId> = request
        .subgroups
        .iter()
        .flat_map(|subgroup| subgroup.members.iter().map(|member| member.class))
        .collect();
    classes.into_iter().collect()
}

fn pod_ref(pod: &crate::cluster::pods::PodRecord) -> PodRef {
    PodRef { namespace: pod.namespace().to_owned(), name: pod.name().to_owned(), uid: pod.uid.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::core::{Node, Pod};
    use crate::cluster::{Event, Settings};
    use crate::placement::PlacementRules;
    use serde_json::{Value, json};

    fn pod(name: &str, app: &str, mut spec: Value) -> Pod {
        spec["schedulerName"] = json!("volcano");
        let metadata = json!({"name": name, "namespace": "default", "uid": name, "labels": {"app": app}});
        serde_json::from_value(json!({"metadata": metadata, "spec": spec})).unwrap()
    }

    /// A pod on a node can be what another has waited for, wherever that one is to go.
    #[test]
    fn a_gang_whose_rules_look_at_a_new_pod_is_tried_again() {
        let mut scheduler = Scheduler::new(Settings::default(), PlacementRules::default());
        let node: Node =
            serde_json::from_value(json!({"metadata": {"name": "n", "labels": {"rack": "a"}}})).unwrap();
        scheduler.apply(Event::Node(&node));
        let term = json!([{"topologyKey": "rack", "labelSelector": {"matchLabels": {"app": "cache"}}}]);
        let near = json!({"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": term}});
        let gpu = json!({"name": "c", "resources": {"requests": {"nvidia.com/gpu": 1}}});
        scheduler.apply(Event::Pod(&pod("waits", "x", json!({"affinity": near, "containers": [gpu]}))));
        assert_eq!(scheduler.cycle("").tried, 1);
        let mut tried_after = |app: &str| {
            let bound = json!({"nodeName": "n", "containers": []});
            scheduler.apply(Event::Pod(&pod(app, app, bound)));
            scheduler.cycle("").tried
        };
        assert_eq!(tried_after("other"), 0);
        assert_eq!(tried_after("cache"), 1);
    }
}
