//! Recordings through the command line: what a simulated run did, done again.

use crate::binary::{phalanx, simulate};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A folder that is gone when this is dropped.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("phalanx-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        Folder(path)
    }

    fn text(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn replay(path: &Path, arguments: &[&str]) -> Value {
    let answer = phalanx(&[&["replay", path.to_str().unwrap(), "--output", "json"], arguments].concat(), "");
    assert_eq!(answer.code, 0, "{}", answer.err);
    serde_json::from_str(&answer.out).unwrap()
}

fn rows(done: &Value) -> Vec<&Value> {
    let recordings = done["recordings"].as_array().unwrap();
    recordings.iter().flat_map(|recording| recording["rows"].as_array().unwrap()).collect()
}

#[test]
fn a_simulated_run_is_done_again() {
    let folder = Folder::new("replay");
    let run = simulate(&["simulations/faults.yaml", "--record", folder.text(), "--output", "json"], "");
    assert_eq!(run.code, 0, "{}", run.err);
    let report: Value = serde_json::from_str(&run.out).unwrap();
    let done = replay(&folder.0, &["--all"]);
    for recording in done["recordings"].as_array().unwrap() {
        assert_eq!(recording["departs"], false, "{}", recording["recording"]);
    }
    // Where each pod went at last, by what was decided.
    let mut nodes: BTreeMap<String, String> = BTreeMap::new();
    for row in rows(&done).into_iter().filter(|row| row["what"] == "place") {
        let message = row["message"].as_str().unwrap();
        let pods = message.split_once("): ").map_or(message, |(_, pods)| pods);
        let pods = pods.split(", ").filter_map(|pod| pod.split_once(" on "));
        nodes.extend(pods.map(|(pod, node)| (pod.to_owned(), node.to_owned())));
    }
    let pods = report["pods"].as_array().unwrap().iter().filter(|pod| !pod["node"].is_null());
    let placed: Vec<&Value> = pods.collect();
    assert!(!placed.is_empty());
    for pod in placed {
        let name = pod["name"].as_str().unwrap();
        assert_eq!(nodes.get(name).map(String::as_str), pod["node"].as_str(), "{name}");
    }

    let first = replay(&folder.0, &["--until", "0s"]);
    assert!(rows(&first).len() < rows(&done).len(), "it stops when it is told to");
    let again = simulate(&["simulations/faults.yaml", "--record", folder.text()], "");
    assert_eq!(again.code, 2, "{}", again.out);
    assert!(again.err.contains("holds recordings already"), "{}", again.err);
}

#[test]
fn a_gang_is_explained_as_of_then() {
    let folder = Folder::new("explained");
    let gang = "
apiVersion: simulation.phalanx.dev/v1alpha1
kind: Simulation
spec:
  nodePools: [{name: node, count: 1, capacity: {cpu: 8, gpu: 8}}]
---
apiVersion: scheduling.volcano.sh/v1beta1
kind: PodGroup
metadata: {name: g}
spec: {minMember: 2}
---
{apiVersion: v1, kind: Pod, metadata: {name: a, annotations: {scheduling.k8s.io/group-name: g}}, spec: {schedulerName: volcano, containers: [{name: c, image: i, resources: {limits: {gpu: 8}}}]}}
---
{apiVersion: v1, kind: Pod, metadata: {name: b, annotations: {scheduling.k8s.io/group-name: g}}, spec: {schedulerName: volcano, containers: [{name: c, image: i, resources: {limits: {gpu: 8}}}]}}
";
    let run = simulate(&["-", "--record", folder.text()], gang);
    assert_eq!(run.code, 0, "{}", run.err);
    let done = replay(&folder.0, &["--explain", "default/g"]);
    let recordings = done["recordings"].as_array().unwrap();
    let explained = recordings.iter().find_map(|recording| recording.get("explained")).unwrap();
    assert_eq!(explained["minimum"], 2);
    assert!(explained["message"].as_str().unwrap().contains("fits 1 of 2 pods"), "{explained}");
    let text = phalanx(&["replay", folder.text(), "--explain", "default/g"], "").out;
    assert!(text.contains("default/g waits ("), "{text}");

    let nothing = phalanx(&["replay", "simulations"], "");
    assert_eq!(nothing.code, 2);
    assert!(nothing.err.contains("holds no recording"), "{}", nothing.err);
}
