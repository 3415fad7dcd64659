//! Misspelt, misplaced and impossible fields of core objects, each with what would be right.

use super::*;
use serde_json::json;

/// Expects these faults; those that an API server would take come with a question mark at the end.
fn check(object: Value, expect: &[&str]) {
    let found = super::check(&object);
    let found: Vec<String> = found
        .iter()
        .map(|fault| {
            format!(
                "{}: {}; {}{}",
                fault.path,
                fault.message,
                fault.remedy,
                if fault.unknown { " (?)" } else { "" }
            )
        })
        .collect();
    assert_eq!(found, expect, "{object}");
}

fn pod(spec: Value) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": spec})
}

fn with_resources(resources: Value) -> Value {
    pod(json!({"containers": [{"name": "c", "image": "i", "resources": resources}]}))
}

#[test]
fn misspelt_fields() {
    check(
        pod(json!({"nodeselector": {}})),
        &["spec.nodeselector: is not a field; did you mean nodeSelector?"],
    );
    check(pod(json!({"tolleration": []})), &["spec.tolleration: is not a field; did you mean tolerations?"]);
    check(
        with_resources(json!({"limit": {}})),
        &["spec.containers[0].resources.limit: is not a field; did you mean limits?"],
    );
    let term = json!({"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecutions": []}});
    check(
        pod(json!({"affinity": term})),
        &[
            "spec.affinity.podAntiAffinity.requiredDuringSchedulingIgnoredDuringExecutions: is not a field; did you mean \
           requiredDuringSchedulingIgnoredDuringExecution?",
        ],
    );
    let node = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n"}, "spec": {"taint": []}});
    check(node, &["spec.taint: is not a field; did you mean taints?"]);
    let unlike = "spec.gangOf: is not a field; look the name up with kubectl explain (?)";
    check(pod(json!({"gangOf": 4})), &[unlike]);
}

/// What the API server says of a budget and of a pod that run nothing: `spec: Invalid value` and `Required value`.
#[test]
fn budgets_have_one_bound_and_pods_a_container() {
    let budget = |spec: Value| json!({"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": "b"}, "spec": spec});
    for fine in [json!({"minAvailable": 2}), json!({"maxUnavailable": "50%"}), json!({"maxUnavailable": 0})] {
        check(budget(fine), &[]);
    }
    check(
        budget(json!({"minAvailable": 2, "maxUnavailable": 1})),
        &["spec.maxUnavailable: is set beside minAvailable; write one of the two"],
    );
    let remedy = "write a number of pods, or a percentage such as 50%";
    check(budget(json!({"minAvailable": "half"})), &[&format!("spec.minAvailable: is half; {remedy}")]);
    check(budget(json!({"maxUnavailable": -1})), &[&format!("spec.maxUnavailable: is -1; {remedy}")]);
    let empty = "spec.containers: is empty; write at least one container";
    check(pod(json!({"containers": []})), &[empty]);
}

/// A letter that is missing, where a struct below has a field of just that name.
#[test]
fn a_slip_is_not_taken_for_a_field_in_the_wrong_place() {
    check(
        with_resources(json!({"request": {"cpu": 1}})),
        &["spec.containers[0].resources.request: is not a field; did you mean requests?"],
    );
}

/// What an API server refuses of controllers, and of the pods that they make.
#[test]
fn controllers_find_their_pods_and_restart_them_as_they_may() {
    let workload = |version: &str, kind: &str, policy: Value, labels: Value| {
        json!({"apiVersion": version, "kind": kind, "spec": {"selector": {"matchLabels": {"app": "w"}},
            "template": {"metadata": {"labels": labels}, "spec": {"restartPolicy": policy}}}})
    };
    let (app, none) = (json!({"app": "w"}), json!({"app": "x"}));
    check(workload("apps/v1", "Deployment", Value::Null, app.clone()), &[]);
    check(
        workload("apps/v1", "StatefulSet", json!("Always"), none),
        &[
            "spec.selector: asks for the label app: w, which the pods of the template do not have; write app: w in \
           template.metadata.labels",
        ],
    );
    check(
        workload("apps/v1", "Deployment", json!("Never"), app.clone()),
        &["spec.template.spec.restartPolicy: is Never; pods of a Deployment take Always"],
    );
    check(
        workload("batch/v1", "Job", json!("Always"), app.clone()),
        &["spec.template.spec.restartPolicy: is Always; pods of a Job take Never or OnFailure"],
    );
    check(
        workload("batch/v1", "Job", Value::Null, app),
        &[
            "spec.template.spec.restartPolicy: is missing, and is Always then; pods of a Job take Never or OnFailure (?)",
        ],
    );
}

/// Volcano's webhook refuses these; what no policy does is none.
#[test]
fn jobs_of_volcano() {
    let job = |minimum: u32, action: &str| {
        json!({"apiVersion": "batch.volcano.sh/v1alpha1", "kind": "Job", "spec": {"minAvailable": minimum,
            "policies": [{"event": "PodFailed", "action": action}],
            "tasks": [{"name": "w", "replicas": 2, "template": {}}]}})
    };
    check(job(2, "RestartJob"), &[]);
    check(
        job(5, "RestartJob"),
        &["spec.minAvailable: is 5, and the tasks have 2 pods in all; write 2 or less"],
    );
    check(job(2, "RestartJobs"), &["spec.policies[0].action: is \"RestartJobs\"; did you mean RestartJob?"]);
}

#[test]
fn extended_resources_need_a_limit() {
    check(
        with_resources(json!({"requests": {"nvidia.com/gpu": 2, "cpu": 4}})),
        &[
            "spec.containers[0].resources.requests[\"nvidia.com/gpu\"]: is set without a limit, and an API server refuses \
           that; write limits: {nvidia.com/gpu: 2} (?)",
        ],
    );
    check(with_resources(json!({"requests": {"nvidia.com/gpu": 2}, "limits": {"nvidia.com/gpu": 2}})), &[]);
}

#[test]
fn fields_in_the_wrong_place() {
    let mut object = pod(json!({"containers": [{"name": "c", "image": "i"}]}));
    object["tolerations"] = json!([]);
    check(object, &["tolerations: is not a field; it belongs to spec"]);
    check(
        with_resources(json!({"nvidia.com/gpu": 16})),
        &[
            "spec.containers[0].resources[\"nvidia.com/gpu\"]: is not a field; write it under limits or requests",
        ],
    );
    check(
        pod(json!({"containers": [{"name": "c", "nodeSelector": {"pool": "a"}}]})),
        &["spec.containers[0].nodeSelector: is not a field; it belongs to spec"],
    );
    check(pod(json!({"image": "i"})), &["spec.image: is not a field; it belongs to spec.containers[]"]);
    let mut deployment =
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "spec": {"template": {"spec": {}}}});
    deployment["spec"]["template"]["spec"]["replicas"] = json!(3);
    check(deployment, &["spec.template.spec.replicas: is not a field; it belongs to spec"]);
}

/// The API server has dropped unknown fields: what a dump still has is of a newer version, and refuses nothing.
#[test]
fn objects_that_an_api_server_keeps_are_not_refused_for_new_fields() {
    let mut object = pod(json!({"nodeSelectors": {}}));
    object["metadata"]["uid"] = json!("u");
    check(object, &["spec.nodeSelectors: is not a field; did you mean nodeSelector? (?)"]);
}

#[test]
fn words_that_are_not_on_the_list() {
    let toleration = |toleration: Value| pod(json!({"tolerations": [toleration]}));
    let operator = "spec.tolerations[0].operator: is \"exists\"; did you mean Exists?";
    check(toleration(json!({"key": "sla", "operator": "exists"})), &[operator]);
    check(
        toleration(json!({"key": "sla", "operator": "Exists", "effect": "noSchedule"})),
        &["spec.tolerations[0].effect: is \"noSchedule\"; did you mean NoSchedule?"],
    );
    check(
        toleration(json!({"value": "a"})),
        &[
            "spec.tolerations[0].key: is missing; name the taint's key, or write operator: Exists for all taints",
        ],
    );
    let node = json!({"apiVersion": "v1", "kind": "Node", "spec": {"taints": [{"key": "a", "effect": "Noschedule"}]}});
    check(node, &["spec.taints[0].effect: is \"Noschedule\"; did you mean NoSchedule?"]);
    check(
        pod(json!({"initContainers": [{"name": "a", "restartPolicy": "always"}]})),
        &["spec.initContainers[0].restartPolicy: is \"always\"; did you mean Always?"],
    );
    let expression = json!({"matchExpressions": [{"key": "a", "operator": "in", "values": ["b"]}]});
    let affinity = json!({"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [expression]}}});
    check(
        pod(json!({"affinity": affinity})),
        &["spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[0].\
           matchExpressions[0].operator: is \"in\"; did you mean In?"],
    );
}

#[test]
fn values_out_of_range_and_of_the_wrong_type() {
    check(
        pod(json!({"priority": "high"})),
        &["spec.priority: is the text \"high\"; write a number, without quotes"],
    );
    check(
        pod(json!({"hostNetwork": "yes"})),
        &["spec.hostNetwork: is the text \"yes\"; write true or false, without quotes"],
    );
    check(
        pod(json!({"topologySpreadConstraints": [{"topologyKey": "zone", "maxSkew": 0}]})),
        &["spec.topologySpreadConstraints[0].maxSkew: is 0; write 1 or more"],
    );
    let mut dated = pod(json!({}));
    dated["metadata"]["creationTimestamp"] = json!("2026-02-30T10:00:00Z");
    check(
        dated,
        &["metadata.creationTimestamp: is \"2026-02-30T10:00:00Z\", which is no time; write a time such as \
           \"2026-01-31T08:00:00Z\""],
    );
    let mut labelled = pod(json!({}));
    labelled["metadata"]["labels"] = json!({"team": "a b", "nvidia.com/x/y": "1"});
    check(
        labelled,
        &[
            "metadata.labels[\"nvidia.com/x/y\"]: is no key; write it as name or example.com/name",
            "metadata.labels.team: is \"a b\"; use letters, digits, -, _ and ., with a letter or digit at both ends",
        ],
    );
    check(
        pod(json!({"containers": [{"name": "c", "volumeMounts": [{"name": "nosuch", "mountPath": "/a"}]}]})),
        &[
            "spec.containers[0].volumeMounts[0].name: is \"nosuch\", and the pod has no such volume; add it to volumes",
        ],
    );
}

#[test]
fn quantities() {
    let at = |name: &str, amount: Value| with_resources(json!({"requests": {name: amount}}));
    let path = "spec.containers[0].resources.requests";
    check(at("cpu", json!("500mi")), &[&format!("{path}.cpu: \"500mi\" is not a quantity; write 500m")]);
    check(
        at("memory", json!("500mi")),
        &[&format!("{path}.memory: \"500mi\" is not a quantity; write 500Mi")],
    );
    check(
        at("memory", json!("100m")),
        &[&format!(
            "{path}.memory: is 100m, a fraction of a byte; m is for thousandths; write 100M or 100Mi for megabytes (?)"
        )],
    );
    check(at("cpu", json!("100m")), &[]);
    check(at("cpu", json!(-1)), &[&format!("{path}.cpu: is -1, which is negative; an amount is 0 or more")]);
    let both = json!({"requests": {"cpu": 2}, "limits": {"cpu": "1500m"}});
    check(
        with_resources(both),
        &[&format!("{path}.cpu: is 2, above the limit of 1500m; a request is at most the limit")],
    );
}
