//! `--controllers=modelserving`: what is the scheduler's is left to the scheduler that runs elsewhere.

use super::*;
use crate::reservation::record::{Entry, RESERVATION, Record, RecordState};

/// It took over records and bound pods, and went round without a pause.
#[test]
fn a_controller_alone_takes_over_no_record_and_binds_nothing() {
    let mut driven = Driven::new(false, true);
    let entries = vec![Entry { name: "p".into(), uid: Some("u".into()), node: "node".into() }];
    let record = Record { state: RecordState::Binding, epoch: 1, domain: None, tier: None, entries };
    driven.observe(
        Kind::PodGroup,
        json!({ "metadata": { "name": "g", "namespace": "n", "uid": "g", "resourceVersion": "3",
                              "annotations": { RESERVATION: record.encode() } },
                "spec": { "minMember": 1 } }),
    );
    driven.observe(
        Kind::Pod,
        json!({ "metadata": { "name": "p", "namespace": "n", "uid": "u", "resourceVersion": "4",
                              "annotations": { "scheduling.k8s.io/group-name": "g" } },
                "spec": { "schedulerName": "volcano", "containers": [{ "name": "c" }] } }),
    );
    driven.go_on();
    assert_eq!(driven.sent, []);
    assert_eq!(driven.engine.wake(driven.now), None, "nothing is due");
}
