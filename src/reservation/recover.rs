//! A reservation from the record of an earlier leader, and from what the API shows of its pods.
//!
//! The journal is sealed by then: no write of the earlier leader can take effect any more, and a bind of it that is still
//! on its way does what the record says. Until such a bind can be ruled out, every member found unbound is in doubt.

use super::gang::{Context, Gang};
use super::input::{BoundPod, GroupFacts, PodFacts, Promise, Recovered, RecoveredPod};
use super::member::Member;
use super::phase::Phase;
use super::record::{Record, RecordState};
use super::writer::RecordWriter;
use crate::scheduler::{PodRef, Scheduler};
use std::collections::BTreeMap;
use std::time::Duration;

impl Recovered {
    /// A record that was found, and all that is known of the gang's pods. Takes the capacity that the record promises, as
    /// far as there is room.
    pub fn take(
        record: Record,
        group: Option<GroupFacts>,
        pods: Vec<PodFacts>,
        scheduler: &mut Scheduler,
    ) -> Recovered {
        let taken = pods.into_iter().map(|facts| {
            let entry = record
                .entries
                .iter()
                .find(|entry| entry.name == facts.pod.name && entry.uid == facts.pod.uid);
            let (taken, usable) = match (entry, &facts.node) {
                (Some(entry), None) => {
                    let is_usable = scheduler.is_usable(&facts.pod, &entry.node);
                    let promised = scheduler.promise(&facts.pod, &entry.node);
                    (promised.is_some(), promised == Some(true) && is_usable)
                }
                _ => (true, true),
            };
            let subgroup = scheduler.subgroup(&facts.pod);
            RecoveredPod { facts, taken, usable, subgroup }
        });
        let pods: Vec<RecoveredPod> = taken.collect();
        let bound = pods
            .iter()
            .filter(|pod| pod.facts.is_bound())
            .map(|pod| BoundPod {
                uid: pod.facts.pod.uid.clone(),
                role: pod.facts.role.clone(),
                subgroup: pod.subgroup.clone(),
            })
            .collect();
        Recovered { record, group, pods, bound }
    }
}

impl Gang {
    /// This leader `began` when no other led any more: whatever others sent was sent before.
    pub(super) fn recovered(id: u64, recovered: Recovered, began: Duration, cx: &mut Context<'_>) -> Gang {
        let Recovered { record, group, pods, bound } = recovered;
        let phase = match record.state {
            RecordState::RollingBack => Phase::RollingBack,
            // Plans are not reservations yet: they do not come here.
            RecordState::Binding | RecordState::Clearing => Phase::Binding,
        };
        let mut gang = Gang::empty(id, record.gang, phase, cx);
        (gang.domain, gang.tier) = (record.domain, record.tier);
        let writer = RecordWriter::left(cx.now);
        let revision = writer.written;
        gang.writer = Some(writer);
        match group {
            Some(group) => gang.set_minimum(&group.minimum, group.generation),
            None => gang.group_gone(),
        }
        let pods: BTreeMap<&str, _> = pods.iter().map(|pod| (pod.facts.pod.name.as_str(), pod)).collect();
        for entry in record.entries {
            let found = pods.get(entry.name.as_str()).filter(|pod| pod.facts.pod.uid == entry.uid);
            let pod = PodRef { namespace: gang.key.namespace.clone(), name: entry.name, uid: entry.uid };
            let (role, recreated) =
                found.map_or((String::new(), false), |pod| (pod.facts.role.clone(), pod.facts.recreated));
            let subgroup = found.and_then(|pod| pod.subgroup.clone());
            let promise = Promise { pod, node: entry.node, role, subgroup, recreated };
            let mut member = Member::new(promise, revision, cx.now);
            (member.doubt, member.inherited) = (Some(began + cx.settings.doubt), true);
            match found {
                Some(pod) => {
                    member.holds = pod.facts.node.is_none() && pod.taken;
                    member.unfit = !(pod.taken && pod.usable);
                    member.see(&pod.facts, &gang.key, cx.effects);
                }
                // The list may be older than the record: read before it is taken for gone.
                None => (member.holds, member.unfit, member.suspect) = (false, true, true),
            }
            gang.unbound += usize::from(member.is_unbound());
            gang.homeless |= member.is_unbound() && !member.holds;
            gang.members.push(member);
        }
        gang.set_others(&bound);
        gang.reschedule_all();
        gang
    }
}
