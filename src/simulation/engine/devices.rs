//! The claim controller of kube-controller-manager: claims to devices are made from templates for pods that name them, and
//! are tidied up when pods are over or gone.
//!
//! Claims are called `<pod>-<claim>`; the real controller adds five letters. What was reserved for a pod that is over is free;
//! a claim that nobody has any more loses its devices; claims that were made for a pod go with it.

use super::Simulation;
use crate::api::core::Pod;
use crate::apiserver::{Actor, At as _, Key, Kind};
use serde_json::{Value, json};

/// Annotation of a claim that was made from a template: the name that its pod knows it by.
const POD_CLAIM_NAME: &str = "resource.kubernetes.io/pod-claim-name";

impl Simulation {
    /// Makes the claims of a pod's templates, owned by the pod, and names them in its status; frees those of a pod that is
    /// over.
    pub(super) fn watch_claims(&mut self, key: &Key) {
        let Some(found) = self.store.get(key) else { return };
        let claims = found.value.at("/spec/resourceClaims").and_then(Value::as_array);
        let made = found.value.at("/status/extendedResourceClaimStatus");
        if claims.is_none_or(Vec::is_empty) && made.is_none() {
            return;
        }
        let uid = found.uid().to_owned();
        if matches!(found.text("/status/phase"), "Succeeded" | "Failed") {
            return self.release_claims(key, Some(&uid));
        }
        if found.is_deleting() {
            return;
        }
        if let Some(pod) = self.typed::<Pod>(key) {
            self.make_claims(key, &pod);
        }
    }

    fn make_claims(&mut self, key: &Key, pod: &Pod) {
        let mut statuses: Vec<Value> = Vec::new();
        let mut is_new = false;
        for entry in &pod.spec.resource_claims {
            let Some(template) = &entry.resource_claim_template_name else { continue };
            let known = pod.status.resource_claim_statuses.iter().find(|status| status.name == entry.name);
            if let Some(known) = known {
                statuses.push(json!({ "name": entry.name, "resourceClaimName": known.resource_claim_name }));
                continue;
            }
            let template = Key::new(Kind::ResourceClaimTemplate, &key.namespace, template);
            let Some(template) = self.store.get(&template) else { continue };
            let spec = &template.value["spec"];
            let name = format!("{}-{}", key.name, entry.name);
            let mut metadata = match &spec["metadata"] {
                Value::Object(fields) => Value::Object(fields.clone()),
                _ => json!({}),
            };
            metadata["name"] = json!(name);
            metadata["namespace"] = json!(&*key.namespace);
            metadata["annotations"][POD_CLAIM_NAME] = json!(entry.name);
            metadata["ownerReferences"] = json!([{
                "apiVersion": "v1", "kind": "Pod", "name": &*key.name, "uid": pod.metadata.uid,
                "controller": true, "blockOwnerDeletion": true,
            }]);
            let claim = json!({
                "apiVersion": "resource.k8s.io/v1", "kind": "ResourceClaim", "metadata": metadata, "spec": spec["spec"],
            });
            let claim_key = Key::new(Kind::ResourceClaim, &key.namespace, &name);
            match self.store.get(&claim_key).map(|known| known.is_deleting()) {
                // Of an earlier pod of this name: it goes first.
                Some(true) => continue,
                Some(false) => {}
                None => {
                    if self.store.create(claim, Actor::System).is_err() {
                        continue;
                    }
                }
            }
            statuses.push(json!({ "name": entry.name, "resourceClaimName": name }));
            is_new = true;
        }
        if is_new {
            let patch = json!({ "status": { "resourceClaimStatuses": statuses } });
            let _ = self.store.patch(key, &patch, Actor::System);
        }
    }

    /// A template is there, or a claim is gone: pods that wait for claims of their own get them.
    pub(super) fn make_waiting_claims(&mut self, namespace: &str) {
        let waits = |pod: &Value| {
            let claims = pod.at("/spec/resourceClaims").and_then(Value::as_array).into_iter().flatten();
            let from_template = claims.filter(|claim| claim["resourceClaimTemplateName"].is_string()).count();
            let made = pod.at("/status/resourceClaimStatuses").and_then(Value::as_array).map_or(0, Vec::len);
            from_template > made
        };
        let pods = self.store.of_kind(&Kind::Pod);
        let pods = pods.filter(|(key, pod)| &*key.namespace == namespace && waits(&pod.value));
        let pods: Vec<Key> = pods.map(|(key, _)| key.clone()).collect();
        pods.iter().for_each(|key| self.watch_claims(key));
    }

    /// A pod is over, or gone (`uid` is `None`): what was reserved for it is free, and its own claims go.
    pub(super) fn release_claims(&mut self, pod: &Key, uid: Option<&str>) {
        // A pod of its name may be there again.
        let again = self.store.get(pod).filter(|_| uid.is_none()).map(|pod| pod.uid().to_owned());
        let again = again.as_deref();
        let names = |list: Option<&Value>| {
            let entries = list.and_then(Value::as_array).into_iter().flatten();
            entries.into_iter().any(|entry| is_pod(entry, pod, uid, again))
        };
        let claims =
            self.store.of_kind(&Kind::ResourceClaim).filter(|(key, _)| key.namespace == pod.namespace);
        let claims = claims.map(|(key, claim)| {
            let (uses, owns) =
                (claim.value.at("/status/reservedFor"), claim.value.at("/metadata/ownerReferences"));
            (key.clone(), names(uses), names(owns))
        });
        let claims: Vec<(Key, bool, bool)> = claims.filter(|&(_, uses, owns)| uses || owns).collect();
        for (key, is_user, is_owner) in claims {
            if is_user {
                self.store.update(&key, Actor::System, |claim| {
                    let Some(status) = claim["status"].as_object_mut() else { return };
                    let users = status.get_mut("reservedFor").and_then(Value::as_array_mut);
                    let is_free = users.is_some_and(|users| {
                        users.retain(|user| !is_pod(user, pod, uid, again));
                        users.is_empty()
                    });
                    if is_free {
                        status.remove("reservedFor");
                        status.remove("allocation");
                        status.remove("devices");
                    }
                });
            }
            if is_owner {
                let _ = self.store.delete(&key, None, Actor::System);
            }
            self.unprotect_claim(&key);
        }
    }

    /// A claim that has no devices any more need not be protected.
    pub(super) fn unprotect_claim(&mut self, key: &Key) {
        let Some(claim) = self.store.get(key) else { return };
        let is_free = claim.value.at("/status/allocation").is_none_or(Value::is_null);
        let finalizers = claim.value.at("/metadata/finalizers").and_then(Value::as_array);
        if is_free && claim.is_deleting() && finalizers.is_some_and(|all| !all.is_empty()) {
            self.store.remove(key);
        }
    }
}

/// Is it the pod of this uid, or without one, any of its name but the one that is there again?
fn is_pod(reference: &Value, pod: &Key, uid: Option<&str>, again: Option<&str>) -> bool {
    let of_uid = |uid: &str| reference["uid"] == json!(uid);
    let is_a_pod = reference["kind"] == "Pod" || reference["resource"] == "pods";
    is_a_pod && reference["name"] == json!(&*pod.name) && uid.is_none_or(of_uid) && !again.is_some_and(of_uid)
}
