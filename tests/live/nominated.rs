//! A pod that has a node and cannot be bound yet shows it, and shows it no longer when it is given up; a pod that is bound
//! at once is written once. In virtual time, against the double.

use crate::double::instance::{Instance, Way};
use crate::double::link::{Upstream, rates};
use crate::double::server::Server;
use crate::double::store::{Change, key, text};
use crate::double::world::{NAMESPACE, SCHEDULER, group, node, pod};
use phalanx::reservation::journal::read;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::sleep;

fn in_virtual_time<F: Future>(body: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.unwrap().block_on(body)
}

/// Two nodes, and an instance that leads; `claims` that wait for their first consumer, who can only be on n0.
fn start(claims: &[&str]) -> (Server, Instance) {
    let server = prepare(claims);
    let instance = lead(&server);
    (server, instance)
}

fn prepare(claims: &[&str]) -> Server {
    let server = Server::new();
    {
        let mut store = server.store();
        for name in ["n0", "n1"] {
            let mut node = node(name, 4);
            node["metadata"]["labels"] = json!({ "kubernetes.io/hostname": name });
            store.create(key("nodes", "", name), node);
        }
        let class = json!({
            "provisioner": "volumes.test/none", "volumeBindingMode": "WaitForFirstConsumer",
            "allowedTopologies": [{ "matchLabelExpressions": [{ "key": "kubernetes.io/hostname", "values": ["n0"] }] }],
        });
        store.create(key("storageclasses", "", "on-demand"), class);
        for claim in claims {
            let body =
                json!({ "spec": { "storageClassName": "on-demand" }, "status": { "phase": "Pending" } });
            store.create(key("persistentvolumeclaims", NAMESPACE, claim), body);
        }
    }
    server
}

fn lead(server: &Server) -> Instance {
    let upstream = Upstream::Double(server.clone());
    let mut way = Way::quick(SCHEDULER);
    way.reservation.calls_in_flight = 4;
    Instance::start(upstream, &way, rates(0, 0, 0), 1, "i".to_owned())
}

/// A pod without a gang, or a member of one.
fn create(server: &Server, name: &str, gang: &str, claim: Option<&str>) {
    let mut pod = pod(name, gang, SCHEDULER, true, "");
    if let Some(claim) = claim {
        pod["spec"]["volumes"] = json!([{ "name": "data", "persistentVolumeClaim": { "claimName": claim } }]);
    }
    server.store().create(key("pods", NAMESPACE, name), pod);
    server.tell();
}

/// `spec.nodeName/status.nominatedNodeName`.
fn nodes(server: &Server, name: &str) -> String {
    let store = server.store();
    let pod = store.find(&key("pods", NAMESPACE, name)).expect("nobody deletes it");
    format!("{}/{}", text(pod, "/spec/nodeName"), text(pod, "/status/nominatedNodeName"))
}

async fn check(server: &Server, name: &str, expect: &str) {
    for _ in 0..600 {
        if nodes(server, name) == expect {
            return;
        }
        sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(nodes(server, name), expect, "{name}");
}

fn change(server: &Server, kind: &str, namespace: &str, name: &str, change: impl FnOnce(&mut Value)) {
    server.store().change(&key(kind, namespace, name), change);
    server.tell();
}

/// The volume of the claim `data` is made; every node reaches it.
fn provision(server: &Server) {
    server.store().create(key("persistentvolumes", "", "v"), json!({ "spec": {} }));
    change(server, "persistentvolumeclaims", NAMESPACE, "data", |claim| {
        claim["spec"]["volumeName"] = "v".into();
        claim["status"]["phase"] = "Bound".into();
    });
}

fn lost(is_lost: bool) -> impl FnOnce(&mut Value) {
    move |node| {
        let taints = json!([{ "key": "node.kubernetes.io/not-ready", "effect": "NoSchedule" }]);
        node["spec"] = if is_lost { json!({ "taints": taints }) } else { json!({}) };
    }
}

#[test]
fn a_pod_whose_bind_waits_shows_its_node() {
    in_virtual_time(async {
        let (server, _instance) = start(&["data"]);
        create(&server, "p", "", Some("data"));
        check(&server, "p", "/n0").await;
        sleep(Duration::from_secs(6)).await;
        check(&server, "p", "/n0").await;
        provision(&server);
        check(&server, "p", "n0/").await;
    });
}

#[test]
fn a_node_that_is_given_up_is_shown_no_longer() {
    in_virtual_time(async {
        let (server, _instance) = start(&["data"]);
        create(&server, "p", "", Some("data"));
        check(&server, "p", "/n0").await;
        change(&server, "nodes", "", "n0", lost(true));
        check(&server, "p", "/").await;
        change(&server, "nodes", "", "n0", lost(false));
        check(&server, "p", "/n0").await;
        provision(&server);
        check(&server, "p", "n0/").await;
    });
}

#[test]
fn a_gang_that_is_given_up_shows_no_node_and_keeps_its_pods() {
    in_virtual_time(async {
        let (server, _instance) = start(&["data"]);
        server.store().create(key("podgroups", NAMESPACE, "g"), group("g", 2));
        create(&server, "waits", "g", Some("data"));
        create(&server, "other", "g", None);
        check(&server, "waits", "/n0").await;
        // The gang's deadline passes while nobody makes the volume.
        check(&server, "waits", "/").await;
        let store = server.store();
        assert_eq!((store.judge.binds, store.judge.evictions), (0, 0), "none goes before the other may");
        assert!(store.find(&key("pods", NAMESPACE, "waits")).is_some(), "no bind of it had been sent");
        assert_eq!(store.judge.violations, Vec::<String>::new());
    });
}

/// One member waits for its claim. The other has none and waits with it, unless it is enough without it.
#[test]
fn none_of_a_gang_is_bound_while_what_it_lacks_waits_for_claims() {
    for (minimum, alone) in [(2, false), (1, true)] {
        in_virtual_time(async {
            let (server, _instance) = start(&["data"]);
            server.store().create(key("podgroups", NAMESPACE, "g"), group("g", minimum));
            create(&server, "waits", "g", Some("data"));
            create(&server, "other", "g", None);
            check(&server, "waits", "/n0").await;
            sleep(Duration::from_secs(5)).await;
            assert_eq!(server.store().judge.binds, usize::from(alone), "minimum {minimum}");
            provision(&server);
            sleep(Duration::from_millis(500)).await;
            assert_eq!(server.store().judge.binds, 2, "as soon as the claim is bound");
            assert_eq!(server.store().judge.violations, Vec::<String>::new());
        });
    }
}

/// One of two was bound by somebody else, and goes while the other waits for its claim: that one completed the gang when it
/// was placed, and needed no record for it. It is not bound alone, but with the one that comes instead.
#[test]
fn what_completed_its_gang_is_not_bound_when_the_others_have_gone_meanwhile() {
    in_virtual_time(async {
        let (server, _instance) = start(&["data"]);
        server.store().create(key("podgroups", NAMESPACE, "g"), group("g", 2));
        create(&server, "theirs", "g", None);
        server.store().bind_as_another(&key("pods", NAMESPACE, "theirs"), "n1");
        create(&server, "ours", "g", Some("data"));
        check(&server, "ours", "/n0").await;
        let data: Vec<Value> = {
            let store = server.store();
            store.all("configmaps", "kube-system").map(|object| object["data"].clone()).collect()
        };
        let records = data.into_iter().flat_map(|data| read("", &serde_json::from_value(data).unwrap()).0);
        assert_eq!(records.count(), 0, "one bind would have been all");
        server.store().remove(&key("pods", NAMESPACE, "theirs"));
        server.tell();
        provision(&server);
        sleep(Duration::from_secs(5)).await;
        assert_eq!((nodes(&server, "ours"), server.store().judge.binds), ("/n0".into(), 0));
        create(&server, "another", "g", None);
        check(&server, "ours", "n0/").await;
        assert_eq!(server.store().judge.binds, 2);
        assert_eq!(server.store().judge.violations, Vec::<String>::new());
    });
}

/// The volume of a claim that three share is reached from n1 only, where there is room for two: none of them is bound.
#[test]
fn a_gang_whose_volume_keeps_members_away_has_none_bound() {
    in_virtual_time(async {
        let (server, _instance) = start(&["data"]);
        for name in ["n0", "n1"] {
            let gpus = if name == "n0" { "3" } else { "2" };
            change(&server, "nodes", "", name, |n| {
                n["status"]["allocatable"]["nvidia.com/gpu"] = gpus.into()
            });
        }
        server.store().create(key("podgroups", NAMESPACE, "g"), group("g", 4));
        for (name, claim) in [("a", Some("data")), ("b", Some("data")), ("c", Some("data")), ("d", None)] {
            create(&server, name, "g", claim);
        }
        check(&server, "a", "/n0").await;
        let terms = json!([{ "matchExpressions": [
            { "key": "kubernetes.io/hostname", "operator": "In", "values": ["n1"] },
        ] }]);
        let spec = json!({ "nodeAffinity": { "required": { "nodeSelectorTerms": terms } } });
        server.store().create(key("persistentvolumes", "", "v"), json!({ "spec": spec }));
        change(&server, "persistentvolumeclaims", NAMESPACE, "data", |claim| {
            claim["spec"]["volumeName"] = "v".into();
            claim["status"]["phase"] = "Bound".into();
        });
        sleep(Duration::from_secs(60)).await;
        let store = server.store();
        assert_eq!((store.judge.binds, store.judge.violations.len()), (0, 0), "{:?}", store.judge.violations);
    });
}

/// Somebody else fills the node while the bind waits: the pod is not bound to it on top.
#[test]
fn a_promise_ends_where_others_take_the_room() {
    in_virtual_time(async {
        let (server, _instance) = start(&["data"]);
        create(&server, "p", "", Some("data"));
        check(&server, "p", "/n0").await;
        let other = key("pods", NAMESPACE, "other");
        let mut pod = pod("other", "", "default-scheduler", false, "");
        pod["spec"]["nodeName"] = "n0".into();
        pod["spec"]["containers"][0]["resources"]["limits"]["nvidia.com/gpu"] = 4.into();
        server.store().create(other, pod);
        server.tell();
        // Longer than a bind looks for its claims, and not as long as the deadline.
        sleep(Duration::from_secs(3)).await;
        assert_eq!(nodes(&server, "p"), "/");
        provision(&server);
        check(&server, "p", "n1/").await;
        assert_eq!(server.store().judge.violations, Vec::<String>::new());
    });
}

#[test]
fn binds_that_wait_for_claims_do_not_hold_up_others() {
    in_virtual_time(async {
        let names = ["w0", "w1", "w2", "w3"];
        let (server, _instance) = start(&names);
        server.store().create(key("podgroups", NAMESPACE, "g"), group("g", 4));
        for name in names {
            create(&server, name, "g", Some(name));
        }
        for name in names {
            check(&server, name, "/n0").await;
        }
        // As many as calls may be out.
        let started = tokio::time::Instant::now();
        create(&server, "other", "", None);
        check(&server, "other", "n1/").await;
        assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
    });
}

#[test]
fn what_others_nominate_is_theirs() {
    in_virtual_time(async {
        let (server, _instance) = start(&["data"]);
        create(&server, "p", "", Some("data"));
        check(&server, "p", "/n0").await;
        change(&server, "pods", NAMESPACE, "p", |pod| pod["status"]["nominatedNodeName"] = "n1".into());
        change(&server, "nodes", "", "n0", lost(true));
        sleep(Duration::from_secs(60)).await;
        assert_eq!(nodes(&server, "p"), "/n1");
    });
}

/// Pods without a record show nodes when an instance begins: what has a place by then goes on showing it, the rest does not.
#[test]
fn what_a_predecessor_nominated_is_withdrawn_from_pods_that_have_no_place() {
    in_virtual_time(async {
        let server = prepare(&["data"]);
        let shows = |name: &str, gang: &str, claim: Option<&str>, scheduler: &str, node: &str| {
            create(&server, name, gang, claim);
            change(&server, "pods", NAMESPACE, name, |pod| {
                pod["spec"]["schedulerName"] = scheduler.into();
                pod["status"]["nominatedNodeName"] = node.into();
            });
        };
        server.store().create(key("podgroups", NAMESPACE, "g"), group("g", 3));
        shows("lonely", "g", None, SCHEDULER, "n1");
        shows("placed", "", Some("data"), SCHEDULER, "n0");
        shows("another", "", None, "default-scheduler", "n1");
        let _instance = lead(&server);
        check(&server, "lonely", "/").await;
        sleep(Duration::from_secs(3)).await;
        assert_eq!((nodes(&server, "placed"), nodes(&server, "another")), ("/n0".into(), "/n1".into()));
        let shown = |change: &&Change| text(&change.object, "/status/nominatedNodeName") == "n0";
        let times = server.store().log.iter().filter(|c| c.key.2 == "placed").skip(1).filter(shown).count();
        let all = server.store().log.iter().filter(|c| c.key.2 == "placed").skip(1).count();
        assert_eq!(times, all, "it goes on showing it");
        provision(&server);
        check(&server, "placed", "n0/").await;
        // What is written later is not looked after: a write of ours would follow each of an autoscaler's.
        change(&server, "pods", NAMESPACE, "lonely", |pod| pod["status"]["nominatedNodeName"] = "n1".into());
        sleep(Duration::from_secs(60)).await;
        assert_eq!(nodes(&server, "lonely"), "/n1");
    });
}

#[test]
fn a_pod_that_is_bound_at_once_is_written_once() {
    in_virtual_time(async {
        let (server, _instance) = start(&[]);
        server.store().create(key("podgroups", NAMESPACE, "g"), group("g", 3));
        for name in ["a", "b", "c"] {
            create(&server, name, "g", None);
        }
        sleep(Duration::from_secs(60)).await;
        let store = server.store();
        for name in ["a", "b", "c"] {
            let changes = store.log.iter().filter(|change| change.key == key("pods", NAMESPACE, name));
            let what: Vec<&str> = changes.map(|change| change.what).collect();
            assert_eq!(what, ["ADDED", "MODIFIED"], "created and bound, and nothing else");
        }
    });
}
