//! Who may edit PodGroups in a namespace changes nothing about what the scheduler does: what is promised stands in the
//! journal, where they may not write.

use super::*;
use crate::api::keys;

/// A record of an earlier epoch was taken over, so that its author chose the nodes; one of a later epoch stopped the election
/// of leaders.
#[test]
fn an_annotation_that_looks_like_a_promise_is_not_read_and_removed() {
    for text in ["v1;b;1;;;;1;00p,=u,00theirs", "v1;d;4294967296;;;;0", "gang1;b;n;g;;;;1;00p,=u,00theirs"] {
        let mut driven = Driven::new(true, false);
        for node in ["ours", "theirs"] {
            let cores = if node == "ours" { "8" } else { "0" };
            driven.observe(
                Kind::Node,
                json!({ "metadata": { "name": node }, "status": { "allocatable": { "cpu": cores, "pods": "9" } } }),
            );
        }
        driven.observe(
            Kind::PodGroup,
            json!({ "metadata": { "name": "g", "namespace": "n", "uid": "g", "resourceVersion": "3",
                                  "annotations": { keys::OLD_RECORD: text } },
                    "spec": { "minMember": 2 } }),
        );
        for pod in ["p", "q"] {
            driven.observe(
                Kind::Pod,
                json!({ "metadata": { "name": pod, "namespace": "n", "uid": "u", "resourceVersion": "4",
                                      "labels": { "app.kubernetes.io/managed-by": "phalanx" },
                                      "annotations": { "scheduling.k8s.io/group-name": "g" } },
                        "spec": { "schedulerName": "volcano", "containers": [{
                            "name": "c", "resources": { "requests": { "cpu": "1" } } }] } }),
            );
        }
        driven.go_on();
        let removed = driven.sent.iter().any(|(_, request)| {
            request.kind == Kind::PodGroup
                && request.body["metadata"]["annotations"][keys::OLD_RECORD].is_null()
        });
        assert!(removed, "{text}: {:?}", driven.sent);
        let bound = driven.sent.iter().filter(|(_, request)| request.subresource == "binding");
        let nodes: Vec<&str> =
            bound.filter_map(|(_, request)| request.body["target"]["name"].as_str()).collect();
        assert_eq!(nodes, ["ours", "ours"], "{text}");
        let written = &driven.journal["p-journal-0"]["data"];
        assert_eq!(written.as_object().map(|data| data.len()), Some(2), "its head and the gang: {written}");
    }
}
