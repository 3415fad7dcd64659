//! Gangs that the scenario makes by the thousand. They go through the production scheduler like all others, but are
//! kept as a few numbers each instead of as JSON, and their pods run the moment they are bound.

use super::Simulation;
use crate::api::core::{Container, Pod, PodPhase, PodSpec, PodStatus, ResourceRequirements};
use crate::api::keys;
use crate::api::meta::ObjectMeta;
use crate::api::pod_group::{PodGroup, PodGroupSpec, PodGroupStatus, SubGroupPolicy};
use crate::apiserver::{Key, Kind};
use crate::cluster::Event;
use crate::scheduler::GangPlacement;
use crate::simulation::agenda::Task;
use crate::simulation::generate::{padded, width};
use crate::simulation::random::Random;
use crate::simulation::scenario::{GangSource, Range, Scenario};
use crate::simulation::time::{Millis, print_timestamp};
use crate::words::counted;
use rustc_hash::FxHashMap;
use std::fmt::Write;
use std::mem::take;
use std::sync::Arc;

/// Label of the made pods: the part of the gang that a pod belongs to.
const PART: &str = "volcano.sh/partition-id";

/// The made gangs.
#[derive(Debug, Default)]
pub(crate) struct MadeGangs {
    sources: Vec<GangTemplate>,
    /// Gangs that have come, in the order in which they came.
    pub(crate) gangs: Vec<MadeGang>,
    /// `namespace/name` of those that have not ended.
    by_name: FxHashMap<Box<str>, usize>,
    nodes: FxHashMap<Box<str>, Arc<str>>,
}

/// A kind of gangs, with its pod and its PodGroup as templates.
#[derive(Debug)]
struct GangTemplate {
    rules: GangSource,
    pod: Pod,
    /// The pod's template once more, for pods that have a node.
    bound: Pod,
    group: PodGroup,
    random: Random,
    /// Gangs that have come.
    come: u32,
}

/// One gang.
#[derive(Debug)]
pub(crate) struct MadeGang {
    source: u32,
    number: u32,
    /// The node of each pod; `None` for pods that wait.
    pub(crate) nodes: Vec<Option<Arc<str>>>,
    /// When it came.
    pub(crate) came: Millis,
    /// When its minimum was placed.
    pub(crate) placed: Option<Millis>,
    /// When it ended.
    pub(crate) ended: Option<Millis>,
    /// What the scheduler last said of it.
    pub(crate) status: PodGroupStatus,
}

impl MadeGangs {
    pub(super) fn new(scenario: &Scenario, start: i64) -> MadeGangs {
        let sources = scenario.gangs.iter().map(|rules| GangTemplate::new(rules, scenario.seed, start));
        MadeGangs { sources: sources.collect(), ..MadeGangs::default() }
    }

    /// When the first gang of each source comes.
    pub(super) fn first_arrivals(&self) -> Vec<(usize, Millis)> {
        let sources = self.sources.iter().enumerate().filter(|(_, source)| source.rules.count > 0);
        sources.map(|(index, source)| (index, source.rules.arrival.first)).collect()
    }

    /// The namespace and the name of a gang.
    pub(crate) fn name(&self, gang: &MadeGang) -> (&str, String) {
        let source = &self.sources[gang.source as usize];
        (&source.rules.namespace, source.gang_name(gang.number))
    }

    /// The gang's pods as objects, and its PodGroup.
    pub(crate) fn objects(&self, gang: &MadeGang) -> (PodGroup, Vec<Pod>) {
        let source = &self.sources[gang.source as usize];
        let mut group = source.group.clone();
        let name = source.gang_name(gang.number);
        source.shape_group(&mut group, &name, gang.number, gang.nodes.len());
        group.status = gang.status.clone();
        let pods = gang.nodes.iter().enumerate().map(|(index, node)| {
            let mut pod = source.pod.clone();
            source.shape_pod(&mut pod, &name, index, gang.nodes.len());
            if let Some(node) = node {
                run_on(&mut pod, node);
            }
            pod
        });
        (group, pods.collect())
    }

    fn node(&mut self, name: &str) -> Arc<str> {
        match self.nodes.get(name) {
            Some(node) => node.clone(),
            None => {
                let node: Arc<str> = name.into();
                self.nodes.insert(name.into(), node.clone());
                node
            }
        }
    }
}

impl GangTemplate {
    fn new(rules: &GangSource, seed: u64, start: i64) -> GangTemplate {
        let created = Some(print_timestamp(start));
        let metadata = || ObjectMeta {
            namespace: rules.namespace.clone(),
            generation: 1,
            creation_timestamp: created.clone(),
            ..ObjectMeta::default()
        };
        let resources = ResourceRequirements { requests: rules.requests.clone(), ..Default::default() };
        let pod = Pod {
            metadata: metadata(),
            spec: PodSpec {
                containers: vec![Container { name: "main".into(), resources, ..Container::default() }],
                node_selector: rules.node_selector.clone(),
                tolerations: rules.tolerations.clone(),
                scheduler_name: Some(rules.scheduler_name.clone()),
                priority_class_name: rules.priority_class_name.clone(),
                ..PodSpec::default()
            },
            status: PodStatus { phase: Some(PodPhase::Pending), ..PodStatus::default() },
        };
        let parts = rules.sub_group.as_ref().map(|part| SubGroupPolicy {
            name: "part".into(),
            sub_group_size: Some(part.size as i32),
            match_label_keys: vec![PART.to_owned()],
            network_topology: part.topology.clone(),
            ..SubGroupPolicy::default()
        });
        let spec = PodGroupSpec {
            queue: rules.queue.clone(),
            priority_class_name: rules.priority_class_name.clone(),
            network_topology: rules.topology.clone(),
            sub_group_policy: parts.into_iter().collect(),
            ..PodGroupSpec::default()
        };
        let group = PodGroup { metadata: metadata(), spec, status: PodGroupStatus::default() };
        let random = Random::new(seed, &format!("gangs/{}/{}", rules.namespace, rules.name));
        GangTemplate { rules: rules.clone(), bound: pod.clone(), pod, group, random, come: 0 }
    }

    fn gang_name(&self, number: u32) -> String {
        format!("{}-{}", self.rules.name, padded(number as usize, self.rules.count as usize))
    }

    fn minimum(&self, size: usize) -> u32 {
        self.rules.min_member.unwrap_or(size as u32).min(size as u32)
    }

    fn shape_group(&self, group: &mut PodGroup, gang: &str, number: u32, size: usize) {
        gang.clone_into(&mut group.metadata.name);
        group.metadata.uid = format!("made-group-{}-{number}", self.rules.name);
        let minimum = self.minimum(size);
        group.spec.min_member = Some(minimum as i32);
        if let (Some(policy), Some(part)) = (group.spec.sub_group_policy.first_mut(), &self.rules.sub_group) {
            policy.min_sub_groups = Some((minimum / part.size.max(1)) as i32);
        }
    }

    /// Turns the template (or the last pod made of it) into another pod of a gang. Texts are written in place: this runs
    /// several times for every pod.
    fn shape_pod(&self, pod: &mut Pod, gang: &str, index: usize, size: usize) {
        let ObjectMeta { name, uid, labels, annotations, .. } = &mut pod.metadata;
        name.clear();
        uid.clear();
        let width = width(size);
        let _ = write!(name, "{gang}-{index:0width$}");
        // The index is read back from here when the pod is bound.
        let _ = write!(uid, "made-pod-{gang}.{index}");
        if let Some(part) = &self.rules.sub_group {
            let label = labels.entry(PART.to_owned()).or_default();
            label.clear();
            let _ = write!(label, "{}", index as u32 / part.size.max(1));
        }
        gang.clone_into(annotations.entry(keys::GROUP_NAME.to_owned()).or_default());
    }
}

fn run_on(pod: &mut Pod, node: &str) {
    node.clone_into(pod.spec.node_name.get_or_insert_default());
    pod.status.phase = Some(PodPhase::Running);
}

impl Simulation {
    /// The next gang of a source comes.
    pub(super) fn arrive(&mut self, source_index: usize) {
        let source = &mut self.made_gangs.sources[source_index];
        let number = source.come;
        source.come += 1;
        let size = match source.rules.size {
            Some(size) => size,
            None => source.rules.sizes[source.random.below(source.rules.sizes.len() as u64) as usize],
        } as usize;
        let next = (source.come < source.rules.count).then(|| {
            let Range(low, high) = source.rules.arrival.every;
            source.random.within(Range(low, high))
        });
        let gang = source.gang_name(number);
        // The templates are taken out for as long as they are written to.
        let (mut group, mut pod) = (take(&mut source.group), take(&mut source.pod));
        source.shape_group(&mut group, &gang, number, size);
        self.scheduling.engine.tell_scheduler(Event::PodGroup(&group));
        for index in 0..size {
            source.shape_pod(&mut pod, &gang, index, size);
            self.scheduling.engine.tell_scheduler(Event::Pod(&pod));
        }
        let name = format!("{}/{gang}", source.rules.namespace);
        (source.group, source.pod) = (group, pod);
        let made = MadeGang {
            source: source_index as u32,
            number,
            nodes: vec![None; size],
            came: self.now,
            placed: None,
            ended: None,
            status: PodGroupStatus::default(),
        };
        self.made_gangs.by_name.insert(name.into(), self.made_gangs.gangs.len());
        self.made_gangs.gangs.push(made);
        if let Some(delay) = next {
            self.plan_in(delay, Task::Arrive(source_index));
        }
    }

    /// Shows the made gangs to a scheduler that knows nothing.
    pub(super) fn show_crowd(&mut self) {
        for gang in self.made_gangs.gangs.iter().filter(|gang| gang.ended.is_none()) {
            let (group, pods) = self.made_gangs.objects(gang);
            self.scheduling.engine.tell_scheduler(Event::PodGroup(&group));
            pods.iter().for_each(|pod| self.scheduling.engine.tell_scheduler(Event::Pod(pod)));
        }
    }

    /// Binds pods of a made gang. False if the gang is none of them.
    pub(super) fn place_crowd(&mut self, placement: &GangPlacement) -> bool {
        let Some(&index) = self.made_gangs.by_name.get(placement.gang.as_str()) else { return false };
        let source = self.made_gangs.gangs[index].source as usize;
        let number = self.made_gangs.gangs[index].number;
        let size = self.made_gangs.gangs[index].nodes.len();
        let gang = self.made_gangs.sources[source].gang_name(number);
        let mut pod = take(&mut self.made_gangs.sources[source].bound);
        for bind in &placement.pods {
            let Some((_, pod_index)) = bind.pod.uid.rsplit_once('.') else { continue };
            let Ok(pod_index) = pod_index.parse::<usize>() else { continue };
            self.made_gangs.sources[source].shape_pod(&mut pod, &gang, pod_index, size);
            run_on(&mut pod, &bind.node);
            self.scheduling.engine.tell_scheduler(Event::Pod(&pod));
            let node = self.made_gangs.node(&bind.node);
            self.made_gangs.gangs[index].nodes[pod_index] = Some(node);
        }
        self.made_gangs.sources[source].bound = pod;
        if self.made_gangs.gangs[index].placed.is_none() {
            self.made_gangs.gangs[index].placed = Some(self.now);
            let source = &mut self.made_gangs.sources[source];
            if let Some(range) = source.rules.duration {
                let duration = source.random.within(range);
                self.plan_in(duration, Task::Depart(index));
            }
        }
        true
    }

    /// A made gang ends and gives its nodes back.
    pub(super) fn depart(&mut self, index: usize) {
        let gang = &mut self.made_gangs.gangs[index];
        gang.ended = Some(self.now);
        // Nobody asks what was said of a gang that has ended: of tens of thousands that is most of what is kept of them.
        gang.status = PodGroupStatus::default();
        let (number, size) = (gang.number, gang.nodes.len());
        let source = &self.made_gangs.sources[gang.source as usize];
        let (namespace, name) = (source.rules.namespace.clone(), source.gang_name(number));
        let (mut pod, width) = (String::new(), width(size));
        for index in 0..size {
            pod.clear();
            let _ = write!(pod, "{name}-{index:0width$}");
            self.scheduling.engine.tell_scheduler(Event::PodGone { namespace: &namespace, name: &pod });
        }
        self.scheduling.engine.tell_scheduler(Event::PodGroupGone { namespace: &namespace, name: &name });
        self.made_gangs.by_name.remove(format!("{namespace}/{name}").as_str());
        if self.history.brief {
            return;
        }
        let key = Key::new(Kind::PodGroup, &namespace, &name);
        self.note(
            "kubelet",
            &key,
            "Normal",
            "Ended",
            format!("{} ran for the time that was set", counted(size, "pod")),
        );
    }

    /// Keeps the status of a made gang. False if the gang is none of them.
    pub(super) fn crowd_status(&mut self, namespace: &str, name: &str, status: &PodGroupStatus) -> bool {
        let Some(&index) = self.made_gangs.by_name.get(format!("{namespace}/{name}").as_str()) else {
            return false;
        };
        let gang = &mut self.made_gangs.gangs[index];
        gang.status = status.clone();
        let (number, size) = (gang.number, gang.nodes.len());
        let source = &mut self.made_gangs.sources[gang.source as usize];
        let mut group = take(&mut source.group);
        source.shape_group(&mut group, name, number, size);
        group.status = status.clone();
        self.scheduling.engine.tell_scheduler(Event::PodGroup(&group));
        group.status = PodGroupStatus::default();
        self.made_gangs.sources[self.made_gangs.gangs[index].source as usize].group = group;
        true
    }
}
