//! Who sits on which node, and in which colour.

use crate::cluster::gangs::GangKind;
use crate::cluster::ids::{NodeId, ResourceId};
use crate::simulation::engine::Simulation;
use crate::simulation::report::{Report, rows::scarce};
use std::collections::BTreeMap;

/// Looks that gangs are told apart by; more gangs share them.
const LOOKS: usize = 24;

/// Who sits somewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Who {
    /// A PodGroup: its index in the report.
    Gang(u32),
    /// Pods of ours without a PodGroup.
    Alone,
    /// Pods of other schedulers.
    Others,
}

/// What one of them has on one node.
#[derive(Clone, Debug)]
pub(super) struct Seat<'a> {
    pub(super) who: Who,
    /// How much of the scarce resource.
    pub(super) amount: i64,
    /// Names of the pods, in natural order.
    pub(super) pods: Vec<&'a str>,
}

/// All seats.
#[derive(Debug)]
pub(super) struct Seats<'a> {
    /// The resource that is counted.
    pub(super) resource: ResourceId,
    /// By node: who sits there, gangs first.
    by_node: Vec<Vec<Seat<'a>>>,
    /// By PodGroup of the report: its look; `None` where it sits nowhere.
    looks: Vec<Option<usize>>,
    names: Vec<String>,
}

impl<'a> Seats<'a> {
    pub(super) fn of(run: &'a Simulation, report: &Report) -> Seats<'a> {
        let cluster = run.scheduler().cluster();
        let (view, resource) = (cluster.view(), scarce(run));
        let names: Vec<String> =
            report.pod_groups.iter().map(|group| format!("{}/{}", group.namespace, group.name)).collect();
        let index: BTreeMap<&str, u32> = names.iter().map(String::as_str).zip(0..).collect();
        let mut by_node: Vec<Vec<Seat<'a>>> = vec![Vec::new(); cluster.nodes().len()];
        let mut looks = vec![None; names.len()];
        for (_, pod) in cluster.pods().iter() {
            let Some(node) = pod.holds() else { continue };
            let who = match pod.gang.and_then(|gang| cluster.gangs().get(gang)) {
                None => Who::Others,
                Some(gang) if gang.kind == GangKind::Pod => Who::Alone,
                Some(gang) => index.get(&*gang.key).map_or(Who::Alone, |&gang| Who::Gang(gang)),
            };
            let requests = &view.classes.get(pod.class).requests;
            let amount = requests.iter().find(|(id, _)| *id == resource).map_or(0, |&(_, amount)| amount);
            if let Who::Gang(gang) = who {
                looks[gang as usize] = Some(0);
            }
            let seats = &mut by_node[node.index()];
            match seats.iter_mut().find(|seat| seat.who == who) {
                Some(seat) => {
                    seat.amount += amount;
                    seat.pods.push(pod.name());
                }
                None => seats.push(Seat { who, amount, pods: vec![pod.name()] }),
            }
        }
        for seats in &mut by_node {
            seats.sort_by_key(|seat| seat.who);
            for seat in seats {
                seat.pods.sort_by(|a, b| crate::cluster::natural::compare(a, b));
            }
        }
        for (number, look) in looks.iter_mut().flatten().enumerate() {
            *look = number % LOOKS;
        }
        Seats { resource, by_node, looks, names }
    }

    /// Who sits on a node.
    pub(super) fn on(&self, node: NodeId) -> &[Seat<'a>] {
        self.by_node.get(node.index()).map_or(&[], Vec::as_slice)
    }

    /// Does anything of ours sit on the node?
    pub(super) fn is_ours(&self, node: NodeId) -> bool {
        self.on(node).iter().any(|seat| seat.who != Who::Others)
    }

    /// The class that colours it.
    pub(super) fn look(&self, who: Who) -> String {
        match who {
            Who::Gang(gang) => match self.looks.get(gang as usize).copied().flatten() {
                Some(look) => format!("k{look}"),
                None => "kn".into(),
            },
            Who::Alone => "ka".into(),
            Who::Others => "ko".into(),
        }
    }

    /// Its name: `namespace/name` of a PodGroup.
    pub(super) fn name(&self, who: Who) -> &str {
        match who {
            Who::Gang(gang) => self.names.get(gang as usize).map_or("", String::as_str),
            Who::Alone => "pods without a gang",
            Who::Others => "other schedulers",
        }
    }

    /// Gangs that sit somewhere, as indices of the report.
    pub(super) fn seated(&self) -> impl Iterator<Item = u32> {
        self.looks.iter().zip(0..).filter(|(look, _)| look.is_some()).map(|(_, gang)| gang)
    }

    /// Does anybody of this kind sit anywhere?
    pub(super) fn has(&self, who: Who) -> bool {
        self.by_node.iter().flatten().any(|seat| seat.who == who)
    }
}
