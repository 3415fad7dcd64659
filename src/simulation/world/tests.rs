use super::*;

fn admit(text: &str) -> Result<World, Vec<Problem>> {
    let mut reader = Reader::default();
    reader.read("w.yaml", text);
    World::admit(reader)
}

/// Expects these problems (or warnings and notes, if there is no problem), without the file's name.
fn check(text: &str, expect: &[&str]) {
    let found = match admit(text) {
        Ok(world) => world.warnings.into_iter().map(|(_, problem)| problem).chain(world.notes).collect(),
        Err(problems) => problems,
    };
    let found: Vec<String> = found.iter().map(|p| p.to_string().replacen("w.yaml:", "", 1)).collect();
    assert_eq!(found, expect, "{text}");
}

const GROUP: &str = "apiVersion: scheduling.volcano.sh/v1beta1\nkind: PodGroup\nmetadata: {name: g}\n";

#[test]
fn what_an_api_server_refuses() {
    check(
        "apiVersion: v1\nkind: Node\nmetadata: {}\n",
        &["3: document 1 (Node): metadata.name: is missing; name it"],
    );
    check(
        "apiVersion: v1\nkind: Pod\nmetadata: {generateName: a-}\n",
        &[
            "3: document 1 (Pod): metadata.name: is missing; generateName is not supported here: write the name",
        ],
    );
    check(
        "apiVersion: v1\nkind: Node\nmetadata:\n  name: Gpu_1\n",
        &["4: document 1 (Node Gpu_1): metadata.name: is \"Gpu_1\"; use lower case letters, digits, - and ."],
    );
    check(
        "apiVersion: v1\nkind: Node\nmetadata:\n  name: n1\n  labels:\n    rack: 7\n",
        &["6: document 1 (Node n1): metadata.labels.rack: is the number 7; put it in quotes"],
    );
    check(
        "apiVersion: v1\nkind: Node\nmetadata: {name: n1}\nstatus:\n  allocatable:\n    cpu: 4x\n",
        &[&format!(
            "6: document 1 (Node n1): status.allocatable.cpu: \"4x\" is not a quantity; {}",
            Quantity("4x".into()).amount().unwrap_err().remedy
        )],
    );
    check(
        &format!("{GROUP}spec:\n  minMember: -1\n"),
        &["5: document 1 (PodGroup g): spec.minMember: is -1; write 0 or more"],
    );
    check(
        &format!("{GROUP}spec:\n  networkTopolgy: {{}}\n"),
        &["5: document 1 (PodGroup g): spec.networkTopolgy: is not a field; did you mean networkTopology?"],
    );
    check(
        &format!("{GROUP}spec:\n  networkTopology:\n    mode: Hard\n"),
        &["6: document 1 (PodGroup g): spec.networkTopology.mode: is \"Hard\"; did you mean hard?"],
    );
    check(GROUP, &["1: document 1 (PodGroup g): spec: is missing; add it"]);
}

use crate::api::quantity::Quantity;

#[test]
fn what_the_webhook_of_model_servings_refuses() {
    let serving = "apiVersion: workload.serving.volcano.sh/v1alpha1\nkind: ModelServing\nmetadata: {name: m}\nspec:\n  replicas: 1\n  template:\n    roles:\n    - name: r\n      workerReplicas: 2\n      entryTemplate: {spec: {containers: [{name: c, image: i}]}}\n";
    let found = admit(serving).unwrap_err();
    let text = found[0].to_string();
    assert!(
        text.starts_with(
            "w.yaml:8: document 1 (ModelServing m): spec.template.roles[0].workerTemplate: Required value"
        ),
        "{text}"
    );
    assert_eq!(found.len(), 1);
}

#[test]
fn what_stops_nothing_is_noted() {
    check(
        "apiVersion: scheduling.run.ai/v2alpha2\nkind: PodGroup\nmetadata: {name: g}\n",
        &[
            "1: document 1 (PodGroup g): apiVersion: is scheduling.run.ai/v2alpha2, which is not read; Phalanx reads PodGroup of scheduling.volcano.sh/v1beta1, scheduling.k8s.io/v1beta1, scheduling.x-k8s.io/v1alpha1",
        ],
    );
    let node = "apiVersion: v1\nkind: Node\nmetadata: {name: n1}\n";
    check(
        &format!("{node}---\n{node}"),
        &["5: document 2 (Node n1): is applied over document 1 of w.yaml, which names the same object"],
    );
    let world = admit("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: d}\n").unwrap();
    assert_eq!(world.ignored, BTreeMap::from([("ConfigMap (v1)".to_owned(), 2)]));
}

#[test]
fn one_simulation_and_its_timeline() {
    let simulation = format!("apiVersion: {}\nkind: Simulation\nspec:\n  timeline:\n", scenario::API_VERSION);
    check(
        &format!(
            "{simulation}  - at: 5s\n    apply:\n      apiVersion: v1\n      kind: Node\n      metadata: {{name: N1}}\n"
        ),
        &[
            "9: document 1 (Simulation): spec.timeline[0].apply.metadata.name: is \"N1\"; use lower case letters, digits, - and .",
        ],
    );
    check(
        &format!("{simulation}    []\n---\n{simulation}    []\n"),
        &[
            "8: document 2 (Simulation): kind: is the second Simulation; the first is document 1 of w.yaml; merge the two",
        ],
    );
}

#[test]
fn the_problems_of_all_documents_come_at_once() {
    let text = "kind: Node\n---\napiVersion: v1\nkind: Node\nmetadata: {}\n---\n: : :\n";
    assert_eq!(admit(text).unwrap_err().len(), 3);
}
