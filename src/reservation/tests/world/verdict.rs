//! What must hold while the world goes on, and when it has settled.

use super::super::super::{Count, GangKey, Outcome, Phase};
use super::super::instance::{Core, group_key};
use super::World;

impl World {
    pub(super) fn violation(&mut self) -> Option<String> {
        if let Some(violation) = self.server.violations.pop() {
            return Some(violation);
        }
        self.instances.iter_mut().filter_map(|i| i.core.as_mut()).find_map(|core| core.violations.pop())
    }

    pub(super) fn leader(&self) -> Option<&Core> {
        self.instances.iter().find_map(|instance| instance.core.as_ref())
    }

    /// The journal is being sealed, or there are reservations that should go on by themselves: all but those that are held.
    pub(super) fn in_progress(&self) -> bool {
        match self.leader() {
            None => true,
            Some(core) => !core.recovered || core.reservations.gangs().any(|(gang, _)| !self.is_held(gang)),
        }
    }

    /// A gang below its minimum with bound pods that nothing would recreate.
    pub(super) fn is_held(&self, gang: &GangKey) -> bool {
        let Some(wanted) = self.wanted.get(&gang.name) else { return false };
        !wanted.recreated
            && self.now > self.faults.until + 40_000
            && self.server.pods_of(&gang.name).any(|(_, pod)| pod.counts() && !pod.foreign)
    }

    pub(super) fn open_gangs(&self) -> Vec<(String, Phase)> {
        let open = self
            .leader()
            .map(|core| core.reservations.gangs().map(|(gang, phase)| (gang.to_string(), phase)).collect());
        open.unwrap_or_default()
    }

    pub(super) fn judge_end(&mut self) -> Result<(), String> {
        for instance in &mut self.instances {
            if let Some(core) = &mut instance.core {
                core.audit();
                for (outcome, count) in &core.outcomes {
                    let name = match outcome {
                        Outcome::Bound => "ended: bound",
                        Outcome::Partly => "ended: partly",
                        Outcome::RolledBack => "ended: rolled back",
                        Outcome::Abandoned => "ended: abandoned",
                        Outcome::GroupGone => "ended: group gone",
                    };
                    self.tried.add(name, *count);
                }
                core.reports.iter().for_each(|(name, count)| self.tried.add(name, *count));
            }
        }
        self.tried.add("runs", 1);
        self.tried.add("binds", self.server.binds);
        self.tried.add("journal writes of deposed leaders refused", self.server.sealed_out);
        self.tried.add("evictions", self.server.evictions);
        self.tried.add("virtual seconds", self.now / 1000);
        if let Some(violation) = self.violation() {
            return Err(violation);
        }
        let Some(core) = self.leader() else { return Err("convergence: nobody leads".into()) };
        let mut seen = Vec::new();
        for (name, group) in &self.server.groups {
            let mut bound = Count::default();
            let ours = self.server.pods_of(name).filter(|(_, pod)| pod.counts());
            ours.clone().for_each(|(name, pod)| bound.add(&pod.role, self.server.subgroup(name).as_ref()));
            let foreign = ours.filter(|(_, pod)| pod.foreign).count() as u32;
            let phase = core.reservations.phase(&group_key(name));
            let whole = bound.short_of(&group.minimum).is_none();
            let what = match phase {
                Some(_) if self.is_held(&group_key(name)) => "gangs held",
                Some(phase) => return Err(format!("convergence: {name} is {phase:?} for ever")),
                None if whole => "gangs whole",
                None if bound.members <= foreign => "gangs waiting",
                None if group.ever_met => "gangs once whole, now below",
                None => {
                    return Err(format!(
                        "all-or-nothing: {name} has {bound:?} bound, its minimum is {:?}",
                        group.minimum
                    ));
                }
            };
            seen.push(what);
        }
        // What is over leaves with the next write, or soon.
        for record in self.server.records() {
            let phase = self.leader().and_then(|core| core.reservations.phase(&record.gang));
            if phase.is_none() {
                return Err(format!("convergence: {} is left with the record {record:?}", record.gang));
            }
        }
        seen.into_iter().for_each(|what| self.tried.add(what, 1));
        Ok(())
    }
}
