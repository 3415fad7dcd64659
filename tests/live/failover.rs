//! Two instances with leader election, as `deploy/` runs them: one works, and the other takes over when it is gone or
//! hangs.

use crate::cluster::TestCluster;
use crate::phalanx::Phalanx;
use std::time::{Duration, Instant};

/// A third of the usual, so that the test does not take a minute.
const LEASE: &[&str] = &["--leader-elect-lease-seconds=5"];

fn gang(name: &str) -> String {
    let mut yaml = format!(
        "apiVersion: scheduling.volcano.sh/v1beta1\nkind: PodGroup\nmetadata: {{name: {name}}}\nspec: {{minMember: 4}}\n"
    );
    for member in 0..4 {
        yaml.push_str(&format!(
            "---\napiVersion: v1\nkind: Pod\nmetadata: {{name: {name}-{member}, labels: {{gang: {name}}}, annotations: {{scheduling.k8s.io/group-name: {name}}}}}\n\
             spec: {{schedulerName: volcano, containers: [{{name: main, image: none, resources: {{limits: {{nvidia.com/gpu: 2}}}}}}]}}\n"
        ));
    }
    yaml
}

fn wait(what: &str, done: impl Fn() -> bool) {
    let started = Instant::now();
    while !done() {
        assert!(started.elapsed() < Duration::from_secs(60), "not after a minute: {what}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

fn leads(phalanx: &Phalanx) -> bool {
    phalanx.log().contains(" leading ")
}

#[test]
fn another_instance_takes_over() {
    let Some(cluster) = TestCluster::start() else { return };
    cluster.fleet(&["--nodes", "5", "--no-hypernodes"]);
    let lease = |field: &str| {
        let field = format!("jsonpath={{.spec.{field}}}");
        cluster.get(["get", "lease", "phalanx", "-n", "phalanx-system", "-o", &field])
    };
    let runs = |name: &str| {
        cluster.create(&gang(name));
        let phases =
            ["get", "pods", "-l", &format!("gang={name}"), "-o", "jsonpath={.items[*].status.phase}"];
        cluster.wait_for(&phases, "Running Running Running Running");
    };

    let first = Phalanx::deployed(&cluster, LEASE);
    wait("the first leads", || leads(&first));
    let second = Phalanx::deployed(&cluster, LEASE);
    wait("the second waits", || second.log().contains("waiting for the lease"));
    runs("a");
    assert!(!leads(&second) && second.http("/metrics").contains("phalanx_leading 0"));
    assert!(second.http("/readyz").starts_with("HTTP/1.1 200"), "one that waits is ready");
    let holder = lease("holderIdentity");

    first.killer().kill();
    runs("b");
    assert!(leads(&second) && second.http("/metrics").contains("phalanx_leading 1"));
    assert_ne!(lease("holderIdentity"), holder);

    // One that hangs is deposed, and ends when it comes to.
    let folder = std::env::temp_dir().join(format!("phalanx-recorded-{}", std::process::id()));
    let record = format!("--record={}", folder.display());
    let third = Phalanx::deployed(&cluster, &[LEASE[0], &record]);
    second.signal("STOP");
    runs("c");
    assert!(leads(&third));
    second.signal("CONT");
    wait("the deposed instance ends", || second.has_ended());
    runs("d");
    let ages = cluster.get(["get", "pods", "-o", "jsonpath={.items[*].metadata.name}"]);
    assert_eq!(ages.split(' ').count(), 16, "every pod is still there: {ages}");

    // One that is told to end gives the lease back: the next does not wait until it has run out.
    let fourth = Phalanx::deployed(&cluster, &["--leader-elect-lease-seconds=40"]);
    wait("the fourth waits", || fourth.log().contains("waiting for the lease"));
    third.signal("TERM");
    let told = Instant::now();
    wait("the fourth leads", || leads(&fourth));
    assert!(told.elapsed() < Duration::from_secs(10), "after {:?}", told.elapsed());
    wait("the third ends", || third.has_ended());
    assert!(third.log().contains("the lease is given back"), "{}", third.log());
    runs("e");

    // What the third did, done again, decides the same.
    let replayed = std::process::Command::new(env!("CARGO_BIN_EXE_phalanx"))
        .args(["replay", "--output=json"])
        .arg(&folder)
        .output()
        .expect("it runs");
    let text = String::from_utf8_lossy(&replayed.stdout);
    assert!(replayed.status.success(), "{text} {}", String::from_utf8_lossy(&replayed.stderr));
    for gang in ["default/c", "default/d"] {
        assert!(text.contains(&format!("PodGroup {gang}")), "{gang}: {text}");
    }
    let _ = std::fs::remove_dir_all(&folder);
}
