//! Who may edit everything in a namespace of theirs changes nothing about what the scheduler does; and a journal that somebody
//! has damaged, with more rights than that, is named with its remedy and stops nobody.

use crate::cluster::{TestCluster, succeed};
use crate::phalanx::Phalanx;
use serde_json::Value;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

/// Two pods that fit on node-00000 alone, as they say themselves.
fn gang(namespace: &str, name: &str, annotations: &str) -> String {
    let mut yaml = format!(
        "apiVersion: scheduling.volcano.sh/v1beta1\nkind: PodGroup\nmetadata: {{name: {name}, namespace: {namespace}, annotations: {{{annotations}}}}}\n\
         spec: {{minMember: 2}}\n"
    );
    for member in 0..2 {
        yaml.push_str(&format!(
            "---\napiVersion: v1\nkind: Pod\nmetadata: {{name: {name}-{member}, namespace: {namespace}, labels: {{gang: {name}}}, \
             annotations: {{scheduling.k8s.io/group-name: {name}}}}}\n\
             spec: {{schedulerName: volcano, nodeSelector: {{kubernetes.io/hostname: node-00000}}, \
             containers: [{{name: main, image: none, resources: {{requests: {{cpu: 1}}}}}}]}}\n"
        ));
    }
    yaml
}

fn kubectl(cluster: &TestCluster, kubeconfig: &Path, arguments: &[&str], text: &str) -> Output {
    let mut kubectl = cluster
        .kubectl(arguments)
        .env("KUBECONFIG", kubeconfig)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    kubectl.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    kubectl.wait_with_output().unwrap()
}

fn runs_on_its_node(cluster: &TestCluster, namespace: &str, name: &str) {
    let nodes = "jsonpath={range .items[*]}{.status.phase} {.spec.nodeName};{end}";
    let get = ["get", "pods", "-n", namespace, "-l", &format!("gang={name}"), "-o", nodes];
    cluster.wait_for(&get, "Running node-00000;Running node-00000;");
}

fn wait_for_log(phalanx: &Phalanx, line: &str) {
    let started = Instant::now();
    while !phalanx.log().contains(line) {
        assert!(started.elapsed() < Duration::from_secs(60), "not after a minute: {line}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn an_editor_of_a_namespace_steers_nothing() {
    let Some(cluster) = TestCluster::start() else { return };
    cluster.fleet(&["--nodes", "2", "--no-hypernodes"]);
    let first = Phalanx::deployed(&cluster, &["--leader-elect-lease-seconds=5"]);
    cluster.namespace("theirs");
    let account = "--serviceaccount=theirs:editor";
    cluster.get(["create", "serviceaccount", "editor", "-n", "theirs"]);
    cluster.get(["create", "rolebinding", "edit", "-n", "theirs", "--clusterrole=edit", account]);
    let groups = ["--verb=*", "--resource=podgroups.scheduling.volcano.sh"];
    cluster.get([&["create", "role", "groups", "-n", "theirs"][..], &groups].concat());
    cluster.get(["create", "rolebinding", "groups", "-n", "theirs", "--role=groups", account]);
    let editor = cluster.as_service_account("theirs", "editor");

    // Promises as this release writes them and as earlier ones did: other nodes, other leaders, a later epoch than fits
    // into the Lease.
    let entry = "gang1;b;theirs;forged-0;;;;2;00forged-0-0,=any,00node-00001;0b1,=any,0a";
    let forged =
        ["v1;b;1;;;;1;00forged-1-0,=any,00node-00001", "v1;d;4294967296;;;;0", "v1;b;99;;;;0", entry];
    let mut yaml = String::new();
    for (n, text) in forged.iter().enumerate() {
        let name = format!("forged-{n}");
        yaml.push_str(&gang("theirs", &name, &format!("phalanx.dev/reservation: '{text}'")));
        yaml.push_str("---\n");
    }
    // What looks like the journal, in a namespace that they may write to.
    for name in ["phalanx-journal-0", "phalanx-journal-1"] {
        yaml.push_str(&format!(
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}, namespace: theirs, labels: {{app.kubernetes.io/managed-by: phalanx}}}}\n\
             data: {{journal: 'v1;4294967296;1;somebody', g0: '{entry}'}}\n---\n"
        ));
    }
    let started = Instant::now();
    loop {
        let output = kubectl(&cluster, &editor, &["apply", "-f", "-"], &yaml);
        if output.status.success() {
            break;
        }
        assert!(started.elapsed() < Duration::from_secs(30), "they may do that: {output:?}");
    }
    // And they may not write the one that counts, nor the Lease, nor read the first.
    let patch = "{\"data\":{\"journal\":\"v1;4294967296;1;somebody\"}}";
    let of =
        |kind: &'static str, name: &'static str| ["patch", kind, name, "-n", "phalanx-system", "-p", patch];
    let create =
        ["create", "configmap", "phalanx-journal-7", "-n", "phalanx-system", "--from-literal=journal=v1"];
    let get = ["get", "configmap", "phalanx-journal-0", "-n", "phalanx-system"];
    for attempt in [&of("configmap", "phalanx-journal-0")[..], &of("lease", "phalanx"), &create, &get] {
        let output = kubectl(&cluster, &editor, attempt, "");
        assert!(
            String::from_utf8_lossy(&output.stderr).to_lowercase().contains("forbidden"),
            "{attempt:?}: {output:?}"
        );
    }

    let uids = ["get", "pods", "-n", "theirs", "-o", "jsonpath={.items[*].metadata.uid}"];
    let before = cluster.get(uids);
    let placed = |from: usize| {
        (from..forged.len()).for_each(|n| runs_on_its_node(&cluster, "theirs", &format!("forged-{n}")));
    };
    placed(0);
    let get = [
        "get",
        "podgroups.scheduling.volcano.sh",
        "-n",
        "theirs",
        "-o",
        "jsonpath={.items[*].metadata.annotations.phalanx\\.dev/reservation}",
    ];
    cluster.wait_for(&get, "");
    // A leader that takes over reads what is promised: from the journal.
    let again = format!("phalanx.dev/reservation={entry}");
    let annotate = ["annotate", "podgroups.scheduling.volcano.sh", "-n", "theirs", "--all", &again];
    succeed(kubectl(&cluster, &editor, &annotate, ""));
    // What is bound leaves the journal a second later.
    let ours = ["get", "configmap", "phalanx-journal-0", "-n", "phalanx-system", "-o", "jsonpath={.data}"];
    cluster.wait_until(&ours, "nothing is promised", |data| !data.contains("gang1"));
    first.killer().kill();
    let second = Phalanx::deployed(&cluster, &["--leader-elect-lease-seconds=5"]);
    wait_for_log(&second, "the journal is sealed records=0");
    cluster.create(&gang("default", "next", ""));
    runs_on_its_node(&cluster, "default", "next");
    cluster.wait_for(&get, "");
    placed(0);
    assert_eq!(cluster.get(uids), before, "no pod of theirs was evicted");
    let theirs = ["get", "configmap", "phalanx-journal-0", "-n", "theirs", "-o", "jsonpath={.data.journal}"];
    assert_eq!(
        cluster.get(theirs),
        "v1;4294967296;1;somebody",
        "nobody touches what is in another namespace"
    );
    let ours =
        ["get", "configmap", "phalanx-journal-0", "-n", "phalanx-system", "-o", "jsonpath={.data.journal}"];
    assert!(cluster.get(ours).starts_with("v1;2;"), "the second leader's: {}", cluster.get(ours));
}

#[test]
fn a_damaged_journal_is_named_and_stops_nobody() {
    let Some(cluster) = TestCluster::start() else { return };
    cluster.fleet(&["--nodes", "2", "--no-hypernodes"]);
    let first = Phalanx::deployed(&cluster, &["--leader-elect-lease-seconds=5"]);
    wait_for_log(&first, "the journal is sealed");
    first.killer().kill();
    let system = "phalanx-system";
    let data = "{\"data\":{\"g0\":\"gang1;b;default;torn;;;;2;00a,=u,00node-00001\",\"g1\":\"plan7;of tomorrow\",\
                \"g2\":\"gang1;b;default;next;;;;0;w:of tomorrow\",\"note\":\"do not touch\"}}";
    cluster.get(["patch", "configmap", "phalanx-journal-0", "-n", system, "-p", data]);
    for (name, head) in [("1", "journal=v9;1"), ("3", "journal=torn"), ("4", "other=mine")] {
        let name = format!("phalanx-journal-{name}");
        cluster.get(["create", "configmap", &name, "-n", system, &format!("--from-literal={head}")]);
    }

    let second = Phalanx::deployed(&cluster, &["--leader-elect-lease-seconds=5"]);
    cluster.create(&gang("default", "next", ""));
    runs_on_its_node(&cluster, "default", "next");
    let newer = "run the version of Phalanx that wrote it, or remove the key from the data";
    let expect = [
        (
            "0",
            "entry g0 is malformed in the number of entries: it is left alone; remove the key from the data"
                .to_owned(),
        ),
        (
            "0",
            format!(
                "entry g1 is of the kind plan7, which this version does not know: it is kept and not acted on; {newer}"
            ),
        ),
        (
            "0",
            format!(
                "entry g2 has a part w, which this version does not know: it is kept and not acted on; {newer}"
            ),
        ),
        (
            "0",
            "entry note is malformed in the kind: it is left alone; remove the key from the data".to_owned(),
        ),
        ("1", "its line `journal` is of another version: ".to_owned()),
        ("3", "its line `journal` is malformed: ".to_owned()),
        ("4", "its line `journal` is missing: the object is left alone; delete it".to_owned()),
    ];
    let journal = Command::new(env!("CARGO_BIN_EXE_phalanx"))
        .args(["journal", "-o", "json", "--kubeconfig"])
        .arg(&cluster.kubeconfig)
        .output()
        .unwrap();
    assert_eq!(journal.status.code(), Some(1), "{journal:?}");
    let read: Value = serde_json::from_slice(&journal.stdout).unwrap();
    let objects = read["objects"].as_array().unwrap();
    let events = ["get", "events", "-n", system, "-o", "json"];
    cluster.wait_until(&events, "an event for each", |events| {
        let events: Value = serde_json::from_str(events).unwrap();
        let said = |object: &str, message: &str| {
            events["items"].as_array().unwrap().iter().any(|event| {
                event["involvedObject"]["kind"] == "ConfigMap"
                    && event["involvedObject"]["name"] == object
                    && event["message"].as_str().unwrap().contains(message)
            })
        };
        expect.iter().all(|(number, message)| said(&format!("phalanx-journal-{number}"), message))
    });
    for (number, message) in &expect {
        let name = format!("phalanx-journal-{number}");
        assert!(second.log().contains(message.as_str()), "{message} in\n{}", second.log());
        let object = objects.iter().find(|object| object["configMap"] == name.as_str()).unwrap();
        let left = object["leftAlone"].as_array().unwrap();
        assert!(left.iter().any(|left| left["message"].as_str().unwrap().starts_with(message)), "{left:?}");
    }
    let get = |number: &str, path: &str| {
        cluster.get(["get", "configmap", &format!("phalanx-journal-{number}"), "-n", system, "-o", path])
    };
    assert_eq!(get("0", "jsonpath={.data.note}"), "do not touch");
    assert_eq!(get("4", "jsonpath={.data}"), "{\"other\":\"mine\"}");
    // Done what is said, nothing is left to say.
    for number in ["1", "3", "4"] {
        cluster.get(["delete", "configmap", &format!("phalanx-journal-{number}"), "-n", system]);
    }
    let none = "{\"data\":{\"g0\":null,\"g1\":null,\"g2\":null,\"note\":null}}";
    cluster.get(["patch", "configmap", "phalanx-journal-0", "-n", system, "-p", none]);
    // What is bound leaves with another write, or a second later.
    let started = Instant::now();
    loop {
        let text = Command::new(env!("CARGO_BIN_EXE_phalanx"))
            .args(["journal", "--kubeconfig"])
            .arg(&cluster.kubeconfig)
            .output()
            .unwrap();
        let text = succeed(text);
        if text.ends_with("Nothing is promised at the moment.\n") {
            break;
        }
        assert!(started.elapsed() < Duration::from_secs(30), "{text}");
    }
}
