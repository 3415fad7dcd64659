//! Gangs with device claims under faults: one at each write, leaders that are gone with a write to a claim under way, another
//! scheduler that takes the same device or binds the same pod.

use super::*;
use crate::double::devices::{DEVICE_CLAIMS, allocated, grant_as_another};

/// Writes of the life of a gang with claims: the record; the finalizer and the devices of each claim; the binds.
const WRITES: u32 = 3 * MEMBERS as u32 + 2;

#[test]
fn a_gang_with_claims_outlives_any_fault_at_any_write() {
    let cases = in_virtual_time(async { one_fault(UnderTest::with_devices(), 0..WRITES, &FAULTS).await });
    assert_eq!(cases, WRITES as usize * FAULTS.len());
}

/// Waits until the claim controller has made claims, and the instance has sent so many writes.
async fn until_written(cluster: &UnderTest, instance: &Instance, writes: u32) {
    let started = Instant::now();
    while instance.link.writes() <= writes {
        assert!(started.elapsed() < Duration::from_secs(100), "{} writes", instance.link.writes());
        cluster.control();
        sleep(Duration::from_millis(20)).await;
    }
    sleep(Duration::from_millis(100)).await;
}

/// A cluster whose leader stands still with the n-th write of a gang's life under way, the leader and the gang.
async fn stands_still_at(write: u32) -> (UnderTest, Instance, String) {
    let mut cluster = UnderTest::with_devices();
    let instance = cluster.start(&rates(0, 0, 0), 1);
    sleep(cluster.way.lease * 2).await;
    let before = instance.link.writes();
    instance.link.pause_at(write);
    let gang = cluster.create(MEMBERS).await;
    until_written(&cluster, &instance, before + write).await;
    (cluster, instance, gang)
}

/// The n-th write of the gang's life is under way when its leader ends. Its pods go before another leads, other pods get
/// the devices, and then the write arrives.
async fn arrives_late(write: u32, gone: bool) -> UnderTest {
    let mut cluster = UnderTest::with_devices();
    let calm = rates(0, 0, 0);
    let first = cluster.start(&calm, 1);
    sleep(cluster.way.lease * 2).await;
    first.link.script(write, Fault::Late(25_000));
    let before = first.link.writes();
    let gang = cluster.create(MEMBERS).await;
    until_written(&cluster, &first, before + write).await;
    first.crash();
    if gone {
        // Nobody can be bound: the nodes that were promised are lost until the others have what was free there.
        let mut store = cluster.server().store();
        for n in 0..4 {
            store.change(&key("nodes", "", &format!("n{n}")), |node| {
                node["status"]["allocatable"]["nvidia.com/gpu"] = "0".into();
            });
        }
    }
    cluster.server().tell();
    let second = cluster.start(&calm, 2);
    sleep(cluster.way.lease * 2).await;
    if gone {
        let mut store = cluster.server().store();
        for n in 0..4 {
            store.change(&key("nodes", "", &format!("n{n}")), |node| {
                node["status"]["allocatable"]["nvidia.com/gpu"] = "8".into();
            });
        }
        drop(store);
        cluster.server().tell();
    }
    // Enough for every device that there is.
    let others = cluster.create(4 * 8 - MEMBERS).await;
    let what = format!("write {write} was under way");
    cluster.become_whole(&others, 4 * 8 - MEMBERS, &what).await;
    cluster.become_whole(&gang, MEMBERS, &what).await;
    sleep(Duration::from_secs(30)).await;
    assert!(!second.has_ended());
    cluster.judge(&what);
    cluster
}

#[test]
fn no_late_write_of_a_dead_leader_changes_a_claim() {
    for write in 0..WRITES {
        for gone in [false, true] {
            in_virtual_time(arrives_late(write, gone));
        }
    }
}

/// Another scheduler binds a member, with its claim, while each write of the gang's life is under way.
async fn bound_with_its_claim_by_another(write: u32, elsewhere: bool) {
    let (cluster, instance, gang) = stands_still_at(write).await;
    let at = key("pods", NAMESPACE, &format!("{gang}-02"));
    {
        let mut store = cluster.server().store();
        let pod = store.find(&at).unwrap().clone();
        let promised = promised(&store, &pod).unwrap_or("n1".to_owned());
        let node = if elsewhere {
            (0..4).map(|n| format!("n{n}")).find(|n| *n != promised).unwrap()
        } else {
            promised
        };
        if text(&pod, "/spec/nodeName").is_empty() && grant_as_another(&mut store, &pod, &node) {
            store.bind_as_another(&at, &node);
        }
    }
    cluster.server().tell();
    instance.link.resume();
    let what = format!("another binds it at write {write}, elsewhere: {elsewhere}");
    cluster.settle(&gang, MEMBERS, &what).await;
}

#[test]
fn a_pod_that_another_scheduler_has_bound_keeps_its_devices() {
    for write in 0..WRITES {
        for elsewhere in [false, true] {
            in_virtual_time(bound_with_its_claim_by_another(write, elsewhere));
        }
    }
}

/// Another scheduler takes all free devices of all nodes but as many as the gang needs, while each write of the gang's
/// life is under way: what both took, the gang gives up before it is bound, if it can know.
async fn taken_by_another(write: u32) -> usize {
    let (cluster, instance, gang) = stands_still_at(write).await;
    if let Some(devices) = &cluster.devices {
        let mut store = cluster.server().store();
        for _ in 0..20 {
            devices.borrow_mut().meddle(&mut store);
        }
    }
    cluster.server().tell();
    // It hears of that before it goes on with what it has not sent.
    instance.link.resume();
    let what = format!("another takes devices at write {write}");
    cluster.become_whole(&gang, MEMBERS, &what).await;
    let store = cluster.server().store();
    assert!(store.judge.violations.is_empty(), "{what}: {:?}", store.judge.violations);
    let ours: Vec<_> = store
        .all(DEVICE_CLAIMS, NAMESPACE)
        .filter(|claim| !text(claim, "/metadata/name").starts_with("foreign-"))
        .flat_map(allocated)
        .collect();
    let theirs = store
        .all(DEVICE_CLAIMS, NAMESPACE)
        .filter(|claim| text(claim, "/metadata/name").starts_with("foreign-"))
        .flat_map(allocated);
    theirs.filter(|device| ours.contains(device)).count()
}

#[test]
fn a_gang_gives_way_where_another_scheduler_takes_its_device() {
    let twice: usize = (0..WRITES).map(|write| in_virtual_time(taken_by_another(write))).sum();
    // Only what was taken when the last bind had been sent could not be known.
    assert_eq!(twice, 0);
}
