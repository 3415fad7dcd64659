//! Claims that a predecessor may still be writing. What it has sent may arrive after it is gone: give a claim devices that
//! were given to another claim meanwhile, or take devices back that a pod has been bound for.
//!
//! A leader protects a claim with the finalizer, and hears so, before it sends anything else for it; and what it sends names
//! the version of the claim. So claims are in question that have the finalizer, and pods that wait. Each is changed, by an
//! annotation that says of which version, before anything is granted: what is still under way for it is refused then.

use super::super::Engine;
use super::super::calls::{Lane, Purpose};
use super::super::request::{Answer, Request};
use crate::api::keys::TAKEN_OVER_AT;
use crate::api::kind::Kind;
use crate::cluster::Event;
use crate::cluster::devices::Version;
use serde_json::json;

impl Engine {
    /// All claims are known for the first time.
    pub(in crate::engine) fn fence_claims(&mut self) {
        for (claim, version) in self.scheduler.cluster().claims_in_question() {
            self.commitments.granting.fences.insert(claim.clone());
            self.fence(&claim, version);
        }
    }

    fn fence(&mut self, claim: &str, Version { uid, version }: Version) {
        let (namespace, name) = claim.split_once('/').unwrap_or(("", claim));
        let body = json!({ "metadata": {
            "uid": uid, "resourceVersion": version, "annotations": { TAKEN_OVER_AT: version },
        } });
        let request = Request::merge(Kind::ResourceClaim, namespace, name, "", body);
        self.send(Lane::Devices, Purpose::Fence { claim: claim.to_owned() }, request);
    }

    /// A claim has been fenced or looked at, or not.
    pub(in crate::engine) fn claim_fenced(&mut self, claim: &str, request: &Request, answer: Answer) {
        let (namespace, name) = claim.split_once('/').unwrap_or(("", claim));
        match answer {
            Answer::Done(value) => {
                self.show_claim(value);
                let mut found = self.scheduler.cluster().claims_in_question();
                if let Some(version) = found.remove(claim).filter(|_| !request.writes()) {
                    return self.fence(claim, version);
                }
            }
            Answer::Refused { code: 404, .. } => {
                self.scheduler.apply(Event::DeviceClaimGone { namespace, name });
            }
            Answer::Refused { code: 409 | 429 | 500.., .. } | Answer::Unknown(_) => {
                let look = Request::get(Kind::ResourceClaim, namespace, name);
                let purpose = Purpose::Fence { claim: claim.to_owned() };
                return self.send_at(self.now.elapsed + super::AGAIN, Lane::Devices, purpose, look);
            }
            // Whoever may not write claims grants nothing.
            answer => {
                let text = "what an earlier leader has sent for it may still arrive";
                self.failed(request.to_string(), answer, text);
            }
        }
        self.commitments.granting.fences.remove(claim);
        self.next_turn();
    }
}
