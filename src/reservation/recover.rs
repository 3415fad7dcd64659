//! A reservation from the record of another leader, and from what the API shows of its pods.
//!
//! Taking over begins with writing the record again under our epoch, at the resourceVersion it was found at. From then
//! on no write of the predecessor to this PodGroup can take effect, and a bind of it that is still on its way does what
//! the record says. Until such a bind can be ruled out, every member found unbound is in doubt.

use super::effect::Report;
use super::gang::{Context, Gang};
use super::input::{BoundPod, GangKey, GroupFacts, PodFacts, Promise, Recovered, RecoveredPod};
use super::member::Member;
use super::phase::Phase;
use super::record::{Record, RecordState};
use super::writer::RecordWriter;
use crate::scheduler::{PodRef, Scheduler};
use std::collections::BTreeMap;
use std::time::Duration;

impl Recovered {
    /// A record that was found, and all that is known of the gang's pods. Takes the capacity that the record promises, as
    /// far as it is unfinished, not of an epoch after `epoch`, and there is room.
    pub fn take(
        gang: GangKey,
        group: GroupFacts,
        pods: Vec<PodFacts>,
        epoch: u64,
        scheduler: &mut Scheduler,
    ) -> Recovered {
        let record = group.record.as_deref().and_then(|text| Record::decode(text).ok());
        let unfinished = record.filter(|record| record.state != RecordState::Done && record.epoch <= epoch);
        let taken = pods.into_iter().map(|facts| {
            let entry = unfinished.iter().flat_map(|record| &record.entries).find(|entry| {
                entry.name == facts.pod.name && entry.uid.as_deref() == Some(facts.pod.uid.as_str())
            });
            let (taken, usable) = match (entry, &facts.node) {
                (Some(entry), None) => {
                    let usable = scheduler.is_usable(&facts.pod, &entry.node);
                    (scheduler.promise(&facts.pod, &entry.node), usable)
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
        Recovered { gang, group, pods, bound }
    }
}

impl Gang {
    /// `None` if nothing is left to do, or it is not for us to do; what was taken for it is given back.
    /// This leader `began` when no other led any more: whatever others sent was sent before.
    pub(super) fn recovered(
        id: u64,
        recovered: Recovered,
        began: Duration,
        cx: &mut Context<'_>,
    ) -> Option<Gang> {
        let Recovered { gang: key, group, pods, bound } = recovered;
        let record = match Record::decode(group.record.as_deref()?) {
            Ok(record) if record.state == RecordState::Done => return None,
            Ok(record) if record.epoch > cx.epoch => {
                cx.report(&key, Report::Superseded { epoch: record.epoch });
                return None;
            }
            Ok(record) => record,
            Err(error) => {
                cx.report(&key, Report::RecordUnreadable(error));
                return None;
            }
        };
        let phase = match record.state {
            RecordState::RollingBack => Phase::RollingBack,
            _ => Phase::Binding,
        };
        let mut gang = Gang::empty(id, key, phase, cx);
        (gang.domain, gang.tier) = (record.domain, record.tier);
        gang.set_minimum(&group.minimum, group.generation);
        let mut writer = RecordWriter::new(&group, true, cx.now);
        let revision = writer.want();
        gang.writer = Some(writer);
        let pods: BTreeMap<&str, _> = pods.iter().map(|pod| (pod.facts.pod.name.as_str(), pod)).collect();
        for entry in record.entries {
            let Some(uid) = entry.uid.clone() else {
                gang.remembered.push(entry);
                continue;
            };
            let found = pods.get(entry.name.as_str()).filter(|pod| pod.facts.pod.uid == uid);
            let pod = PodRef { namespace: gang.key.namespace.clone(), name: entry.name, uid };
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
        Some(gang)
    }
}
