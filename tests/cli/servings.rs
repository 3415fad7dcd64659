//! Upstream's end-to-end catalogue for ModelServings (kthena `test/e2e/controller-manager`), one scenario a row, through the
//! command line: `servings/<row>.yaml` runs as it stands. Lines of a scenario that begin with `#=` are what must come of it:
//!
//! ```text
//! #= at 20s: ms 3 groups, 3 available, 3 updated, 3 current; v1 to v1; Available    a picture of that moment: everything
//! #=   ms-0 prefill-0: v1 nginx, 1 of 1 ready, #1                                   that there is, line by line
//! #=   services: ms-0-prefill-0-0 #1
//! #=   gangs: ms-0 1
//! #= Pod ms-0-prefill-0-0 /spec/hostAliases/0/ip 10.0.0.1                            a field, at the last moment that has any
//! #= event RoleCreating: Role prefill/prefill-0 in ServingGroup ms-0 is now Creating
//! #= from 20s: at most 2 unavailable
//! ```
//!
//! The controller warns of nothing that is not named as an event.
//! `v1`, `v2` are revisions in order of appearance; `#2` is the second object of that name that a picture shows. Where the row
//! states what 9.3 of the behaviour lists as a defect, the scenario says what is expected instead, and why.

use crate::binary::simulate;
use crate::simulations::read;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write;

/// One test a row of the catalogue; the name is the file's.
macro_rules! catalogue {
    ($($row:ident)+) => {
        $(#[test] fn $row() { check(stringify!($row)); })+
        const ROWS: &[&str] = &[$(stringify!($row)),+];
    };
}

catalogue! {
    e01_lifecycle
    e02_scale_up
    e03_scale_down
    e04_role_scale_up
    e05_role_scale_down
    e06_serving_group_recreate
    e07_services_go_with_their_group
    e08_pod_recovery
    e09_service_recovery
    e10_duplicate_host_aliases
    e11_max_unavailable
    e12_role_events
    e13_max_unavailable_with_a_bad_image
    e14_leader_worker_set
    e15_partition
    e16_partition_and_a_lost_pod
    e17_partition_and_scale_up
    e18_partition_and_scale_down
    e19_rolling_update
    e20_controller_restart
    e21_role_rolling_update
    e22_role_max_unavailable
    e23_role_partition
    e24_role_partition_and_a_lost_pod
    e25_role_partition_and_scale_down
    e26_cheap_groups_go_first
    e27_cheap_role_replicas_go_first
    e28_cheap_ones_go_first_in_both
    e29_groups_that_are_not_ready_go_first
    e30_role_replicas_that_are_not_ready_go_first
    e31_negative_replicas
}

#[test]
fn no_row_is_left_out() {
    let numbers: Vec<usize> = ROWS.iter().map(|row| row[1..3].parse().unwrap()).collect();
    assert_eq!(numbers, (1..=31).collect::<Vec<_>>());
}

#[test]
fn an_installation_of_upstream_is_taken_over() {
    check("upstream_installation");
}

/// A pod of somebody else has a name that the controller wants. It is said on the object, nothing is asked again and again, and
/// the simulation ends.
#[test]
fn a_name_that_is_taken_is_said_and_the_run_ends() {
    let text = read(&format!("{}/tests/cli/servings/name_conflict.yaml", env!("CARGO_MANIFEST_DIR")));
    let said = "Pod ms-0-r-0-0 belongs to another owner; waiting for its name";
    let answer = simulate(&["-", "-o", "json", "--timeline"], &text);
    assert_eq!((answer.code, answer.err.as_str()), (0, ""));
    let report: Value = serde_json::from_str(&answer.out).unwrap();
    let told = |event: &&Value| event["reason"] == "NameConflict" && event["message"] == said;
    assert_eq!(report["events"].as_array().unwrap().iter().filter(told).count(), 1);
    let objects = simulate(&["-", "--objects"], &text).out;
    assert!(objects.contains(said), "its condition says so: {objects}");
}

/// What a scenario's `#=` lines ask for.
#[derive(Default)]
struct Expected {
    /// Times and pictures.
    pictures: Vec<(String, String)>,
    /// Kind, name, pointer, value as text.
    fields: Vec<[String; 4]>,
    events: Vec<String>,
    /// From when, how many.
    unavailable: Option<(u64, i64)>,
    /// What bad input is told.
    refused: Vec<String>,
}

fn check(row: &str) {
    let text = read(&format!("{}/tests/cli/servings/{row}.yaml", env!("CARGO_MANIFEST_DIR")));
    let expected = expected(&text);
    assert!(!expected.pictures.is_empty() || !expected.refused.is_empty(), "{row} expects nothing");
    if !expected.refused.is_empty() {
        let answer = simulate(&["-"], &text);
        assert_eq!((answer.code, answer.out.as_str()), (2, ""), "{row}");
        return assert_eq!(answer.err.lines().collect::<Vec<_>>(), expected.refused, "{row}");
    }
    let mut painter = Painter::default();
    let mut last = Vec::new();
    let (mut wanted, mut found) = (String::new(), String::new());
    for (at, picture) in &expected.pictures {
        let answer = simulate(&["-", "--objects", "--until", at], &text);
        assert_eq!((answer.code, answer.err.as_str()), (0, ""), "{row}");
        let objects: Vec<Value> = if answer.out.is_empty() {
            Vec::new()
        } else {
            serde_saphyr::from_multiple(&answer.out).unwrap()
        };
        write!(wanted, "#= at {at}: {picture}").unwrap();
        write!(found, "#= at {at}: {}", painter.paint(&objects)).unwrap();
        if !objects.is_empty() {
            last = objects;
        }
    }
    assert!(wanted == found, "{row}\n--- expected\n{wanted}--- found\n{found}");
    for [kind, name, pointer, value] in &expected.fields {
        let object =
            last.iter().find(|object| object["kind"] == **kind && object["metadata"]["name"] == **name);
        let found = object.and_then(|object| object.pointer(pointer)).map(as_text);
        assert_eq!(found.as_deref(), Some(value.as_str()), "{row}: {kind} {name} {pointer}");
    }
    check_history(row, &expected, &text);
}

fn check_history(row: &str, expected: &Expected, text: &str) {
    let (until, _) = expected.pictures.last().unwrap();
    let report = simulate(&["-", "-o", "json", "--timeline", "--until", until], text).out;
    let report: Value = serde_json::from_str(&report).unwrap();
    let events: Vec<&Value> =
        report["events"].as_array().unwrap().iter().filter(|event| event["by"] == "controller").collect();
    for expect in &expected.events {
        let told = events.iter().any(|event| {
            format!("{}: {}", event["reason"].as_str().unwrap(), event["message"].as_str().unwrap())
                == *expect
        });
        assert!(told, "{row}: nobody says {expect}: {events:#?}");
    }
    let Some((from, most)) = expected.unavailable else { return };
    let counted = events.iter().filter(|event| event["reason"] == "Counted");
    let mut looked = 0;
    for event in counted.filter(|event| event["atMilliseconds"].as_u64().unwrap() >= from) {
        let numbers: Vec<i64> =
            event["message"].as_str().unwrap().split(' ').filter_map(|word| word.parse().ok()).collect();
        assert!(numbers[0] - numbers[1] <= most, "{row}: {event}");
        looked += 1;
    }
    assert!(looked > 2, "{row}: the status was written {looked} times");
}

fn expected(text: &str) -> Expected {
    let mut expected = Expected::default();
    for line in text.lines().filter_map(|line| line.strip_prefix("#= ")) {
        if let Some(rest) = line.strip_prefix("at ") {
            let (at, picture) = rest.split_once(": ").unwrap();
            expected.pictures.push((at.to_owned(), format!("{picture}\n")));
        } else if line.starts_with(' ') {
            let (_, picture) = expected.pictures.last_mut().unwrap();
            writeln!(picture, "#= {line}").unwrap();
        } else if let Some(event) = line.strip_prefix("event ") {
            expected.events.push(event.to_owned());
        } else if let Some(refused) = line.strip_prefix("refused ") {
            expected.refused.push(refused.to_owned());
        } else if let Some(rest) = line.strip_prefix("from ") {
            let (from, rest) = rest.split_once("s: at most ").unwrap();
            let most = rest.strip_suffix(" unavailable").unwrap();
            expected.unavailable = Some((from.parse::<u64>().unwrap() * 1000, most.parse().unwrap()));
        } else {
            let mut words = line.splitn(4, ' ').map(str::to_owned);
            expected.fields.push(std::array::from_fn(|_| words.next().unwrap()));
        }
    }
    expected
}

fn as_text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// A line of a picture: role replicas of one ServingGroup.
#[derive(Default)]
struct Line {
    group: String,
    roles: Vec<String>,
    looks: String,
    pods: usize,
    ready: usize,
    going: usize,
    which: Vec<String>,
}

/// Paints what there is, and remembers what it has seen.
#[derive(Default)]
struct Painter {
    revisions: Vec<String>,
    /// Kind and name -> uids.
    seen: BTreeMap<(String, String), Vec<String>>,
}

impl Painter {
    fn paint(&mut self, objects: &[Value]) -> String {
        let of = |kind: &'static str| objects.iter().filter(move |object| object["kind"] == kind);
        if objects.is_empty() {
            return "nothing\n".to_owned();
        }
        let mut picture = String::new();
        for serving in of("ModelServing") {
            let status = &serving["status"];
            let count = |field: &str| status[field].as_i64().unwrap_or(0);
            let revision = |painter: &mut Painter, field: &str| painter.revision(as_text(&status[field]));
            let conditions = status["conditions"].as_array().into_iter().flatten();
            let condition = conditions.into_iter().find(|condition| condition["status"] == "True");
            writeln!(
                picture,
                "{} {} groups, {} available, {} updated, {} current; {} to {}; {}",
                as_text(&serving["metadata"]["name"]),
                count("replicas"),
                count("availableReplicas"),
                count("updatedReplicas"),
                count("currentReplicas"),
                revision(self, "currentRevision"),
                revision(self, "updateRevision"),
                condition.map_or("nothing yet".to_owned(), |condition| as_text(&condition["type"])),
            )
            .unwrap();
        }
        if picture.is_empty() {
            picture.push_str("no status\n");
        }
        let label = |object: &Value, key: &str| {
            as_text(&object["metadata"]["labels"][format!("modelserving.volcano.sh/{key}")])
        };
        let mut replicas: BTreeMap<(String, String), Vec<&Value>> = BTreeMap::new();
        for pod in of("Pod") {
            replicas.entry((label(pod, "group-name"), label(pod, "role-id"))).or_default().push(pod);
        }
        // Neighbours that look the same share a line.
        let mut lines: Vec<Line> = Vec::new();
        for ((group, role), pods) in replicas {
            let looks = self.looks(&pods, &label);
            let line = match lines.last_mut() {
                Some(line) if line.group == group && line.looks == looks => line,
                _ => {
                    lines.push(Line { group, looks, ..Line::default() });
                    lines.last_mut().unwrap()
                }
            };
            line.roles.push(role);
            line.pods += pods.len();
            line.ready += pods.iter().filter(|pod| is_ready(pod)).count();
            line.going += pods.iter().filter(|pod| is_going(pod)).count();
            line.which.extend(pods.iter().map(|pod| self.which(pod)));
        }
        for Line { group, roles, looks, pods, ready, going, which } in lines {
            let going = if going > 0 { format!(", {going} going") } else { String::new() };
            let (roles, which) = (roles.join(" "), which.join(" "));
            writeln!(picture, "#=   {group} {roles}: {looks}, {ready} of {pods} ready{going}, {which}")
                .unwrap();
        }
        let services: Vec<String> =
            of("Service").map(|service| format!("{} {}", name(service), self.which(service))).collect();
        if !services.is_empty() {
            writeln!(picture, "#=   services: {}", services.join(", ")).unwrap();
        }
        let gangs: Vec<String> =
            of("PodGroup").map(|group| format!("{} {}", name(group), group["spec"]["minMember"])).collect();
        if !gangs.is_empty() {
            writeln!(picture, "#=   gangs: {}", gangs.join(", ")).unwrap();
        }
        picture
    }

    /// Revision and images.
    fn looks(&mut self, pods: &[&Value], label: &dyn Fn(&Value, &str) -> String) -> String {
        let mut looks: Vec<String> = Vec::new();
        for pod in pods {
            let images = pod["spec"]["containers"].as_array().unwrap().iter().map(|c| as_text(&c["image"]));
            let revision = self.revision(label(pod, "revision"));
            let look = format!("{revision} {}", images.collect::<Vec<_>>().join("+"));
            if !looks.contains(&look) {
                looks.push(look);
            }
        }
        looks.join(" and ")
    }

    fn revision(&mut self, label: String) -> String {
        let index = self.revisions.iter().position(|known| *known == label).unwrap_or_else(|| {
            self.revisions.push(label);
            self.revisions.len() - 1
        });
        format!("v{}", index + 1)
    }

    /// The how manieth object of its name this is.
    fn which(&mut self, object: &Value) -> String {
        let uids = self.seen.entry((as_text(&object["kind"]), name(object))).or_default();
        let uid = as_text(&object["metadata"]["uid"]);
        if !uids.contains(&uid) {
            uids.push(uid.clone());
        }
        format!("#{}", uids.iter().position(|known| *known == uid).unwrap() + 1)
    }
}

fn name(object: &Value) -> String {
    as_text(&object["metadata"]["name"])
}

fn is_going(pod: &Value) -> bool {
    pod["metadata"].get("deletionTimestamp").is_some()
}

fn is_ready(pod: &Value) -> bool {
    let conditions = pod["status"]["conditions"].as_array().into_iter().flatten();
    !is_going(pod)
        && conditions
            .into_iter()
            .any(|condition| condition["type"] == "Ready" && condition["status"] == "True")
}
