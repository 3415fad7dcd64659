//! What is under way: room that is kept for gangs until others have left, and for gangs that were moved until their pods are made
//! again.

use super::moving::Moves;
use crate::api::time::Timestamp;
use crate::cluster::Room;
use crate::cluster::gangs::GangRecord;
use crate::cluster::ids::{GangId, PodId};
use crate::cluster::pods::PodRecord;
use crate::placement::Assignment;
use crate::scheduler::gang::Hold;
use crate::scheduler::reason::Reason;
use crate::scheduler::waiting::Round;
use crate::scheduler::{Cycle, Scheduler};
use crate::words::counted;

/// So many seconds after the pods of a moved gang are gone, room is kept for those that replace them.
const PATIENCE: i64 = 60;

/// Room that is kept for a gang.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plan {
    /// The number of the gang's arrival: another gang of its name is another one.
    sequence: u64,
    /// Is it kept for pods that are to be made again, since those that there were are moved?
    is_moved: bool,
    /// When it ends for lack of such pods; `None` as long as those that leave are there.
    until: Option<Timestamp>,
}

/// What a gang that room is kept for waits for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Because {
    /// Pods that are leaving anyway.
    Leaving,
    /// So many pods that leave for it.
    Victims { evicted: usize, moved: usize },
}

impl Scheduler {
    /// Drops what is over: pods that have left, and plans of gangs that are gone or want nothing more.
    pub(in crate::scheduler) fn refresh_claims(&mut self) {
        let Scheduler { claims, cluster, now, .. } = self;
        (claims.freed, claims.refused) = Default::default();
        claims.leaving.retain(|&pod, uid| {
            cluster.pods().get(pod).is_some_and(|record| record.uid == *uid && record.holds().is_some())
        });
        let mut over = Vec::new();
        for (&gang, plan) in &mut claims.plans {
            let record = cluster.gangs().get(gang).filter(|record| record.sequence == plan.sequence);
            let is_under_way = record.is_some_and(|record| {
                let pods = || record.pods.iter().filter_map(|&pod| Some((pod, cluster.pods().get(pod)?)));
                let wanting = pods().filter(|(_, pod)| pod.wants_node()).count();
                if !plan.is_moved {
                    return wanting > 0;
                }
                let is_ending = record.group.as_ref().is_none_or(|group| group.deleting);
                if pods().any(|(pod, _)| claims.leaving.contains_key(&pod)) {
                    return !is_ending;
                }
                plan.until = plan.until.or(now.map(|now| now.plus(PATIENCE)));
                let is_late = plan.until.zip(*now).is_none_or(|(until, now)| now >= until);
                !is_ending && (!is_late || wanting > 0)
            });
            if !is_under_way {
                over.push(gang);
            }
        }
        claims.why.retain(|&gang, _| cluster.gangs().get(gang).is_some());
        for gang in over {
            self.revoke(gang);
        }
    }

    /// Gangs that room is kept for.
    pub(in crate::scheduler) fn planned(&self) -> impl Iterator<Item = GangId> {
        self.claims.plans.keys().copied()
    }

    /// When room that is kept for pods which are to be made again is let go.
    pub(in crate::scheduler) fn plans_end(&self) -> impl Iterator<Item = Timestamp> {
        self.claims.plans.values().filter_map(|plan| plan.until)
    }

    /// Is room kept for a gang whose pods are moved, and not all made again yet? Nothing is decided for it meanwhile.
    pub(in crate::scheduler) fn awaits_moved(&self, id: GangId) -> bool {
        let Some(plan) = self.claims.plans.get(&id).filter(|plan| plan.is_moved) else { return false };
        let Some(gang) = self.cluster.gangs().get(id) else { return false };
        let is_late = plan.until.zip(self.now).is_some_and(|(until, now)| now >= until);
        !is_late && wanting(self, gang) < self.cluster.promised_to(id).len()
    }

    /// Lets go of what is kept for a gang while it is tried. Returns whether anything was.
    pub(in crate::scheduler) fn reopen_plan(&mut self, id: GangId) -> bool {
        let had_room = self.claims.plans.remove(&id).is_some();
        if had_room {
            self.cluster.take_promise_back(id);
            self.recount(id);
        }
        had_room
    }

    fn revoke(&mut self, id: GangId) {
        self.claims.plans.remove(&id);
        let room = self.cluster.take_promise_back(id);
        self.cluster.mark_gained(room.into_iter().map(|room| room.node));
        self.recount(id);
    }

    /// Keeps room for a gang and says what it waits for.
    pub(super) fn keep_for(
        &mut self,
        id: GangId,
        sequence: u64,
        places: Vec<Assignment>,
        because: Because,
        round: &mut Round,
        cycle: &mut Cycle,
    ) {
        let pods = self.keep_places(id, &places, Plan { sequence, is_moved: false, until: None });
        self.claims.why.remove(&id);
        let message = format!("room for {} is kept while {}", counted(pods, "pod"), because.told());
        self.hold(id, Hold { reason: Reason::WaitingForVictims, message }, round, cycle);
    }

    /// Keeps room for the pods of gangs that are moved.
    pub(super) fn keep_for_moved(&mut self, moves: &Moves) {
        for mover in &moves.movers {
            let changes = self.freed();
            let Scheduler { placer, cluster, rules, .. } = self;
            let Some(places) = mover.place(cluster, placer, rules, &changes) else { continue };
            let Some(sequence) = self.cluster.gangs().get(mover.gang).map(|gang| gang.sequence) else {
                continue;
            };
            self.keep_places(mover.gang, &places, Plan { sequence, is_moved: true, until: None });
        }
    }

    /// Keeps these places for a gang. Returns for how many pods.
    fn keep_places(&mut self, id: GangId, places: &[Assignment], plan: Plan) -> u32 {
        let class = |pod: PodId| self.cluster.pods().get(pod).map(|record| record.class);
        let room = places.iter().filter_map(|it| Some(Room { node: it.node, class: class(it.pod)? }));
        let room: Vec<Room> = room.collect();
        let pods = room.len() as u32;
        self.cluster.promise_room(id, room);
        self.claims.plans.insert(id, plan);
        self.recount(id);
        pods
    }
}

impl Because {
    fn told(self) -> String {
        let gone = |count: usize, how: &str| {
            format!(
                "{} of others {} {how} for it",
                counted(count, "pod"),
                if count == 1 { "is" } else { "are" }
            )
        };
        match self {
            Because::Leaving => "pods that are leaving free it".to_owned(),
            Because::Victims { evicted, moved: 0 } => gone(evicted, "evicted"),
            Because::Victims { evicted: 0, moved } => gone(moved, "moved"),
            Because::Victims { evicted, moved } => format!("{} and {moved} moved", gone(evicted, "evicted")),
        }
    }
}

fn wanting(scheduler: &Scheduler, gang: &GangRecord) -> usize {
    let pods = gang.pods.iter().filter_map(|&pod| scheduler.cluster.pods().get(pod));
    pods.filter(|pod| PodRecord::wants_node(pod)).count()
}
