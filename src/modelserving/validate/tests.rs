use super::*;
use serde_json::json;

fn object(spec: Value) -> ModelServing {
    serde_json::from_value(json!({"metadata": {"name": "ms"}, "spec": spec})).unwrap()
}

fn pod() -> Value {
    json!({"spec": {"containers": [{"name": "c", "image": "nginx"}]}})
}

fn role(changes: Value) -> Value {
    let mut role = json!({"name": "prefill", "replicas": 3, "workerReplicas": 0, "entryTemplate": pod()});
    for (key, value) in changes.as_object().unwrap() {
        role[key] = value.clone();
    }
    role
}

fn spec(changes: Value) -> Value {
    let mut spec = json!({"replicas": 3, "template": {"roles": [role(json!({}))]}});
    for (key, value) in changes.as_object().unwrap() {
        spec[key] = value.clone();
    }
    spec
}

fn check(spec: Value, expect: &[&str]) {
    let errors: Vec<String> = validate(&object(spec), None).iter().map(ToString::to_string).collect();
    assert_eq!(errors, expect);
}

/// One role with these fields.
fn check_role(changes: Value, expect: &[&str]) {
    check(spec(json!({"template": {"roles": [role(changes)]}})), expect);
}

#[test]
fn more_pods_than_a_cluster_has() {
    let check = |replicas: u32, role_replicas: u32, workers: u32, expect: &[&str]| {
        let role =
            role(json!({"replicas": role_replicas, "workerReplicas": workers, "workerTemplate": pod()}));
        check(spec(json!({"replicas": replicas, "template": {"roles": [role]}})), expect);
    };
    check(1000, 10, 14, &[]);
    check(
        1000,
        10,
        15,
        &[
            "spec.replicas: Invalid value: 1000: asks for 160000 pods in all, and a cluster has 150000 at most; lower \
             spec.replicas, or replicas or workerReplicas of its roles",
        ],
    );
}

/// W1.
#[test]
fn names_that_will_be_too_long() {
    let mut long = object(spec(json!({"replicas": 10})));
    long.metadata.name = "a".repeat(50);
    let errors = validate(&long, None);
    assert_eq!(errors.len(), 1);
    assert_eq!(errors[0].path, "metadata.name");
    assert_eq!(errors[0].message, "invalid name: must be no more than 63 characters");
    long.metadata.name = "a".repeat(47);
    assert_eq!(validate(&long, None), [], "aaa-10-prefill-3-0 has 63 characters");
    check(
        json!({"template": {"roles": []}}),
        &[
            "spec.replicas: Invalid value: null: replicas must be a non-negative integer",
            "spec.template.roles: Invalid value: []: roles must be specified",
        ],
    );
    let mut digit = object(spec(json!({})));
    digit.metadata.name = "1ms".to_owned();
    let message = &validate(&digit, None)[0].message;
    assert!(message.starts_with("invalid name: a DNS-1035 label must consist of"), "{message}");
}

/// W4, role names. Upstream refuses a digit in front, and with it the walkthrough's `405b`; it is accepted here.
#[test]
fn role_names() {
    check_role(json!({"name": "405b"}), &[]);
    check_role(json!({"name": "a-1"}), &[]);
    for bad in ["Prefill", "prefill-", "-prefill"] {
        let errors =
            validate(&object(spec(json!({"template": {"roles": [role(json!({"name": bad}))]}}))), None);
        let own: Vec<&FieldError> =
            errors.iter().filter(|error| error.path == "spec.template.roles[0].name").collect();
        assert_eq!(own.len(), 1, "{errors:?}");
        assert!(own[0].message.starts_with("role name must be a valid DNS-1123 label"), "{}", own[0].message);
    }
    check_role(
        json!({"name": "more-than-12-x"}),
        &["spec.template.roles[0].name: Too long: may not be more than 12 bytes"],
    );
    check(
        spec(json!({"template": {"roles": [role(json!({})), role(json!({}))]}})),
        &[r#"spec.template.roles: Invalid value: "array": roles name must be unique"#],
    );
    let five: Vec<Value> = (0..5).map(|i| role(json!({"name": format!("r{i}")}))).collect();
    check(
        spec(json!({"template": {"roles": five}})),
        &["spec.template.roles: Too many: must have at most 4 items"],
    );
}

#[test]
fn images() {
    let with =
        |image: &str| json!({"entryTemplate": {"spec": {"containers": [{"name": "c", "image": image}]}}});
    check_role(with(""), &[]);
    check_role(with("registry/a:b"), &[]);
    check_role(
        with("  "),
        &[
            r#"spec.template.roles[0].entryTemplate.spec.containers[0].image: Invalid value: "  ": invalid container image reference: image cannot be empty or whitespace only"#,
        ],
    );
    check_role(
        with("a b"),
        &[
            r#"spec.template.roles[0].entryTemplate.spec.containers[0].image: Invalid value: "a b": invalid container image reference: image cannot contain spaces"#,
        ],
    );
    check_role(
        json!({"entryTemplate": {}}),
        &["spec.template.roles[0].entryTemplate.spec: Required value: a pod needs containers"],
    );
}

/// W4, replicas and workers.
#[test]
fn counts() {
    check(spec(json!({"replicas": 0})), &[]);
    check(
        spec(json!({"replicas": -1})),
        &["spec.replicas: Invalid value: -1: replicas must be a non-negative integer"],
    );
    check_role(json!({"replicas": 0}), &[]);
    check_role(
        json!({"replicas": null}),
        &[
            "spec.template.roles[0].replicas: Invalid value: null: role replicas must be a non-negative integer",
        ],
    );
    check_role(json!({"workerReplicas": 1, "workerTemplate": pod()}), &[]);
    check_role(
        json!({"workerReplicas": 1}),
        &[
            "spec.template.roles[0].workerTemplate: Required value: workerTemplate is required when workerReplicas is greater than 0",
        ],
    );
    check_role(
        json!({"workerReplicas": -1}),
        &[
            "spec.template.roles[0].workerReplicas: Invalid value: -1: workerReplicas must be a non-negative integer",
        ],
    );
}

const CONFIGURATION: &str = "spec.rolloutStrategy.rollingUpdateConfiguration";

fn check_budget(replicas: i32, configuration: Value, expect: &[&str]) {
    let rollout = json!({"type": "ServingGroupRollingUpdate", "rollingUpdateConfiguration": configuration});
    let expect: Vec<String> = expect.iter().map(|text| format!("{CONFIGURATION}{text}")).collect();
    let expect: Vec<&str> = expect.iter().map(String::as_str).collect();
    check(spec(json!({"replicas": replicas, "rolloutStrategy": rollout})), &expect);
}

/// W2, and maxSurge as upstream merged it.
#[test]
fn budgets() {
    check_budget(3, json!({}), &[]);
    check_budget(3, json!({"maxUnavailable": 2}), &[]);
    check_budget(3, json!({"maxUnavailable": 10}), &[]);
    check_budget(3, json!({"maxUnavailable": 0}), &[": Invalid value: 0: maxUnavailable cannot be 0"]);
    check_budget(
        3,
        json!({"maxUnavailable": "30%"}),
        &[r#": Invalid value: "30%": maxUnavailable cannot be 0"#],
    );
    check_budget(3, json!({"maxUnavailable": 0, "maxSurge": 1}), &[]);
    check_budget(3, json!({"maxUnavailable": 0, "maxSurge": "1%"}), &[]);
    check_budget(
        3,
        json!({"maxUnavailable": 0, "maxSurge": 0}),
        &[r#": Invalid value: "": maxUnavailable and maxSurge cannot both resolve to 0"#],
    );
    check_budget(3, json!({"maxUnavailable": 0, "partition": 3}), &[]);
    check_budget(0, json!({"maxUnavailable": "50%"}), &[]);
    for partition in [json!(0), json!(1), json!(3), json!(5), json!("50%")] {
        check_budget(3, json!({"partition": partition}), &[]);
    }
    check_budget(
        3,
        json!({"partition": -1}),
        &[".partition: Invalid value: -1: must be a non-negative integer"],
    );
    check_budget(
        3,
        json!({"partition": "110%"}),
        &[r#".partition: Invalid value: "110%": must be a valid percent value (0-100)"#],
    );
    check_budget(
        3,
        json!({"maxUnavailable": "x"}),
        &[
            r#".maxUnavailable: Invalid value: "x": a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')"#,
            r#".maxUnavailable: Invalid value: "x": invalid maxUnavailable: invalid value for IntOrString: invalid type: string is not a percentage"#,
        ],
    );
    check(
        spec(json!({"rolloutStrategy": {"type": "RoleRollingUpdate", "rollingUpdateConfiguration": {}}})),
        &[
            "spec.rolloutStrategy.rollingUpdateConfiguration: Forbidden: rollingUpdateConfiguration is only valid when rolloutStrategy.type is ServingGroupRollingUpdate",
        ],
    );
}

/// W3.
#[test]
fn budgets_of_roles() {
    let rolls = |changes: Value, expect: &[&str]| {
        let rollout = json!({"type": "RoleRollingUpdate"});
        let expect: Vec<String> = expect.iter().map(|text| format!("spec.template.roles[0]{text}")).collect();
        let expect: Vec<&str> = expect.iter().map(String::as_str).collect();
        check(spec(json!({"rolloutStrategy": rollout, "template": {"roles": [role(changes)]}})), &expect);
    };
    rolls(json!({"maxUnavailable": 2, "partition": 1}), &[]);
    rolls(json!({"maxUnavailable": 3}), &[]);
    rolls(
        json!({"maxUnavailable": 4}),
        &[".maxUnavailable: Invalid value: 4: maxUnavailable cannot be greater than replicas (3)"],
    );
    rolls(
        json!({"maxUnavailable": "0%"}),
        &[r#".maxUnavailable: Invalid value: "0%": maxUnavailable cannot be 0"#],
    );
    rolls(json!({"maxUnavailable": 0, "maxSurge": 1}), &[]);
    rolls(
        json!({"maxUnavailable": 0, "maxSurge": 0}),
        &[r#": Invalid value: "": maxUnavailable and maxSurge cannot both resolve to 0"#],
    );
    // Upstream refuses this, since the CRD fills in maxUnavailable: 1.
    rolls(json!({"replicas": 0, "maxUnavailable": 1}), &[]);

    check_role(json!({"maxUnavailable": 1}), &[]);
    check_role(
        json!({"partition": 1}),
        &[
            "spec.template.roles[0].partition: Forbidden: partition is only valid when rolloutStrategy.type is RoleRollingUpdate",
        ],
    );
    check_role(
        json!({"maxSurge": 1}),
        &[
            "spec.template.roles[0].maxSurge: Forbidden: maxSurge is only valid when rolloutStrategy.type is RoleRollingUpdate",
        ],
    );
}

fn gang(policy: Value) -> Value {
    spec(json!({"template": {"gangPolicy": policy, "roles": [role(json!({}))]}}))
}

/// W4, gang policy.
#[test]
fn gang_policy() {
    let at = "spec.template.gangPolicy.minRoleReplicas";
    check(gang(json!({})), &[]);
    check(gang(json!({"minRoleReplicas": {"prefill": 3}})), &[]);
    check(gang(json!({"minRoleReplicas": {"prefill": 0}})), &[]);
    check(
        gang(json!({"minRoleReplicas": {"prefill": 4}})),
        &[&format!(
            "{at}[prefill]: Invalid value: 4: minRoleReplicas (4) for role prefill cannot exceed replicas (3)"
        )],
    );
    check(
        gang(json!({"minRoleReplicas": {"prefill": -1}})),
        &[&format!(
            "{at}[prefill]: Invalid value: -1: minRoleReplicas for role prefill must be non-negative"
        )],
    );
    check(
        gang(json!({"minRoleReplicas": {"other": 1}})),
        &[&format!(r#"{at}[other]: Invalid value: "other": role other does not exist in template.roles"#)],
    );
}

/// The CEL rules of 1.2 and what follows from them (1.5).
#[test]
fn updates() {
    let update = |old: Value, new: Value| -> Vec<String> {
        validate(&object(new), Some(&object(old))).iter().map(ToString::to_string).collect()
    };
    let (one, two) =
        (gang(json!({"minRoleReplicas": {"prefill": 1}})), gang(json!({"minRoleReplicas": {"prefill": 2}})));
    assert_eq!(
        update(one.clone(), two.clone()),
        [
            r#"spec.template.gangPolicy.minRoleReplicas: Invalid value: {"prefill":2}: minRoleReplicas is immutable"#
        ]
    );
    assert!(update(one.clone(), one.clone()).is_empty());
    assert!(update(one.clone(), gang(json!({}))).is_empty(), "dropping the map is allowed");
    assert!(update(gang(json!({})), two.clone()).is_empty(), "adding it too");
    assert!(update(spec(json!({})), two).is_empty());
    assert_eq!(
        update(one, spec(json!({}))),
        [r#"spec.template: Invalid value: "object": gangPolicy is required once set"#]
    );
}

/// W4, pairs of policies.
#[test]
fn policy_pairs() {
    let pair = |recovery: &str, type_: &str| {
        spec(json!({"recoveryPolicy": recovery, "rolloutStrategy": {"type": type_}}))
    };
    for recovery in ["RoleRecreate", "None"] {
        check(pair(recovery, "ServingGroupRollingUpdate"), &[]);
        check(pair(recovery, "RoleRollingUpdate"), &[]);
    }
    check(pair("ServingGroupRecreate", "ServingGroupRollingUpdate"), &[]);
    check(
        pair("ServingGroupRecreate", "RoleRollingUpdate"),
        &[
            r#"spec.rolloutStrategy.type: Invalid value: "RoleRollingUpdate": incompatible recoveryPolicy and rolloutStrategy.type after applying defaults: recoveryPolicy=ServingGroupRecreate, rolloutStrategy.type=RoleRollingUpdate; valid pairs: (ServingGroupRecreate,ServingGroupRollingUpdate) or (RoleRecreate,RoleRollingUpdate)"#,
        ],
    );
}

#[test]
fn enums_and_topology() {
    check(
        spec(json!({"recoveryPolicy": "Never"})),
        &[
            r#"spec.recoveryPolicy: Unsupported value: "Never": supported values: "ServingGroupRecreate", "RoleRecreate", "None""#,
        ],
    );
    let topology = json!({"groupPolicy": {"mode": "firm", "highestTierAllowed": -1}});
    let path = "spec.template.networkTopology.groupPolicy";
    check(
        spec(json!({"template": {"networkTopology": topology, "roles": [role(json!({}))]}})),
        &[
            &format!(r#"{path}.mode: Unsupported value: "firm": supported values: "hard", "soft""#),
            &format!(
                "{path}.highestTierAllowed: Invalid value: -1: {path}.highestTierAllowed in body should be greater than or equal to 0"
            ),
        ],
    );
}

/// All problems are told at once.
#[test]
fn refusal_lists_them_all() {
    let errors = validate(&object(spec(json!({"replicas": -1, "recoveryPolicy": "Never"}))), None);
    let text = refusal(&errors);
    assert!(text.starts_with("validation failed:\n  - spec.recoveryPolicy: "), "{text}");
    assert!(
        text.contains("\n  - spec.replicas: Invalid value: -1: replicas must be a non-negative integer"),
        "{text}"
    );
}

#[test]
fn the_walkthrough_is_accepted() {
    let mut walkthrough: ModelServing =
        serde_saphyr::from_str(include_str!("../tests/llama-multinode.yaml")).unwrap();
    super::super::default(&mut walkthrough);
    assert_eq!(validate(&walkthrough, None), []);
}
