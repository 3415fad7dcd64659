//! A leader is gone with a write to the journal under way: what it has sent arrives when another has sealed the journal, and
//! is answered with 409.

use super::*;

/// The n-th write of the gang's life is under way when its leader ends, and arrives 25 s later.
async fn arrives_late(write: u32) -> UnderTest {
    let mut cluster = UnderTest::double();
    let calm = rates(0, 0, 0);
    let first = cluster.start(&calm, 1);
    sleep(cluster.way.lease * 2).await;
    first.link.script(write, Fault::Late(25_000));
    let before = first.link.writes();
    let gang = cluster.create(MEMBERS).await;
    while first.link.writes() <= before + write {
        sleep(Duration::from_millis(20)).await;
    }
    sleep(Duration::from_millis(100)).await;
    first.crash();
    let ended = Instant::now();
    let second = cluster.start(&calm, 2);
    let what = format!("write {write} was under way");
    cluster.become_whole(&gang, MEMBERS, &what).await;
    assert!(ended.elapsed() < Duration::from_secs(20), "nobody waits for it: {:?}", ended.elapsed());
    assert_eq!(cluster.server().store().judge.sealed_out, 0, "it has not arrived yet");
    sleep(Duration::from_secs(30)).await;
    // The next gang is bound at once.
    let next = cluster.create(MEMBERS).await;
    let created = Instant::now();
    cluster.become_whole(&next, MEMBERS, &what).await;
    assert!(created.elapsed() < Duration::from_secs(10) && !second.has_ended(), "{:?}", created.elapsed());
    cluster.judge(&what);
    cluster
}

#[test]
fn no_write_of_a_deposed_leader_to_the_journal_is_applied() {
    // The append, and the removal after the last bind.
    for write in [0, MEMBERS as u32 + 1] {
        let cluster = in_virtual_time(arrives_late(write));
        assert_eq!(cluster.server().store().judge.sealed_out, 1, "write {write} is answered with 409");
    }
}

/// Who may edit everything in a namespace writes what looks like the journal, like a promise and like an object of the
/// scheduler: nothing comes of it.
#[test]
fn what_looks_like_a_promise_steers_nothing() {
    in_virtual_time(async {
        let mut cluster = UnderTest::double();
        let calm = rates(0, 0, 0);
        let entry = |gang: &str| format!("gang1;b;{NAMESPACE};{gang};;;;1;00{gang}-00,=any,00n3");
        let journal = json!({
            "metadata": { "labels": { "app.kubernetes.io/managed-by": "phalanx" } },
            "data": { "journal": "v1;4294967296;1;somebody", "g0": entry("g001") },
        });
        for name in ["phalanx-journal-0", "phalanx-volcano-journal-0"] {
            cluster.server().store().create(key("configmaps", NAMESPACE, name), journal.clone());
        }
        let _instance = cluster.start(&calm, 1);
        for text in ["v1;b;1;;;;1;00x,=any,00n3", "v1;d;4294967296;;;;0", &entry("g003")] {
            let gang = cluster.create(MEMBERS).await;
            cluster.server().store().change(&key("podgroups", NAMESPACE, &gang), |group| {
                group["metadata"]["annotations"]["phalanx.dev/reservation"] = text.into();
            });
            cluster.server().tell();
            cluster.settle(&gang, MEMBERS, text).await;
            let group = cluster.server().store().find(&key("podgroups", NAMESPACE, &gang)).cloned().unwrap();
            assert!(
                group["metadata"]["annotations"]["phalanx.dev/reservation"].is_null(),
                "it is removed: {group}"
            );
            cluster.delete(&gang, MEMBERS).await;
        }
        let store = cluster.server().store();
        assert_eq!(store.judge.evictions, 0);
        let left = store.find(&key("configmaps", NAMESPACE, "phalanx-volcano-journal-0")).unwrap();
        assert_eq!(left["data"], journal["data"], "nobody touches what is in another namespace");
    });
}

/// Gangs that come together are written down together: a write of the journal for all, and one when they are over.
#[test]
fn gangs_that_come_together_take_one_write() {
    in_virtual_time(async {
        let cluster = UnderTest::double();
        let _instance = cluster.start(&rates(0, 0, 0), 1);
        sleep(cluster.way.lease * 2).await;
        let writes = |cluster: &UnderTest| {
            let journal = key("configmaps", "kube-system", "phalanx-volcano-journal-0");
            cluster.server().store().log.iter().filter(|change| change.key == journal).count()
        };
        let before = writes(&cluster);
        // All are there before the scheduler hears of the first.
        let gangs: Vec<String> = (0..6).map(|gang| format!("together-{gang}")).collect();
        for gang in &gangs {
            let mut store = cluster.server().store();
            store.create(key("podgroups", NAMESPACE, gang), group(gang, MEMBERS));
            for member in 0..MEMBERS {
                let name = format!("{gang}-{member:02}");
                let pod = pod(&name, gang, SCHEDULER, false, "");
                store.create(key("pods", NAMESPACE, &name), pod);
            }
        }
        cluster.server().tell();
        for gang in &gangs {
            cluster.settle(gang, MEMBERS, "they come together").await;
        }
        let written = writes(&cluster) - before;
        assert!(written <= 4, "{written} writes of the journal for {} gangs", gangs.len());
    });
}
