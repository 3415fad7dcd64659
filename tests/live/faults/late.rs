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
        cluster.server().store().create(key("pods", NAMESPACE, name), pod);
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

/// The record of one gang appears when its nodes have been given to another: the gang is moved, as soon as no bind of the
/// predecessor can take effect any more, and its status says what is waited for.
#[test]
fn a_gang_whose_place_is_taken_when_its_record_appears_is_moved() {
    in_virtual_time(async {
        let mut cluster = UnderTest::double();
        let calm = rates(0, 0, 0);
        let first = cluster.start(&calm, 1);
        sleep(cluster.way.lease).await;
        let mut urgent = group("first", 29);
        urgent["spec"]["priorityClassName"] = "urgent".into();
        cluster.server().store().create(key("podgroups", NAMESPACE, "first"), urgent);
        let class = json!({ "value": 100 });
        cluster.server().store().create(key("priorityclasses", "", "urgent"), class);
        // The record arrives, and no bind does.
        (1..6).for_each(|write| first.link.script(write, Fault::Hung));
        let gang = cluster.create(5).await;
        // When its last pod had come.
        let log = cluster.server().store().log.clone();
        let before = log.iter().rfind(|change| change.key.0 == "pods").unwrap().version;
        sleep(Duration::from_secs(1)).await;
        first.crash();
        let died = Instant::now();
        // One that comes before it.
        for member in 0..29 {
            let name = format!("first-{member:02}");
            let pod = pod(&name, "first", SCHEDULER, false, "");
            cluster.server().store().create(key("pods", NAMESPACE, &name), pod);
        }
        let second = cluster.start(&calm, 2);
        second.link.lists_as_of(&["podgroups"], before);
        second.link.silence_watches(&["podgroups"]);
        sleep(cluster.way.lease * 3).await;
        assert_eq!(cluster.bound("first").await, 29);
        second.link.silence_watches(&[]);
        sleep(Duration::from_secs(5)).await;
        let said = condition(&cluster, &gang);
        assert!(said.contains("5 pods lost the node that an earlier leader had promised"), "{said}");
        cluster.server().store().change(&key("nodes", "", "n3"), |node| {
            node["status"]["allocatable"]["nvidia.com/gpu"] = "16".into();
        });
        cluster.server().tell();
        cluster.settle(&gang, 5, "its place was taken").await;
        let most = cluster.way.lease * 2 + cluster.way.reservation.doubt + Duration::from_secs(2);
        assert!(died.elapsed() < most, "{:?} after its leader died", died.elapsed());
    });
}

/// What the PodGroup says of why it waits.
fn condition(cluster: &UnderTest, gang: &str) -> String {
    let store = cluster.server().store();
    let group = store.find(&key("podgroups", NAMESPACE, gang)).unwrap();
    text(group, "/status/conditions/0/message").to_owned()
}
