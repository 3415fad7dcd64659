//! Pods on their way into the cluster: which class, which gang, what they hold.

use super::Cluster;
use super::admin::is_evictable;
use super::recent::{Asks, Recent};
use crate::api::core::{Pod, PodPhase};
use crate::api::gang::{conflict, membership};
use crate::api::keys;
use crate::api::time::{Timestamp, parse_span};
use crate::cluster::cause::Cause;
use crate::cluster::class::Class;
use crate::cluster::coupling::{Applicant, Resident};
use crate::cluster::gangs::GangKind;
use crate::cluster::ids::{ClassId, ConstraintId, CouplingId, GangId, NodeId, PodId, ResourceId, TextId};
use crate::cluster::labels::LabelSetId;
use crate::cluster::pods::{Eviction, PodRecord, PodState, QueueGate};
use crate::cluster::refusal::refusal;
use crate::cluster::requests;
use crate::cluster::volumes::Demands;
use std::sync::Arc;

impl Cluster {
    pub(super) fn apply_pod(&mut self, pod: &Pod) {
        let known = self.pod_id(&pod.metadata.namespace, &pod.metadata.name);
        self.note_stranger(pod);
        match known {
            Some(id) if self.is_same(id, pod) => self.update_pod(id, pod),
            Some(id) => {
                self.drop_pod(id);
                self.insert_pod(pod);
            }
            None => self.insert_pod(pod),
        }
        self.use_claims(pod);
        self.use_devices(pod);
    }

    /// Notes, or forgets, a member of a gang that asks for another scheduler. The key is that of the pod.
    fn note_stranger(&mut self, pod: &Pod) {
        let waits = state_of(pod) == PodState::Pending && pod.metadata.deletion_timestamp.is_none();
        match membership(pod).filter(|_| waits && !self.is_ours(pod)) {
            Some(name) => {
                let group = format!("{}/{name}", pod.metadata.namespace);
                if self.other_schedulers.put(&self.key, &group, pod.spec.scheduler_name.as_deref()) {
                    self.mark(&group);
                }
            }
            None => self.forget_stranger(),
        }
    }

    fn forget_stranger(&mut self) {
        if let Some(group) = self.other_schedulers.remove(&self.key) {
            self.mark(&group);
        }
    }

    /// Is it the pod that we know, in the gang that we know it in? Controllers may add the group annotation late.
    fn is_same(&self, id: PodId, pod: &Pod) -> bool {
        let Some(known) = self.pods.get(id) else { return false };
        let group = known
            .gang
            .and_then(|gang| self.gangs.get(gang))
            .filter(|gang| gang.kind == GangKind::PodGroup)
            .map(|gang| gang.name());
        *known.uid == pod.metadata.uid
            && known.gang.is_some() == self.is_ours(pod)
            && (known.gang.is_none()
                || group == membership(pod).as_deref()
                || known.state == PodState::Assumed)
    }

    fn is_ours(&self, pod: &Pod) -> bool {
        let name = pod.spec.scheduler_name.as_deref();
        name.is_some_and(|name| self.settings.scheduler_names.iter().any(|ours| ours == name))
    }

    fn insert_pod(&mut self, pod: &Pod) {
        let seen = pod;
        let joined = self.volumes.joined(pod);
        let pod = joined.as_ref().unwrap_or(pod);
        let together = self.together(pod);
        let pod = together.as_ref().unwrap_or(pod);
        let joined = self.devices.joined(pod);
        let pod = joined.as_ref().unwrap_or(pod);
        let key: Arc<str> = self.key.as_str().into();
        let labels = self.labels.intern(&pod.metadata.labels);
        let (class, refusal) = self.class_of(pod, None, labels);
        let (role, task_index) = self.task_of(pod);
        let gang = self.is_ours(pod).then(|| match membership(pod) {
            Some(group) => {
                let key: Arc<str> = format!("{}/{group}", pod.metadata.namespace).into();
                self.gangs.intern(&key)
            }
            None => self.gangs.plain(&key),
        });
        let record = PodRecord {
            key,
            uid: pod.metadata.uid.as_str().into(),
            class,
            node: pod
                .spec
                .node_name
                .as_deref()
                .filter(|name| !name.is_empty())
                .map(|name| self.node_slot(name)),
            state: state_of(pod),
            deleting: pod.metadata.deletion_timestamp.is_some(),
            gated: !pod.spec.scheduling_gates.is_empty(),
            queue_gate: queue_gate(pod),
            group_size: pod
                .metadata
                .annotations
                .get(keys::LWS_SIZE)
                .and_then(|size| size.parse().ok())
                .unwrap_or(0),
            gang,
            priority: self.pod_priority(pod),
            labels,
            role,
            task_index,
            refusal: refusal.map(String::into_boxed_str),
            eviction: eviction(pod),
        };
        let holder = Holder::of(&record);
        self.enter(&holder);
        let is_gated = record.awaits_queue();
        let id = self.pods.insert(record);
        self.note_sidecars(id, pod);
        self.keep_member(id, seen);
        if is_gated {
            self.queue_gated.insert(id);
        }
        if let Some(gang) = gang {
            self.gangs.add_pod(gang, id);
        }
        self.mark_gang(gang);
    }

    pub(super) fn update_pod(&mut self, id: PodId, pod: &Pod) {
        self.keep_member(id, pod);
        let joined = self.volumes.joined(pod);
        let pod = joined.as_ref().unwrap_or(pod);
        let together = self.together(pod);
        let pod = together.as_ref().unwrap_or(pod);
        let joined = self.devices.joined(pod);
        let pod = joined.as_ref().unwrap_or(pod);
        let known = self.pods.get(id).map_or(LabelSetId(0), |record| record.labels);
        let relabelled = !self.labels.is(known, &pod.metadata.labels);
        let labels = if relabelled { self.labels.intern(&pod.metadata.labels) } else { known };
        let (class, refusal) = self.class_of(pod, Some(id), labels);
        self.note_sidecars(id, pod);
        let node =
            pod.spec.node_name.as_deref().filter(|name| !name.is_empty()).map(|name| self.node_slot(name));
        let priority = self.pod_priority(pod);
        let (role, task_index) = self.task_of(pod);
        let Some(record) = self.pods.get_mut(id) else { return };
        let before = (
            Holder::of(record),
            record.state,
            record.gated,
            record.queue_gate,
            record.role,
            record.task_index,
        );
        let mut state = state_of(pod);
        if record.state == PodState::Assumed && state == PodState::Pending {
            // the watch lags behind our promise
            state = PodState::Assumed;
        } else {
            record.node = node;
        }
        record.state = state;
        record.class = class;
        record.labels = labels;
        record.priority = priority;
        record.refusal = refusal.map(String::into_boxed_str);
        record.deleting = pod.metadata.deletion_timestamp.is_some();
        record.gated = !pod.spec.scheduling_gates.is_empty();
        (record.role, record.task_index) = (role, task_index);
        record.queue_gate = queue_gate(pod);
        record.eviction = eviction(pod);
        let is_gated = record.awaits_queue();
        let after = (Holder::of(record), record.state, record.gated, record.queue_gate, role, task_index);
        let gang = record.gang;
        if is_gated {
            self.queue_gated.insert(id);
        } else {
            self.queue_gated.remove(&id);
        }
        if before.0 != after.0 {
            self.leave(&before.0);
            self.enter(&after.0);
        }
        if relabelled {
            self.labels.release(known);
        }
        if before != after {
            self.mark_gang(gang);
        }
    }

    pub(super) fn remove_pod(&mut self, namespace: &str, name: &str) {
        let known = self.pod_id(namespace, name);
        self.forget_stranger();
        if let Some(id) = known {
            self.drop_pod(id);
        }
    }

    fn drop_pod(&mut self, id: PodId) {
        let Some(record) = self.pods.remove(id) else { return };
        self.queue_gated.remove(&id);
        self.sidecars.remove(&id);
        self.native_pods.remove(&id);
        let others = self.volumes.leave(id);
        self.judge(&others);
        let others = self.devices.leave(id);
        self.judge_devices(&others);
        self.leave(&Holder::of(&record));
        self.labels.release(record.labels);
        if let Some(gang) = record.gang {
            self.mark_gang(Some(gang));
            self.gangs.remove_pod(gang, id);
        }
    }

    /// The pod takes what it holds, if it holds a node.
    pub(super) fn enter(&mut self, holder: &Holder) {
        let Some(node) = holder.node else { return };
        let class = self.classes.get(holder.class);
        self.capacity.take(node, &class.requests);
        let resident = holder.resident(class.coupling);
        self.marks.coupled |= self.coupling.add_pod(resident, node, &self.labels);
        self.yield_room(node);
        self.promise_devices(node, holder.class, true);
    }

    /// The pod gives back what it holds.
    pub(super) fn leave(&mut self, holder: &Holder) {
        let Some(node) = holder.node else { return };
        let class = self.classes.get(holder.class);
        self.capacity.give(node, &class.requests);
        let resident = holder.resident(class.coupling);
        self.marks.coupled |= self.coupling.remove_pod(resident, node, &self.labels);
        self.marks.gained.insert(node);
        self.promise_devices(node, holder.class, false);
    }

    /// Notes what of the pod's requests is its sidecars', so that it can be said of a pod that is too large.
    fn note_sidecars(&mut self, id: PodId, pod: &Pod) {
        let sidecars = match self.is_ours(pod) {
            true => requests::sidecars(pod, &mut self.resources),
            false => Box::default(),
        };
        if sidecars.is_empty() {
            self.sidecars.remove(&id);
        } else {
            self.sidecars.insert(id, sidecars);
        }
    }

    /// The pod's role and its index within it.
    fn task_of(&mut self, pod: &Pod) -> (TextId, Option<u32>) {
        let annotation = |key: &str| pod.metadata.annotations.get(key);
        let role = annotation(keys::TASK_SPEC).or_else(|| pod.metadata.labels.get(keys::TASK_SPEC));
        let role = self.texts.intern(role.map_or("", String::as_str));
        (role, annotation(keys::TASK_INDEX).and_then(|index| index.parse().ok()))
    }

    fn class_of(&mut self, pod: &Pod, id: Option<PodId>, labels: LabelSetId) -> (ClassId, Option<String>) {
        // Where others' pods may go is not for us to say: what counts of them is what they hold.
        let is_ours = self.is_ours(pod);
        let is_pending = is_ours && state_of(pod) == PodState::Pending;
        let made = if is_pending { self.devices.extended_reach(&pod.metadata.uid).is_some() } else { false };
        let asks = if Recent::covers(pod) && !made {
            match self.recent.find(&pod.spec, is_ours) {
                Some(asks) => asks.clone(),
                None => {
                    let asks = self.asks(pod, id, is_ours, is_pending);
                    self.recent.put(&pod.spec, is_ours, asks.clone());
                    asks
                }
            }
        } else {
            self.asks(pod, id, is_ours, is_pending)
        };
        let Asks { requests, refusal, constraint, open } = asks;
        let requests = if is_pending { self.with_devices(requests, open, made) } else { requests };
        let refusal = refusal.or_else(|| conflict(pod).filter(|_| is_ours));
        let applicant = Applicant { namespace: &pod.metadata.namespace, labels, spec: &pod.spec, constraint };
        let coupling = if is_pending {
            self.coupling.intern(applicant, &self.labels, &mut self.eligibility)
        } else {
            self.coupling.intern_placed(applicant, &self.labels, &mut self.eligibility)
        };
        (self.classes.intern(Class { requests, constraint, coupling }), refusal)
    }

    /// What the pod asks for, but for its demands relative to other pods.
    fn asks(&mut self, pod: &Pod, id: Option<PodId>, is_ours: bool, is_pending: bool) -> Asks {
        let (requests, refusal) = match requests::pod_requests(pod, &mut self.resources) {
            Ok(requests) => (requests, refusal(&pod.spec)),
            Err(error) => (Box::default(), Some(error.to_string())),
        };
        self.count_kinds(pod);
        let takes = self.volumes.takes(pod, id);
        let requests = if takes.is_empty() { requests } else { with_counted(&requests, &takes) };
        let demands = if is_pending { self.volumes.demands(pod) } else { Demands::default() };
        let devices = if is_pending { self.device_demands(pod) } else { Default::default() };
        let volumes = demands.selectors.into_iter().map(|selector| (Cause::Volume, selector));
        let selectors: Vec<_> = volumes.chain(devices.selectors).collect();
        let constraint = match is_ours {
            true => self.eligibility.intern_with(&pod.spec, &selectors),
            false => ConstraintId(0),
        };
        let refusal = refusal.or(demands.refusal).or(devices.refusal);
        Asks { requests, refusal, constraint, open: devices.open }
    }

    fn node_slot(&mut self, name: &str) -> NodeId {
        let node = self.nodes.intern(name);
        self.capacity.add_slot(node);
        node
    }

    fn pod_priority(&self, pod: &Pod) -> Option<i32> {
        pod.spec.priority.or_else(|| match pod.spec.priority_class_name.as_str() {
            "" => None,
            class => self.priority(class),
        })
    }

    pub(super) fn pod_id(&mut self, namespace: &str, name: &str) -> Option<PodId> {
        self.set_key(namespace, name);
        self.pods.id(&self.key)
    }

    pub(super) fn set_key(&mut self, namespace: &str, name: &str) {
        self.key.clear();
        self.key.push_str(namespace);
        self.key.push('/');
        self.key.push_str(name);
    }

    pub(super) fn mark_gang(&mut self, gang: Option<GangId>) {
        if let Some(gang) = gang {
            self.marks.gangs.insert(gang);
        }
    }
}

/// What a pod takes with what stands for its volumes or device claims, ascending by resource.
pub(super) fn with_counted(
    requests: &[(ResourceId, i64)],
    counted: &[(ResourceId, i64)],
) -> Box<[(ResourceId, i64)]> {
    let mut all = [requests, counted].concat();
    all.sort_unstable();
    all.into()
}

/// What decides what a pod takes, and from where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Holder {
    key: Arc<str>,
    node: Option<NodeId>,
    class: ClassId,
    labels: LabelSetId,
    deleting: bool,
}

impl Holder {
    pub(super) fn of(pod: &PodRecord) -> Self {
        Holder {
            key: Arc::clone(&pod.key),
            node: pod.holds(),
            class: pod.class,
            labels: pod.labels,
            deleting: pod.deleting,
        }
    }

    fn resident(&self, coupling: CouplingId) -> Resident<'_> {
        let namespace = self.key.split_once('/').map_or("", |(namespace, _)| namespace);
        Resident { namespace, labels: self.labels, coupling, deleting: self.deleting }
    }
}

fn state_of(pod: &Pod) -> PodState {
    let has_node = pod.spec.node_name.as_deref().is_some_and(|name| !name.is_empty());
    match pod.status.phase {
        Some(PodPhase::Succeeded) => PodState::Succeeded,
        Some(PodPhase::Failed) => PodState::Failed,
        Some(PodPhase::Running) if has_node => PodState::Running,
        _ if has_node => PodState::Bound,
        _ => PodState::Pending,
    }
}

/// What decides whether the pod may be evicted. A span that cannot be read protects nobody.
fn eviction(pod: &Pod) -> Eviction {
    let metadata = &pod.metadata;
    let time = |text: &Option<String>| text.as_deref().and_then(Timestamp::parse);
    let label_first = |key| metadata.labels.get(key).or_else(|| metadata.annotations.get(key));
    let cooldown = label_first(keys::COOLDOWN_TIME).and_then(|text| parse_span(text));
    let scheduled = || {
        let condition = pod.status.conditions.iter().find(|condition| condition.type_ == "PodScheduled")?;
        time(&condition.last_transition_time).filter(|_| condition.status == "True")
    };
    Eviction {
        refused: !is_evictable(metadata),
        critical: metadata.namespace == "kube-system"
            || matches!(
                pod.spec.priority_class_name.as_str(),
                "system-cluster-critical" | "system-node-critical"
            ),
        spares_others: pod.spec.preemption_policy.as_deref() == Some("Never"),
        cooldown_seconds: cooldown.map_or(0, |span| u32::try_from(span.as_secs()).unwrap_or(u32::MAX)),
        started: time(&pod.status.start_time).or_else(scheduled),
        deadline_seconds: pod.spec.active_deadline_seconds.and_then(|span| u32::try_from(span).ok()),
        gone_by: time(&metadata.deletion_timestamp),
    }
}

fn queue_gate(pod: &Pod) -> QueueGate {
    let has_asked =
        pod.metadata.annotations.get(keys::QUEUE_ALLOCATION_GATE).is_some_and(|value| value == "true");
    match &*pod.spec.scheduling_gates {
        _ if !has_asked => QueueGate::None,
        [] => QueueGate::Lifted,
        [gate] if gate.name == keys::QUEUE_ALLOCATION_GATE => QueueGate::Closed,
        _ => QueueGate::Behind,
    }
}
