//! A predecessor's record that its successor hears of late: the first list of PodGroups was behind, and what the watch has
//! to say arrives when decisions have been taken without it.

use super::*;

/// A leader dies when a gang of one pod, which needed no record, has grown by two: the record is written, and one
/// of the two is bound. Returns the
/// gang, and a successor who has not heard of the record.
async fn succeeds(cluster: &mut UnderTest) -> (String, Instance) {
    let calm = rates(0, 0, 0);
    let first = cluster.start(&calm, 1);
    let gang = cluster.create(1).await;
    cluster.settle(&gang, 1, "before it grows").await;
    // Its status has been written.
    sleep(Duration::from_secs(5)).await;
    (2..9).for_each(|write| first.link.script(write, Fault::Hung));
    for name in ["late-0", "late-1"] {
        let pod = pod(name, &gang, SCHEDULER, false, "");
        let _ = cluster.server().store().create(key("pods", NAMESPACE, name), pod);
    }
    let before = cluster.server().store().version;
    cluster.server().tell();
    sleep(Duration::from_secs(1)).await;
    first.crash();
    assert_eq!(cluster.bound(&gang).await, 2);
    let second = cluster.start(&calm, 2);
    second.link.lists_as_of(&["podgroups"], before);
    second.link.silence_watches(&["podgroups"]);
    (gang, second)
}

/// All that is left to bind is one pod, for which no record is needed, and nothing is left to say of the gang: only the
/// end of its reservation can bring up the record.
#[test]
fn a_record_that_appears_while_its_gang_is_being_bound_is_heeded_afterwards() {
    in_virtual_time(async {
        let mut cluster = UnderTest::double();
        let (gang, second) = succeeds(&mut cluster).await;
        (0..8).for_each(|write| second.link.script(write, Fault::TooMany));
        sleep(cluster.way.lease * 2).await;
        assert!(second.link.writes() > 0, "the bind is under way");
        second.link.silence_watches(&[]);
        cluster.settle(&gang, 3, "its record came late").await;
    });
}
