//! `--controllers=modelserving`: what is the scheduler's is left to the scheduler that runs elsewhere.

use super::*;
use crate::api::keys;

/// It took over records and bound pods, and went round without a pause.
#[test]
fn a_controller_alone_takes_over_no_record_and_binds_nothing() {
    let mut driven = Driven::new(false, true);
    driven.observe(
        Kind::PodGroup,
        json!({ "metadata": { "name": "g", "namespace": "n", "uid": "g", "resourceVersion": "3",
                              "annotations": { keys::OLD_RECORD: "v1;b;1;;;;0" } },
                "spec": { "minMember": 1 } }),
    );
    driven.observe(
        Kind::Pod,
        json!({ "metadata": { "name": "p", "namespace": "n", "uid": "u", "resourceVersion": "4",
                              "annotations": { "scheduling.k8s.io/group-name": "g" } },
                "spec": { "schedulerName": "volcano", "containers": [{ "name": "c" }] } }),
    );
    driven.go_on();
    assert_eq!((driven.sent.len(), driven.journal.len()), (0, 0));
    assert_eq!(driven.engine.wake(driven.now), None, "nothing is due");
}
