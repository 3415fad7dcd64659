//! The whole against [`super::super::reference`] while nodes and pods come, change and go.

use super::*;
use proptest::prelude::*;

const KEYS: [&str; 3] = ["host", "rack", "row"];

fn any_labels() -> impl Strategy<Value = String> {
    (prop::option::of(0..2u8), prop::option::of(0..2u8)).prop_map(|(app, tier)| {
        let app = app.map(|app| format!("app={app}"));
        let tier = tier.map(|tier| format!("tier={tier}"));
        app.into_iter().chain(tier).collect::<Vec<_>>().join(",")
    })
}

fn any_node() -> impl Strategy<Value = Node> {
    (
        prop::option::weighted(0.9, 0..4u8),
        prop::option::weighted(0.8, 0..2u8),
        prop::option::of(0..2u8),
        prop::bool::weighted(0.3),
        any::<bool>(),
    )
        .prop_map(|(host, rack, row, tainted, gpu)| {
            let parts = [
                host.map(|host| format!("host={host}")),
                rack.map(|rack| format!("rack={rack}")),
                row.map(|row| format!("row={row}")),
                gpu.then(|| "gpu=yes".to_owned()),
            ];
            let mut node = node(&parts.into_iter().flatten().collect::<Vec<_>>().join(","));
            if tainted {
                node.spec.taints =
                    serde_json::from_value(json!([{"key": "t", "effect": "NoSchedule"}])).unwrap();
            }
            node
        })
}

fn any_selector() -> impl Strategy<Value = Value> {
    let expression = (
        prop::sample::select(vec!["app", "tier"]),
        prop::sample::select(vec!["In", "NotIn", "Exists", "DoesNotExist"]),
        0..2u8,
    )
        .prop_map(|(key, operator, value)| {
            let values = if operator.ends_with("In") { json!([value.to_string()]) } else { json!([]) };
            json!({"key": key, "operator": operator, "values": values})
        });
    let labels = (prop::sample::select(vec!["app", "tier"]), 0..2u8)
        .prop_map(|(key, value)| labels(&format!("{key}={value}")));
    prop_oneof![
        8 => labels.prop_map(|labels| json!({"matchLabels": labels})),
        4 => prop::collection::vec(expression, 0..3).prop_map(|list| json!({"matchExpressions": list})),
        1 => Just(Value::Null),
    ]
}

fn any_term() -> impl Strategy<Value = Value> {
    let keys = prop::collection::vec(Just("tier"), 0..2);
    (any_selector(), prop::sample::select(&KEYS[..]), keys.clone(), keys, 0..4u8).prop_map(
        |(selector, key, matching, mismatching, namespaces)| {
            let mut term = json!({"labelSelector": selector, "topologyKey": key,
                "matchLabelKeys": matching, "mismatchLabelKeys": mismatching});
            match namespaces {
                0 => term["namespaces"] = json!(["b"]),
                1 => term["namespaceSelector"] = json!({}),
                _ => {}
            }
            term
        },
    )
}

fn any_spread() -> impl Strategy<Value = Value> {
    let policy = || prop::option::of(prop::sample::select(vec!["Honor", "Ignore"]));
    (any_selector(), prop::sample::select(&KEYS[..]), 1..3i32, prop::option::of(1..4i32), policy(), policy(), any::<bool>())
        .prop_map(|(selector, key, skew, min, affinity, taints, narrow)| {
            json!({"labelSelector": selector, "topologyKey": key, "maxSkew": skew, "minDomains": min,
                "whenUnsatisfiable": "DoNotSchedule", "nodeAffinityPolicy": affinity, "nodeTaintsPolicy": taints,
                "matchLabelKeys": if narrow { json!(["tier"]) } else { json!([]) }})
        })
}

fn any_port() -> impl Strategy<Value = Value> {
    (1..3, prop::sample::select(vec!["", "10.0.0.1", "10.0.0.2"]), prop::sample::select(vec!["TCP", "UDP"]))
        .prop_map(|(port, ip, protocol)| json!({"hostPort": port, "hostIP": ip, "protocol": protocol}))
}

fn any_pod() -> impl Strategy<Value = Pod> {
    let few = |strategy| prop::collection::vec(strategy, 0..3);
    let rules = prop_oneof![
        3 => Just(json!({})),
        3 => few(any_term().boxed()).prop_map(|terms| near(json!(terms))),
        4 => few(any_term().boxed()).prop_map(|terms| away(json!(terms))),
        4 => few(any_spread().boxed()).prop_map(|list| json!({"topologySpreadConstraints": list})),
        2 => few(any_port().boxed()).prop_map(|ports| json!({"containers": [{"name": "c", "ports": ports}]})),
        3 => (any_term(), any_term(), any_spread()).prop_map(|(a, b, c)| {
            let mut spec = near(json!([a]));
            spec["affinity"]["podAntiAffinity"] = away(json!([b]))["affinity"]["podAntiAffinity"].clone();
            spec["topologySpreadConstraints"] = json!([c]);
            spec
        }),
    ];
    (any_labels(), rules, prop::sample::select(vec!["a", "b"]), any::<bool>(), any::<bool>()).prop_map(
        |(labels, mut spec, namespace, selects, tolerates)| {
            if selects {
                spec["nodeSelector"] = json!({"gpu": "yes"});
            }
            if tolerates {
                spec["tolerations"] = json!([{"key": "t", "operator": "Exists"}]);
            }
            pod(&format!("{namespace}/{labels}"), spec)
        },
    )
}

#[derive(Clone, Debug)]
enum Step {
    SetNode(usize, Option<Box<Node>>),
    Add(Box<Pod>, usize),
    Remove(prop::sample::Index),
    Delete(prop::sample::Index),
}

const NODES: usize = 5;

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0..NODES, prop::option::weighted(0.8, any_node())).prop_map(|(at, node)| Step::SetNode(at, node.map(Box::new))),
        6 => (any_pod(), 0..NODES).prop_map(|(pod, at)| Step::Add(Box::new(pod), at)),
        2 => any::<prop::sample::Index>().prop_map(Step::Remove),
        1 => any::<prop::sample::Index>().prop_map(Step::Delete),
    ]
}

fn run(world: &mut World, step: Step) {
    match step {
        Step::SetNode(at, object) => world.set_node(at, object.map(|object| *object)),
        Step::Add(pod, at) => world.add_pod(*pod, at),
        Step::Remove(index) | Step::Delete(index) if world.objects.pods.is_empty() => {
            let _ = index;
        }
        Step::Remove(index) => {
            world.remove_pod(index.index(world.objects.pods.len()));
        }
        Step::Delete(index) => {
            let (mut pod, at) = world.remove_pod(index.index(world.objects.pods.len()));
            pod.metadata.deletion_timestamp = Some("2026-01-01T00:00:00Z".into());
            world.add_pod(pod, at);
        }
    }
}

fn agree(trial: &Trial<'_>, objects: &Reference, candidates: &[(ClassId, Pod)]) -> Result<(), TestCaseError> {
    for (class, pod) in candidates {
        for at in 0..objects.nodes.len() {
            if objects.nodes[at].is_some() {
                let found = trial.cause(*class, NodeId(at as u32));
                prop_assert_eq!(found, objects.cause(pod, at), "{:?} on {} in {:?}", pod, at, objects);
            }
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    /// However nodes and pods come, change and go, and whatever a trial places and takes back, every answer is that
    /// of counting the objects anew; and pods that share a coupling get the same answers.
    #[test]
    fn answers_are_those_of_the_objects(
        nodes in prop::collection::vec(any_node(), NODES),
        early in prop::collection::vec(any_pod(), 0..3),
        steps in prop::collection::vec(any_step(), 0..20),
        late in prop::collection::vec(any_pod(), 1..3),
        tries in prop::collection::vec((any::<prop::sample::Index>(), prop::option::weighted(0.7, 0..NODES)), 0..12),
    ) {
        let mut world = World::default();
        for pod in &early {
            world.class(pod);
        }
        for (at, node) in nodes.into_iter().enumerate() {
            world.set_node(at, Some(node));
        }
        for step in steps {
            run(&mut world, step);
        }
        let pods: Vec<_> = early.into_iter().chain(late).collect();
        for pod in &pods {
            world.class(pod);
        }
        // All rules are known now: these are the classes to trust.
        let version = world.coupling.version();
        let candidates: Vec<_> = pods.into_iter().map(|pod| (world.class(&pod), pod)).collect();
        prop_assert_eq!(version, world.coupling.version());

        let mut objects = world.objects.clone();
        let mut trial = world.coupling.trial(&world.classes);
        agree(&trial, &objects, &candidates)?;
        let placed_before = objects.pods.len();
        for (index, place) in tries {
            match place {
                Some(at) => {
                    let (class, pod) = index.get(&candidates);
                    trial.place(*class, NodeId(at as u32));
                    objects.pods.push((pod.clone(), at));
                }
                None => {
                    trial.undo();
                    if objects.pods.len() > placed_before {
                        objects.pods.pop();
                    }
                }
            }
            agree(&trial, &objects, &candidates)?;
        }
        while objects.pods.len() > placed_before {
            trial.undo();
            objects.pods.pop();
        }
        agree(&trial, &objects, &candidates)?;

        // What is not concerned is excluded nowhere and moves nothing.
        for (class, _) in &candidates {
            if !world.coupling.concerns(world.classes.get(*class).coupling) {
                prop_assert!((0..NODES).all(|at| trial.cause(*class, NodeId(at as u32)).is_none()));
            }
        }
    }

    /// When everything is gone, nothing is left behind.
    #[test]
    fn counters_return_to_nothing(steps in prop::collection::vec(any_step(), 0..25)) {
        let mut world = World::default();
        for step in steps {
            run(&mut world, step);
        }
        while !world.objects.pods.is_empty() {
            world.remove_pod(0);
        }
        prop_assert_eq!(world.coupling.presences.all().count(), 0);
        prop_assert!(world.coupling.counters.is_clear());
        prop_assert!(world.coupling.selectors.is_clear());
    }
}
