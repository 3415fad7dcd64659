//! Cases of devices by claim: allocations, counts, claims for extended resources and expressions through the public
//! interface of `cluster::devices`, gangs through the simulator. They stand in a file beside the checkout; where it is not, nothing is judged.

use phalanx::api::core::Pod;
use phalanx::api::device::{AllocationResult, Device, DeviceClaim, DeviceClass, ResourceSlice};
use phalanx::cluster::devices::cel::{CelError, Program};
use phalanx::cluster::devices::{
    Allocated, Catalogue, NodeView, Rules, Usage, Wanted, allocate, claim_for, count,
};
use phalanx::scheduler::config::SchedulerConfig;
use phalanx::simulation::{Reader, Report, Simulation, World};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Records that are not right yet; each leaves the list when it is.
const NOT_YET: [&str; 0] = [];

#[test]
#[expect(clippy::disallowed_methods, reason = "the records stand beside the checkout")]
fn records_of_upstream() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/cases/dra-cases.yaml");
    let Ok(text) = std::fs::read_to_string(path) else { return };
    // The records are YAML 1.2: `Y` is a text.
    let options = serde_saphyr::options! { strict_booleans: true };
    let file: Value = serde_saphyr::from_str_with_options(&text, options).expect("the records can be read");
    let mut counts: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    let mut failures = Vec::new();
    for record in file["cases"].as_array().expect("there are records") {
        let (id, kind) = (text_of(record, "id"), text_of(record, "kind"));
        let judged = match kind {
            "allocate" => judge_allocation(record),
            "count" => judge_count(record),
            "cel" => judge_expression(record, &file["devices"]),
            "extended" => judge_extended(record),
            "gang" => judge_gang(record),
            other => Err(format!("kind {other} is not judged")),
        };
        let count = counts.entry(kind).or_default();
        count.1 += 1;
        count.0 += usize::from(judged.is_ok());
        match (judged, NOT_YET.contains(&id)) {
            (Err(wrong), false) => failures.push(format!("{id} {}: {wrong}", text_of(record, "title"))),
            (Ok(()), true) => failures.push(format!("{id} is right now: take it off the list")),
            _ => {}
        }
    }
    println!("right and judged, by kind: {counts:?}");
    assert!(failures.is_empty(), "{} records:\n{}", failures.len(), failures.join("\n"));
}

fn text_of<'a>(record: &'a Value, field: &str) -> &'a str {
    record[field].as_str().unwrap_or_default()
}

fn read<T: serde::de::DeserializeOwned>(value: Value) -> T {
    let text = value.to_string();
    phalanx::api::decode(&value).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// The object of an entry whose fields beside `name` are those of its spec.
fn with_spec(entry: &Value, name: String) -> Value {
    json!({ "metadata": { "name": name }, "spec": entry })
}

fn list<'a>(record: &'a Value, field: &str) -> &'a [Value] {
    record[field].as_array().map_or(&[], Vec::as_slice)
}

fn catalogue(record: &Value) -> Catalogue {
    let mut catalogue = Catalogue::default();
    for class in list(record, "classes") {
        catalogue.put_class(&read::<DeviceClass>(with_spec(class, text_of(class, "name").to_owned())));
    }
    let mut names: BTreeMap<String, usize> = BTreeMap::new();
    for slice in list(record, "slices") {
        // Some records list slices of one name; they stay apart, in this order.
        let times = names.entry(text_of(slice, "name").to_owned()).or_default();
        *times += 1;
        let name = format!("{}-{times}", text_of(slice, "name"));
        catalogue.put_slice(&read::<ResourceSlice>(with_spec(slice, name)));
    }
    catalogue
}

fn usage(record: &Value) -> Usage {
    let mut results = Vec::new();
    for device in list(record, "inUse") {
        results.push(device.clone());
    }
    let mut shares = list(record, "shares").to_vec();
    for used in list(record, "consumed") {
        let same =
            |share: &&mut Value| ["driver", "pool", "device"].iter().all(|key| share[key] == used[key]);
        match shares.iter_mut().find(same) {
            Some(share) => share["consumedCapacity"] = used["consumed"].clone(),
            None => {
                let mut share = used.clone();
                share["shareID"] = json!("earlier");
                share["consumedCapacity"] = used["consumed"].clone();
                shares.push(share);
            }
        }
    }
    results.extend(shares);
    let mut usage = Usage::default();
    usage.add(&read::<AllocationResult>(json!({ "devices": { "results": results } })));
    usage
}

fn attempt(
    record: &Value,
    catalogue: &Catalogue,
    claims: &[(String, DeviceClaim)],
) -> Result<Allocated, String> {
    let node = &record["node"];
    let label = |key: &str| node["labels"][key].as_str();
    let view = NodeView { name: text_of(node, "name"), label: &label };
    let wanted = claims.iter().map(|(name, devices)| Wanted { name, uid: name, devices });
    let wanted: Vec<Wanted<'_>> = wanted.collect();
    let rules = Rules { reads_lists: record["lists"] == json!(true) };
    allocate(catalogue, view, &usage(record), &wanted, rules)
}

fn judge_allocation(record: &Value) -> Result<(), String> {
    let claims = list(record, "claims").iter();
    let claims: Vec<(String, DeviceClaim)> =
        claims.map(|claim| (text_of(claim, "name").to_owned(), read(claim.clone()))).collect();
    let given = attempt(record, &catalogue(record), &claims);
    let expect = match &record["expect"]["in137"] {
        Value::Null => &record["expect"],
        newer => newer,
    };
    let outcome = match &given {
        Ok(Allocated::All(_)) => "allocated",
        Ok(Allocated::No) => "no",
        Ok(Allocated::Invalid(_)) => "node-failure",
        Ok(Allocated::Cut) => "cut short",
        Err(_) => "error",
    };
    if outcome != text_of(expect, "outcome") {
        return Err(format!("{given:?} instead of {}", text_of(expect, "outcome")));
    }
    let Ok(Allocated::All(results)) = given else { return Ok(()) };
    let given: Vec<Value> = results.iter().map(shown).collect();
    let asked: Vec<Value> = list(expect, "claims").iter().map(normal).collect();
    match given == asked {
        true => Ok(()),
        false => Err(format!("\n  {}\n  instead of\n  {}", json!(given), json!(asked))),
    }
}

/// How many pods fit, all at once and one after the other.
fn judge_count(record: &Value) -> Result<(), String> {
    let claims = list(record, "claims").iter();
    let claims: Vec<(String, DeviceClaim)> =
        claims.map(|claim| (text_of(claim, "name").to_owned(), read(claim.clone()))).collect();
    let wanted = claims.iter().map(|(name, devices)| Wanted { name, uid: name, devices });
    let wanted: Vec<Wanted<'_>> = wanted.collect();
    let (node, catalogue) = (&record["node"], catalogue(record));
    let label = |key: &str| node["labels"][key].as_str();
    let view = NodeView { name: text_of(node, "name"), label: &label };
    let limit = record["limit"].as_u64().unwrap_or(64) as u32;
    let mut used = usage(record);
    let counted = count(&catalogue, view, &used, &[], &wanted, limit, Rules::default())?;
    let mut one_by_one = 0;
    while one_by_one < limit {
        match allocate(&catalogue, view, &used, &wanted, Rules::default())? {
            Allocated::All(results) => results.iter().for_each(|result| used.add(result)),
            _ => break,
        }
        one_by_one += 1;
    }
    let given = json!([counted.pods, one_by_one, counted.is_exact]);
    let asked = json!([record["expect"]["max"], record["expect"]["podByPod"], true]);
    if given == asked { Ok(()) } else { Err(format!("{given} instead of {asked}")) }
}

/// An allocation as records write it.
fn shown(result: &AllocationResult) -> Value {
    let mut object = serde_json::to_value(result).expect("an allocation is an object");
    let mut devices = object["devices"]["results"].take();
    for device in devices.as_array_mut().into_iter().flatten() {
        let device = device.as_object_mut().expect("a device is an object");
        if device.remove("shareID").is_some() {
            device.insert("share".to_owned(), json!(true));
        }
    }
    let term = object["nodeSelector"]["nodeSelectorTerms"][0].take();
    normal(&json!({ "devices": devices, "config": object["devices"]["config"], "nodeSelector": term }))
}

/// Does the gang fit as the record says, and as many pods as it says and no more?
fn judge_gang(record: &Value) -> Result<(), String> {
    let (gang, expect) = (&record["gang"], &record["expect"]);
    let roles = match gang["roles"].as_array() {
        Some(roles) => roles.clone(),
        None => vec![gang.clone()],
    };
    let pods = |role: &Value| role["pods"].as_u64().unwrap_or(0);
    let all: u64 = roles.iter().map(pods).sum();
    let placed = place(record, &roles)?;
    let fits = placed.values().sum::<u64>() == all;
    if json!(fits) != expect["fits"] {
        return Err(format!("{placed:?} of {all} pods are placed"));
    }
    if let Some(nodes) = expect["perNode"].as_object() {
        let nodes: BTreeMap<String, u64> =
            nodes.iter().map(|(node, pods)| (node.clone(), pods.as_u64().unwrap_or(0))).collect();
        if placed != nodes {
            return Err(format!("{placed:?} instead of {nodes:?}"));
        }
    }
    let max = expect["max"].as_u64().unwrap_or(0);
    if max < all && roles.len() == 1 {
        let smaller = |pods: u64| {
            let mut role = roles[0].clone();
            role["pods"] = json!(pods);
            place(record, &[role]).map(|placed| placed.values().sum::<u64>() == pods)
        };
        if !smaller(max)? || smaller(max + 1)? {
            return Err(format!("{max} pods should fit, and no more"));
        }
    }
    Ok(())
}

/// Places a gang in the simulator: pods by node.
fn place(record: &Value, roles: &[Value]) -> Result<BTreeMap<String, u64>, String> {
    let mut items = Vec::new();
    let device = |kind: &str, name: &str, spec: &Value| json!({ "apiVersion": "resource.k8s.io/v1", "kind": kind, "metadata": { "name": name }, "spec": spec });
    for node in list(record, "nodes") {
        let name = text_of(node, "name");
        let mut labels = node["labels"].as_object().cloned().unwrap_or_default();
        labels.insert("kubernetes.io/hostname".to_owned(), json!(name));
        let mut amounts = node["allocatable"].as_object().cloned().unwrap_or_default();
        amounts.insert("pods".to_owned(), node["podSlots"].clone());
        items.push(json!({
            "apiVersion": "v1", "kind": "Node", "metadata": { "name": name, "labels": labels },
            "status": { "allocatable": amounts, "conditions": [{ "type": "Ready", "status": "True" }] },
        }));
    }
    for (kind, field) in [("DeviceClass", "classes"), ("ResourceSlice", "slices")] {
        items.extend(list(record, field).iter().map(|it| {
            let mut spec = it.clone();
            spec.as_object_mut().expect("an entry is an object").remove("name");
            device(kind, text_of(it, "name"), &spec)
        }));
    }
    for claim in list(record, "claims") {
        let spec =
            json!({ "devices": { "requests": claim["requests"], "constraints": claim["constraints"] } });
        let mut object = device("ResourceClaim", text_of(claim, "name"), &normal(&spec));
        object["status"] = claim["status"].clone();
        if let Some(count) = claim["status"]["reservedForCount"].as_u64() {
            let users = (0..count)
                .map(|at| json!({ "resource": "pods", "name": format!("f{at}"), "uid": format!("f{at}") }));
            object["status"]["reservedFor"] = users.collect();
            object["status"].as_object_mut().expect("a status is an object").remove("reservedForCount");
        }
        items.push(normal(&object));
    }
    let all: u64 = roles.iter().map(|role| role["pods"].as_u64().unwrap_or(0)).sum();
    items.push(json!({
        "apiVersion": "scheduling.volcano.sh/v1beta1", "kind": "PodGroup",
        "metadata": { "name": "gang", "namespace": "default" }, "spec": { "minMember": all },
    }));
    for (at, role) in roles.iter().enumerate() {
        let mut claims: Vec<Value> = Vec::new();
        for claim in list(role, "claims") {
            let name = format!("role{at}-{}", text_of(claim, "name"));
            let spec = json!({ "spec": { "devices": { "requests": claim["requests"], "constraints": claim["constraints"] } } });
            items.push(device("ResourceClaimTemplate", &name, &normal(&spec)));
            claims.push(json!({ "name": claim["name"], "resourceClaimTemplateName": name }));
        }
        claims.extend(
            list(role, "sharedClaims").iter().map(|name| json!({ "name": name, "resourceClaimName": name })),
        );
        for pod in 0..role["pods"].as_u64().unwrap_or(0) {
            let container = json!({ "name": "c", "resources": { "requests": role["requests"] } });
            items.push(normal(&json!({
                "apiVersion": "v1", "kind": "Pod",
                "metadata": { "name": format!("p{at}-{pod}"), "namespace": "default",
                    "annotations": { "scheduling.k8s.io/group-name": "gang" } },
                "spec": { "schedulerName": "volcano", "containers": [container], "resourceClaims": claims },
            })));
        }
    }
    let mut reader = Reader::default();
    reader.read(
        text_of(record, "id"),
        &json!({ "apiVersion": "v1", "kind": "List", "items": items }).to_string(),
    );
    let world = World::admit(reader).map_err(|problems| format!("{problems:?}"))?;
    let mut simulation = Simulation::new(world, SchedulerConfig::default());
    simulation.run(|_| {});
    let report = Report::of(&simulation, false);
    let mut placed = BTreeMap::new();
    for pod in report.pods.iter().filter_map(|pod| pod.node.as_ref()) {
        *placed.entry(pod.to_string()).or_default() += 1;
    }
    Ok(placed)
}

/// Without what is empty or null.
fn normal(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let fields = fields.iter().map(|(key, value)| (key.clone(), normal(value)));
            Value::Object(fields.filter(|(_, value)| !value.is_null() && *value != json!([])).collect())
        }
        Value::Array(all) => all.iter().map(normal).collect(),
        other => other.clone(),
    }
}

fn judge_expression(record: &Value, devices: &Value) -> Result<(), String> {
    let device = match record["device"].as_str() {
        Some(name) => devices[name].clone(),
        None => record["device"].clone(),
    };
    let device: Device = read(device);
    let program = Program::compile(text_of(record, "expression"));
    let given = program.and_then(|program| program.selects(text_of(record, "driver"), &device));
    let result = match &given {
        Ok(true) => "match",
        Ok(false) => "no-match",
        Err(CelError::Runtime(_)) => "runtime-error",
        Err(CelError::Compile(_) | CelError::Unsupported(_)) => "compile-error",
    };
    let expect = text_of(&record["expect"], "result");
    if result == expect { Ok(()) } else { Err(format!("{given:?} instead of {expect}")) }
}

fn judge_extended(record: &Value) -> Result<(), String> {
    let mut spec = record["pod"].clone();
    for field in ["containers", "initContainers"] {
        for container in spec[field].as_array_mut().into_iter().flatten() {
            container["resources"] = json!({ "requests": container["requests"] });
        }
    }
    let pod: Pod = read(json!({ "metadata": { "name": "p" }, "spec": spec }));
    let (claim, mut mappings) = claim_for(&pod, &catalogue(record), |_| true).unwrap_or_default();
    let requests: Vec<Value> = claim
        .requests
        .iter()
        .map(|request| {
            let exactly = request.exactly.as_ref().expect("requests are exact");
            json!({ "name": request.name, "deviceClassName": exactly.device_class_name, "count": exactly.count })
        })
        .collect();
    mappings.sort();
    let mappings: Vec<Value> = mappings
        .iter()
        .map(|it| json!({ "containerName": it.container, "resourceName": it.resource, "requestName": it.request }))
        .collect();
    let mut asked = list(&record["expect"], "mappings").to_vec();
    asked.sort_by_key(|it| {
        ["containerName", "resourceName", "requestName"].map(|key| text_of(it, key).to_owned())
    });
    match requests == list(&record["expect"], "requests") && mappings == asked {
        true => Ok(()),
        false => Err(format!("{} {}", json!(requests), json!(mappings))),
    }
}
