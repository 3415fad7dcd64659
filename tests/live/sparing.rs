//! How often things are written while a gang starts: what is written besides the binds delays them. In virtual time, against
//! the double.

use crate::double::instance::{Instance, Way};
use crate::double::link::{Upstream, rates};
use crate::double::server::Server;
use crate::double::store::{key, text};
use crate::double::world::{NAMESPACE, SCHEDULER, group, node, pod};
use std::time::Duration;
use tokio::time::sleep;

/// Changes of an object in the double's log, its creation included.
fn changes(server: &Server, kind: &str, name: &str) -> usize {
    let key = key(kind, NAMESPACE, name);
    server.store().log.iter().filter(|change| change.key == key).count()
}

#[test]
fn a_gang_of_eight_costs_few_writes() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.unwrap().block_on(async {
        let server = Server::new();
        for name in ["n0", "n1"] {
            server.store().create(key("nodes", "", name), node(name, 4));
        }
        let upstream = Upstream::Double(server.clone());
        let _instance = Instance::start(upstream, &Way::quick(SCHEDULER), rates(0, 0, 0), 1, "i".to_owned());
        server.store().create(key("podgroups", NAMESPACE, "g"), group("g", 8));
        server.tell();
        sleep(Duration::from_secs(5)).await;
        let inqueue = changes(&server, "podgroups", "g");
        assert_eq!(inqueue, 2, "created, and let in");
        let names: Vec<String> = (0..8).map(|index| format!("p{index}")).collect();
        for name in &names {
            server.store().create(key("pods", NAMESPACE, name), pod(name, "g", SCHEDULER, true, ""));
            server.tell();
            sleep(Duration::from_millis(30)).await; // pods arrive one by one, and none is told that it cannot be placed
        }
        sleep(Duration::from_secs(10)).await;
        for name in &names {
            assert_eq!(changes(&server, "pods", name), 2, "{name} is created and bound");
        }
        let written = changes(&server, "podgroups", "g") - inqueue;
        assert!(written <= 2, "{written} writes: statuses, of which the last says that it runs");
        let journal = key("configmaps", "kube-system", "phalanx-volcano-journal-0");
        let journal = server.store().log.iter().filter(|change| change.key == journal).count();
        assert!(journal <= 3, "{journal} writes: the journal is made, the gang's record comes and goes");
        let store = server.store();
        let bound = store.log.iter().rfind(|change| change.key.0 == "pods").expect("they are bound").at;
        let after =
            store.log.iter().filter(|change| ["podgroups", "events"].contains(&change.key.0.as_str()));
        let after: Vec<u64> = after.map(|change| change.at).filter(|at| *at > bound).collect();
        assert!(after.len() > 8, "it is said of the gang and of every pod");
        let soon = bound + 200..bound + 1500;
        assert!(
            after.iter().all(|at| soon.contains(at)),
            "kubelets hear of {bound} before others write: {after:?}"
        );
        let gang = store.find(&key("podgroups", NAMESPACE, "g")).expect("nobody deletes it");
        assert_eq!(text(gang, "/status/phase"), "Running");
        assert!(gang["metadata"]["annotations"]["phalanx.dev/reservation"].is_null());
        assert_eq!(store.judge.violations, Vec::<String>::new());
    });
}
