//! What a pod demands relative to other pods, as counters to ask, and what others will see of it.

use super::super::eligibility::Eligibility;
use super::super::labels::LabelSets;
use super::super::requests::is_sidecar;
use super::counter::{CounterId, Kind, Port};
use super::domains::Ground;
use super::selector::{Selector, SelectorId};
use super::{Applicant, Coupling};
use crate::api::core::{
    Container, ContainerPort, PodAffinity, PodAffinityTerm, PodSpec, TopologySpreadConstraint,
    WhenUnsatisfiable,
};

/// Demands relative to other pods.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Rules {
    /// Host ports that the pod uses.
    pub(super) ports: Box<[CounterId]>,
    /// Pods that match every required affinity term, by each of the terms' topology keys: some must be near.
    pub(super) affinity: Box<[CounterId]>,
    /// Pods that match a required anti-affinity term: none may be near.
    pub(super) anti: Box<[CounterId]>,
    /// The same terms as others see them.
    pub(super) holds: Box<[CounterId]>,
    /// Binding spread constraints.
    pub(super) spread: Box<[Spread]>,
}

/// A binding spread constraint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Spread {
    pub(super) counter: CounterId,
    pub(super) max_skew: i64,
    /// With fewer domains than this, the emptiest counts as empty.
    pub(super) min_domains: u32,
}

/// Which of a pod's rules matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scope {
    /// All: the pod wants a node.
    Candidate,
    /// Those that bind others: the pod has one.
    Resident,
}

impl Rules {
    /// Counters that a pod with these rules moves, whatever its labels.
    pub(super) fn moved(&self) -> impl Iterator<Item = CounterId> {
        self.ports.iter().chain(&self.holds).copied()
    }
}

/// Does the pod have any rule?
pub(super) fn has_any(spec: &PodSpec, scope: Scope) -> bool {
    required(spec, |affinity| &affinity.pod_anti_affinity).next().is_some()
        || host_ports(spec).next().is_some()
        || scope == Scope::Candidate
            && (required(spec, |affinity| &affinity.pod_affinity).next().is_some()
                || binding(spec).next().is_some())
}

/// Registers everything that a pod's rules need.
pub(super) fn build(
    coupling: &mut Coupling,
    pod: Applicant<'_>,
    scope: Scope,
    label_sets: &LabelSets,
    eligibility: &mut Eligibility,
) -> Rules {
    let mut builder = Builder { coupling, pod, label_sets, eligibility };
    let mut rules = Rules { ports: builder.ports(), ..Rules::default() };
    let anti: Vec<_> = required(pod.spec, |affinity| &affinity.pod_anti_affinity).collect();
    rules.holds = sorted(anti.iter().map(|term| builder.holding(term)).collect());
    if scope == Scope::Candidate {
        rules.anti = sorted(anti.iter().map(|term| builder.matching(&[term], term)).collect());
        let near: Vec<_> = required(pod.spec, |affinity| &affinity.pod_affinity).collect();
        rules.affinity = sorted(near.iter().map(|term| builder.matching(&near, term)).collect());
        rules.spread = sorted(binding(pod.spec).map(|constraint| builder.spread(constraint)).collect());
    }
    rules
}

struct Builder<'a, 'p> {
    coupling: &'a mut Coupling,
    pod: Applicant<'p>,
    label_sets: &'a LabelSets,
    eligibility: &'a mut Eligibility,
}

impl Builder<'_, '_> {
    fn ports(&mut self) -> Box<[CounterId]> {
        let texts = &mut self.coupling.texts;
        let ports = host_ports(self.pod.spec).map(|(port, number)| Port {
            protocol: texts.intern(if port.protocol.is_empty() { "TCP" } else { &port.protocol }),
            port: number,
            ip: (!matches!(port.host_ip.as_str(), "" | "0.0.0.0")).then(|| texts.intern(&port.host_ip)),
        });
        let ports: Vec<_> = ports.collect();
        sorted(ports.into_iter().map(|port| self.counter(Kind::Port(port))).collect())
    }

    fn holding(&mut self, term: &PodAffinityTerm) -> CounterId {
        let selector = self.selector(term);
        let key = self.coupling.domains.key(&term.topology_key, self.eligibility);
        self.counter(Kind::Holding { selector, key })
    }

    /// Pods that match all of `terms`, by the topology key of one of them.
    fn matching(&mut self, terms: &[&PodAffinityTerm], term: &PodAffinityTerm) -> CounterId {
        let selectors = sorted(terms.iter().map(|term| self.selector(term)).collect());
        let key = self.coupling.domains.key(&term.topology_key, self.eligibility);
        self.counter(Kind::Matching { selectors, key })
    }

    fn spread(&mut self, constraint: &TopologySpreadConstraint) -> Spread {
        let keys = binding(self.pod.spec).map(|constraint| constraint.topology_key.as_str());
        let keys = sorted(keys.map(|key| self.coupling.domains.key(key, self.eligibility)).collect());
        let honours =
            |policy: &Option<String>, default: &str| policy.as_deref().unwrap_or(default) == "Honor";
        let by_selector = honours(&constraint.node_affinity_policy, "Honor")
            && self.eligibility.has_selectors(self.pod.constraint);
        let ground = Ground {
            key: self.coupling.domains.key(&constraint.topology_key, self.eligibility),
            keys,
            selectors: by_selector.then_some(self.pod.constraint),
            taints: honours(&constraint.node_taints_policy, "Ignore").then_some(self.pod.constraint),
        };
        let ground = self.coupling.domains.ground(ground, self.eligibility);
        let labels = self.label_sets.get(self.pod.labels);
        let texts = &mut self.coupling.texts;
        let selector = Selector::of_spread(constraint, self.pod.namespace, labels, texts);
        let selector = self.coupling.intern_selector(selector, self.label_sets);
        Spread {
            counter: self.counter(Kind::Spread { selector, ground }),
            max_skew: i64::from(constraint.max_skew),
            min_domains: constraint.min_domains.unwrap_or(1).max(1) as u32,
        }
    }

    fn selector(&mut self, term: &PodAffinityTerm) -> SelectorId {
        let labels = self.label_sets.get(self.pod.labels);
        let selector = Selector::of_term(term, self.pod.namespace, labels, &mut self.coupling.texts);
        self.coupling.intern_selector(selector, self.label_sets)
    }

    fn counter(&mut self, kind: Kind) -> CounterId {
        self.coupling.intern_counter(kind, self.label_sets)
    }
}

fn required(
    spec: &PodSpec,
    side: impl Fn(&crate::api::core::Affinity) -> &Option<PodAffinity>,
) -> impl Iterator<Item = &PodAffinityTerm> {
    let terms = spec.affinity.as_ref().and_then(|affinity| side(affinity).as_ref());
    terms.into_iter().flat_map(|terms| &terms.required)
}

/// What is not expressly soft is binding.
fn binding(spec: &PodSpec) -> impl Iterator<Item = &TopologySpreadConstraint> {
    let constraints = spec.topology_spread_constraints.iter();
    constraints.filter(|constraint| constraint.when_unsatisfiable != Some(WhenUnsatisfiable::ScheduleAnyway))
}

/// Host ports of everything that runs as long as the pod does. In the network of the host, every port is one.
fn host_ports(spec: &PodSpec) -> impl Iterator<Item = (&ContainerPort, i32)> {
    let sidecars = spec.init_containers.iter().filter(|container| is_sidecar(container));
    let ports = spec.containers.iter().chain(sidecars).flat_map(|container: &Container| &container.ports);
    ports.filter_map(|port| match port.host_port {
        0 if spec.host_network && port.container_port > 0 => Some((port, port.container_port)),
        number if number > 0 => Some((port, number)),
        _ => None,
    })
}

fn sorted<T: Ord>(mut items: Vec<T>) -> Box<[T]> {
    items.sort_unstable();
    items.dedup();
    items.into()
}
