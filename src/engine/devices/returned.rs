//! Devices that are given back: of pods that have given their node up, and of pods that wait and cannot use what an earlier
//! attempt has left them with.

use super::super::Engine;
use super::super::calls::{Lane, Purpose};
use super::super::request::{Answer, Request};
use crate::api::kind::Kind;
use crate::scheduler::PodRef;
use serde_json::json;
use std::collections::BTreeSet;
use std::time::Duration;

impl Engine {
    /// A pod has given its node up: what was reserved for it is given back.
    pub(in crate::engine) fn return_devices(&mut self, pod: &PodRef) {
        if !self.scheduler.cluster().uses_devices() {
            return;
        }
        self.commitments.granting.look_again();
        self.commitments.granting.told.remove(&pod.uid);
        for claim in self.scheduler.reserved_devices(pod) {
            self.begin_return(claim, pod);
        }
    }

    /// Pods wait, since there is no room for them: what only they hold of devices, from an attempt that was cut off, is in
    /// the way of others and perhaps of themselves.
    pub(in crate::engine) fn free_stuck_devices(&mut self, pods: &[PodRef]) {
        if !self.scheduler.cluster().uses_devices() {
            return;
        }
        for pod in pods {
            let claims = self.scheduler.stuck_devices(pod);
            // A bind of it may still take effect.
            let in_doubt = self.commitments.reservations.gang_of(pod).is_some_and(|gang| {
                self.commitments.reservations.unbound(gang).any(|(member, _)| member.uid == pod.uid)
            });
            if in_doubt && !claims.is_empty() {
                self.commitments.granting.stuck.push(pod.clone());
                continue;
            }
            for claim in claims {
                self.begin_return(claim, pod);
            }
        }
    }

    /// Pods whose devices could not be given back before may have lost their reservation.
    pub(in crate::engine) fn free_what_was_stuck(&mut self) {
        let pods = std::mem::take(&mut self.commitments.granting.stuck);
        self.free_stuck_devices(&pods);
    }

    fn begin_return(&mut self, claim: String, pod: &PodRef) {
        let returning = self.commitments.granting.returning.entry(claim.clone()).or_default();
        let is_under_way = !returning.is_empty();
        if !returning.contains(pod) {
            returning.push(pod.clone());
        }
        if !is_under_way {
            self.return_claim(&claim);
        }
    }

    fn return_claim(&mut self, claim: &str) {
        let Some(pods) = self.commitments.granting.returning.get(claim) else { return };
        // Who has got a node meanwhile keeps what it has.
        let waiting = pods.iter().filter(|pod| self.scheduler.waits(pod));
        let uids: BTreeSet<String> = waiting.map(|pod| pod.uid.clone()).collect();
        let left = (!uids.is_empty()).then(|| self.scheduler.cluster().without_users(claim, &uids)).flatten();
        let Some(left) = left else {
            self.commitments.granting.returning.remove(claim);
            return;
        };
        let status = match left.users.is_empty() {
            true => json!({ "allocation": null, "reservedFor": null, "devices": null }),
            false => json!({ "reservedFor": left.users }),
        };
        let body = json!({ "metadata": { "resourceVersion": left.version }, "status": status });
        let (namespace, name) = claim.split_once('/').unwrap_or(("", claim));
        let request = Request::merge(Kind::ResourceClaim, namespace, name, "status", body);
        let purpose = Purpose::Return { claim: claim.to_owned() };
        self.send(Lane::Devices, purpose, request);
        if let Some((pod, uid)) = left.made_for {
            let body =
                json!({ "metadata": { "uid": uid }, "status": { "extendedResourceClaimStatus": null } });
            let request = Request::merge(Kind::Pod, namespace, &pod, "status", body);
            self.send(Lane::Statuses, Purpose::Tell, request);
        }
    }

    /// A claim has been given back, or not.
    pub(in crate::engine) fn claim_returned(&mut self, claim: &str, request: &Request, answer: Answer) {
        let (namespace, name) = claim.split_once('/').unwrap_or(("", claim));
        match answer {
            Answer::Done(value) => {
                self.show_claim(value);
                self.return_claim(claim);
            }
            Answer::Refused { code: 404, .. } => {
                self.commitments.granting.returning.remove(claim);
            }
            // Also where somebody else has written the claim, who may be about to bind the pod: that is seen by then.
            Answer::Refused { code: 409 | 429 | 500.., .. } | Answer::Unknown(_) => {
                let request = Request::get(Kind::ResourceClaim, namespace, name);
                let purpose = Purpose::Return { claim: claim.to_owned() };
                let at = self.now.elapsed + Duration::from_secs(2);
                self.send_at(at, Lane::Devices, purpose, request);
            }
            answer => {
                self.commitments.granting.returning.remove(claim);
                self.failed(request.to_string(), answer, "devices stay allocated for a pod that has no node");
            }
        }
    }
}
