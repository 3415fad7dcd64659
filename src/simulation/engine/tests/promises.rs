//! Placements on their way, with calls that fail, pods that go and nodes that die in between.

use super::*;
use crate::reservation::journal;
use crate::reservation::record::Record;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

/// Two racks of three nodes.
const RACKS: &str =
    "  nodePools:\n  - {name: g, count: 6, capacity: {gpu: 8}, tree: [{name: rack, tier: 1, count: 2}]}\n";

/// A gang that must stay in one rack, of pods `a` and `b`; something recreates them if `owner` says so.
fn pair(owner: &str) -> String {
    let group = "\n---\napiVersion: scheduling.volcano.sh/v1beta1\nkind: PodGroup\nmetadata: {name: pair}\nspec: {minMember: 2, networkTopology: {mode: hard, highestTierAllowed: 1}}\n";
    let set = if owner == OWNED { SET } else { "" };
    format!("{group}{}{}{set}", member("a", owner), member("b", owner))
}

fn member(name: &str, owner: &str) -> String {
    format!("\n---\n{{apiVersion: v1, kind: Pod, {}}}\n", member_fields(name, owner))
}

fn member_fields(name: &str, owner: &str) -> String {
    format!(
        "metadata: {{name: {name}, annotations: {{scheduling.k8s.io/group-name: pair}}{owner}}}, spec: {{schedulerName: volcano, containers: [{{name: c, image: i, resources: {{limits: {{gpu: 8}}}}}}]}}"
    )
}

/// For pods that a controller recreates.
const OWNED: &str =
    ", ownerReferences: [{apiVersion: apps/v1, kind: ReplicaSet, name: r, uid: r, controller: true}]";

/// Their controller: it is for pods of another scheduler, so that these come back when the timeline says so.
const SET: &str =
    "\n---\n{apiVersion: apps/v1, kind: ReplicaSet, metadata: {name: r, uid: r}, spec: {replicas: 0}}\n";

fn timeline(steps: &[&str]) -> String {
    let steps: String = steps.iter().map(|step| format!("  - {{{step}}}\n")).collect();
    simulation(&format!("{RACKS}  timeline:\n{steps}"))
}

/// What the scheduler did: second, reason and object, in order.
fn doings(run: &Simulation) -> Vec<String> {
    let ours = run.history.entries.iter().filter(|h| h.by == "scheduler");
    ours.map(|h| format!("{}s {} {}", h.at_milliseconds / 1000, h.reason, h.name)).collect()
}

/// Pods that have a node and stay, with it.
fn bound(run: &Simulation) -> BTreeMap<String, String> {
    let pods = run.store.of_kind(&Kind::Pod).filter(|(_, pod)| !pod.is_deleting());
    let pods = pods.map(|(key, pod)| (key.name.to_string(), pod.text("/spec/nodeName").to_owned()));
    pods.filter(|(_, node)| !node.is_empty()).collect()
}

fn record(run: &Simulation, group: &str) -> Option<Record> {
    let (_, object) = run.store.iter().find(|(key, _)| &*key.name == "phalanx-journal-0")?;
    let data = serde_json::from_value(object.value["data"].clone()).expect("texts");
    let (records, quarantined) = journal::read("phalanx-journal-0", &data);
    assert_eq!(quarantined, []);
    records.into_iter().map(|(_, record)| record).find(|record| record.gang.name == group)
}

/// The epoch that the journal is sealed with.
fn epoch(run: &Simulation) -> u64 {
    let journal = run.store.iter().find(|(key, _)| &*key.name == "phalanx-journal-0");
    let head = journal.map(|(_, object)| object.text("/data/journal").to_owned());
    journal::Head::decode(&head.expect("there is one")).expect("we write it").epoch
}

/// Runs it twice: the same bytes come out.
fn run_twice(text: &str) -> Simulation {
    let (first, second) = (run(text), run(text));
    assert_eq!(story(&first), story(&second));
    let objects = |run: &Simulation| run.store.iter().map(|(_, o)| o.value.to_string()).collect::<Vec<_>>();
    assert_eq!(objects(&first), objects(&second));
    assert_eq!(first.ending, Ending::Quiet);
    first
}

fn check(owner: &str, steps: &[&str], expect: &[&str]) -> Simulation {
    let run = run_twice(&format!("{}{}", timeline(steps), pair(owner)));
    assert_eq!(doings(&run), expect, "{steps:?}");
    run
}

fn on(nodes: [&str; 2]) -> BTreeMap<String, String> {
    [("a", nodes[0]), ("b", nodes[1])].map(|(pod, node)| (pod.to_owned(), node.to_owned())).into()
}

#[test]
fn a_failed_call_is_made_again_or_found_to_have_been_done() {
    let whole = |step: &str, expect: &[&str]| {
        let run = check("", &[step], expect);
        assert_eq!(bound(&run), on(["g-0", "g-1"]), "{step}");
        assert_eq!(record(&run, "pair"), None, "{step}");
        assert_eq!(run.placed, 2);
    };
    whole(
        "at: 0s, failCalls: {name: b}",
        &["0s Placed pair", "0s CallFailed b", "0s Scheduled a", "0s Scheduled b"],
    );
    whole(
        "at: 0s, failCalls: {with: lost, after: 1}",
        &["0s Placed pair", "0s CallFailed b", "0s Scheduled a", "0s Scheduled b"],
    );
    let record = ["0s Placed pair", "0s CallFailed pair", "0s Scheduled a", "0s Scheduled b"];
    whole("at: 0s, failCalls: {call: record, with: lost}", &record);
    // Nothing is bound before the record is there.
    whole(
        "at: 0s, failCalls: {call: record, count: 2}",
        &["0s Placed pair", "0s CallFailed pair", "0s Scheduled a", "0s Scheduled b"],
    );
}

/// The bind of `b` fails until something happens to the pod or to its node.
const HANGS: &str = "at: 0s, failCalls: {name: b, count: 5}";

#[test]
fn a_pod_that_vanishes_before_its_bind_is_replaced_within_the_domain() {
    let again = format!("at: 2s, apply: {{apiVersion: v1, kind: Pod, {}}}", member_fields("b", OWNED));
    let run = check(
        OWNED,
        &[HANGS, "at: 1s, delete: {kind: Pod, name: b}", &again],
        &[
            "0s Placed pair",
            "0s CallFailed b",
            "0s Scheduled a",
            "1s Repairing pair",
            "2s Placed pair",
            "2s Scheduled b",
        ],
    );
    assert_eq!(bound(&run), on(["g-0", "g-1"]));
    let uids = |pod| object(&run, Kind::Pod, pod)["metadata"]["uid"].clone();
    assert_ne!(uids("b"), uids("a"));
}

#[test]
fn a_node_that_is_lost_before_the_bind_is_replaced_within_the_domain() {
    let lost = |owner: &str, steps: &[&str], expect: &[&str]| {
        let run = run_twice(&format!("{}{}", timeline(steps), pair(owner)));
        let doings = doings(&run);
        assert_eq!(doings[3..], *expect, "{steps:?}");
        assert_eq!(bound(&run), on(["g-0", "g-2"]), "{steps:?}");
        assert_eq!(record(&run, "pair"), None);
    };
    let again =
        |at: &str| format!("at: {at}, apply: {{apiVersion: v1, kind: Pod, {}}}", member_fields("b", OWNED));
    // The bind may have been done where nobody said so. The pod's end rules that out, and another comes.
    let expect = ["1s Repairing pair", "1s Evicted b", "9s Placed pair", "9s Scheduled b"];
    lost(OWNED, &[HANGS, "at: 1s, remove: {node: g-1}", &again("9s")], &expect);
    // One that does not answer is noticed after 40 seconds.
    let hangs = HANGS.replace("count: 5", "count: 12");
    let expect = ["41s Repairing pair", "50s Evicted b", "59s Placed pair", "59s Scheduled b"];
    lost(OWNED, &[&hangs, "at: 1s, kill: {node: g-1}", &again("59s")], &expect);
    // Where no other would come, time rules it out.
    let expect = ["1s Repairing pair", "1s Unschedulable pair", "90s Placed pair", "90s Scheduled b"];
    lost("", &[HANGS, "at: 1s, remove: {node: g-1}"], &expect);
}

/// Time rules the bind out where no other pod would come, and the PodGroup says so as long as that takes.
#[test]
fn a_gang_that_waits_for_a_bind_to_be_ruled_out_says_so() {
    let said = |owner: &str, until: &str| {
        let steps = timeline(&[HANGS, "at: 1s, remove: {node: g-1}"]);
        let run =
            run(&format!("{}{}", steps.replace(RACKS, &format!("{RACKS}  until: {until}\n")), pair(owner)));
        let group = object(&run, Kind::PodGroup, "pair");
        group["status"]["conditions"].as_array().unwrap().iter().map(|c| c.to_string()).collect::<String>()
    };
    let waits = "1 pod lost the node that was promised: a bind that got no clear answer may still take effect, so it is \
                 placed again when that is ruled out, 90 s after the bind failed at the latest";
    for (owner, until, expect) in
        [("", "500ms", false), ("", "30s", true), ("", "80s", true), ("", "2m", false), (OWNED, "30s", false)]
    {
        let said = said(owner, until);
        assert_eq!(said.contains(waits), expect, "{owner} {until}: {said}");
    }
    // One that comes meanwhile is placed at once, and makes up for it.
    let comes = format!("at: 10s, apply: {{apiVersion: v1, kind: Pod, {}}}", member_fields("c", ""));
    let steps = timeline(&[HANGS, "at: 1s, remove: {node: g-1}", &comes]);
    let doings = doings(&run_twice(&format!("{steps}{}", pair(""))));
    assert!(doings.contains(&"10s Scheduled c".to_owned()), "{doings:?}");
}

#[test]
fn a_gang_that_cannot_be_completed_is_rolled_back_or_held_but_never_left_half() {
    let never = "at: 0s, failCalls: {name: b, count: 100, with: refused}";
    let run = check(
        OWNED,
        &[never],
        &[
            "0s Placed pair",
            "0s CallFailed b",
            "0s Scheduled a",
            "0s CallRefused pair",
            "120s RollingBack pair",
            "120s Evicted a",
            "120s RolledBack pair",
        ],
    );
    assert_eq!(bound(&run), BTreeMap::new(), "its controller is not there to recreate it");
    // Nothing would recreate `a`: it stays, and the others' place is kept for as long as it takes.
    let run = check(
        "",
        &[never, "at: 10m, delete: {kind: Pod, name: a}"],
        &[
            "0s Placed pair",
            "0s CallFailed b",
            "0s Scheduled a",
            "0s CallRefused pair",
            "120s Held pair",
            "600s Repairing pair",
            "600s Released pair",
        ],
    );
    assert_eq!(bound(&run), BTreeMap::new());
}

#[test]
fn a_scheduler_that_dies_leaves_nothing_half_wherever_it_dies() {
    // A record, two binds, a record.
    for writes in 0..5 {
        let run = run_twice(&format!(
            "{}{}",
            timeline(&[&format!("at: 0s, crashScheduler: {{afterWrites: {writes}}}")]),
            pair(OWNED)
        ));
        assert_eq!(bound(&run), on(["g-0", "g-1"]), "{writes}");
        let crashed = doings(&run).iter().any(|doing| doing == "0s SchedulerCrashed pair");
        assert_eq!(crashed, writes < 4, "{writes}: {:?}", doings(&run));
        assert_eq!((record(&run, "pair"), epoch(&run)), (None, if crashed { 2 } else { 1 }), "{writes}");
        // It took over what had been promised, and decided nothing anew.
        let placed = doings(&run).iter().filter(|doing| doing.ends_with("Placed pair")).count();
        assert_eq!(placed, if writes == 0 { 2 } else { 1 }, "{writes}");
    }
}

#[test]
fn a_promise_whose_node_is_gone_when_it_is_taken_over_is_moved_once_that_is_safe() {
    let half = |owner: &str| {
        let steps = [
            "at: 0s, failCalls: {call: record, after: 1}",
            "at: 0s, crashScheduler: {afterWrites: 2}",
            "at: 1s, remove: {node: g-1}",
        ];
        run_twice(&format!("{}{}", timeline(&steps), pair(owner)))
    };
    let run = half("");
    assert_eq!(bound(&run), on(["g-0", "g-2"]), "{:?}", doings(&run));
    let placed = doings(&run).iter().filter(|doing| doing.ends_with("Placed pair")).count();
    assert_eq!(placed, 2, "not again and again: {:?}", doings(&run));
    let run = half(OWNED);
    assert!(doings(&run).iter().any(|doing| doing.ends_with("Evicted b")), "{:?}", doings(&run));
}

#[test]
fn a_scheduler_that_takes_over_knows_the_made_gangs() {
    let gangs = "  gangs:\n  - {name: m, size: 3, requests: {gpu: 8}, topology: {highestTierAllowed: 1}, duration: 5m}\n";
    let alone = |at: &str, name: &str| {
        let pod = member_fields(name, "").replace("scheduling.k8s.io/group-name: pair", "");
        format!("at: {at}, apply: {{apiVersion: v1, kind: Pod, {pod}}}")
    };
    let steps = [
        "at: 30s, crashScheduler: {down: 1m}",
        "at: 30s, failCalls: {name: c}",
        &alone("30s", "c"),
        &alone("3m", "d"),
    ];
    let run =
        run_twice(&format!("{}{}", timeline(&steps).replace(RACKS, &format!("{RACKS}{gangs}")), pair("")));
    assert_eq!(run.made_gangs.gangs[0].ended, Some(300_000));
    let doings = doings(&run);
    let scheduled = |doing: &str| doings.iter().any(|known| known == doing);
    assert!(scheduled("30s SchedulerCrashed c") && scheduled("90s CallFailed c"), "{doings:?}");
    // The last node of the one rack; for the next pod there is none until the made gang has left the other.
    assert!(scheduled("90s Scheduled c") && scheduled("300s Scheduled d"), "{doings:?}");
}

#[test]
fn what_changes_meanwhile_is_heeded() {
    let never = "at: 0s, failCalls: {name: b, count: 100, with: refused}";
    let begin = ["0s Placed pair", "0s CallFailed b", "0s Scheduled a", "0s CallRefused pair"];
    let heeded = |owner: &str, steps: &[&str], expect: &[&str], left: &[&str]| {
        let run = check(owner, &[&[never], steps].concat(), &[&begin, expect].concat());
        assert_eq!(bound(&run).into_keys().collect::<Vec<_>>(), left, "{steps:?}");
        run
    };
    // One is enough by now; the other is given up, and tried again as one that joins.
    let fewer = "at: 1m, patch: {kind: PodGroup, name: pair, merge: {spec: {minMember: 1}}}";
    let run = run_twice(&format!("{}{}", timeline(&[never, fewer]), pair(OWNED)));
    assert_eq!(bound(&run)["a"], "g-0");
    assert!(doings(&run).contains(&"120s Released pair".to_owned()), "{:?}", doings(&run));
    // No gang, nothing to undo.
    heeded(
        OWNED,
        &["at: 1m, delete: {kind: PodGroup, name: pair}"],
        // Nobody is warned of what a deletion leaves over.
        &["60s Released pair"],
        &["a"],
    );
    // There is no room for another node in the rack: nobody waits for the deadline to find that out.
    let cramped =
        |at: &str| [format!("at: {at}, cordon: {{node: g-2}}"), format!("at: {at}, remove: {{node: g-1}}")];
    let [cordon, remove] = cramped("1s");
    let again = format!("at: 20s, apply: {{apiVersion: v1, kind: Pod, {}}}", member_fields("b", OWNED));
    let expect = [
        "1s Repairing pair",
        "20s Unschedulable pair",
        "20s RollingBack pair",
        "20s Evicted a",
        "20s RolledBack pair",
    ];
    let steps = [HANGS, &cordon, &remove, &again];
    let run = run_twice(&format!("{}{}", timeline(&steps), pair(OWNED)));
    let told: Vec<String> =
        doings(&run).into_iter().filter(|doing| expect.contains(&doing.as_str())).collect();
    assert_eq!(told, expect, "{:?}", doings(&run));
    // Where nothing would recreate the one that is bound it stays, and what it waits for does not keep the run going.
    let run = run_twice(&format!("{}{}", timeline(&[HANGS, &cordon, &remove]), pair("")));
    assert_eq!(bound(&run).into_keys().collect::<Vec<_>>(), ["a"]);
    assert_eq!(
        doings(&run).iter().filter(|doing| doing.ends_with("Held pair")).count(),
        1,
        "{:?}",
        doings(&run)
    );
}

/// Somebody else fills the node while the bind fails: the pod is not bound to it on top.
#[test]
fn a_promise_ends_where_others_take_the_room() {
    let other = "at: 100ms, apply: {apiVersion: v1, kind: Pod, metadata: {name: other}, spec: {schedulerName: another, nodeName: g-1, containers: [{name: c, image: i, resources: {limits: {gpu: 8}}}]}}";
    let smaller = "at: 100ms, patch: {kind: Node, name: g-1, merge: {status: {allocatable: {gpu: 4}, capacity: {gpu: 4}}}}";
    for step in [other, smaller] {
        let refused = "at: 0s, failCalls: {name: b, count: 2, with: refused}";
        let run = run_twice(&format!("{}{}", timeline(&[refused, step]), pair("")));
        assert_eq!([&bound(&run)["a"], &bound(&run)["b"]], ["g-0", "g-2"], "{step}: {:?}", doings(&run));
        assert!(doings(&run).contains(&"0s Repairing pair".to_owned()), "{step}: {:?}", doings(&run));
    }
}

#[test]
fn one_that_joins_a_whole_gang_needs_no_record() {
    let third = format!("at: 1m, apply: {{apiVersion: v1, kind: Pod, {}}}", member_fields("c", ""));
    let expect = ["0s Placed pair", "0s Scheduled a", "0s Scheduled b", "60s Placed pair", "60s Scheduled c"];
    let run = check("", &[&third, "at: 1m, failCalls: {call: record}"], &expect);
    assert_eq!(bound(&run)["c"], "g-2");
}

#[test]
fn what_cannot_be_written_down_is_not_bound() {
    let refused = "at: 0s, failCalls: {call: record, count: 1000, with: refused}";
    let run =
        run(&format!("{}{}", timeline(&[refused]), pair("")).replace("spec:\n", "spec:\n  until: 1h\n"));
    assert_eq!((bound(&run), run.placed), (BTreeMap::new(), 0));
    let conditions = object(&run, Kind::PodGroup, "pair")["status"]["conditions"].to_string();
    assert!(conditions.contains("the API server refuses (record): forbidden"), "{conditions}");
}

/// Releases before the journal wrote what was promised on the PodGroup, where others may write as well.
#[test]
fn an_annotation_of_an_earlier_release_steers_nothing() {
    let text = "v1;b;7;1;rack-1;;2;00a,=ua,00g-3;00b,=ub,00g-5";
    let pairs = pair(OWNED)
        .replacen(
            "name: pair}",
            &format!("name: pair, annotations: {{phalanx.dev/reservation: {text:?}}}}}"),
            1,
        )
        .replacen("name: a,", "name: a, uid: ua,", 1)
        .replacen("name: b,", "name: b, uid: ub,", 1)
        .replacen("spec: {schedulerName", "spec: {nodeName: g-3, schedulerName", 1);
    let run = run_twice(&format!("{}{pairs}", simulation(RACKS)));
    assert_eq!(
        bound(&run),
        on(["g-3", "g-4"]),
        "the first that is free in the rack of the one that is bound"
    );
}

/// Two ServingGroups of two pods each, that a controller keeps going.
const SERVING: &str = "
---
apiVersion: workload.serving.volcano.sh/v1alpha1
kind: ModelServing
metadata: {name: m}
spec:
  replicas: 2
  template:
    networkTopology: {rolePolicy: {mode: hard, highestTierAllowed: 1}}
    roles:
    - name: r
      replicas: 1
      workerReplicas: 1
      entryTemplate: &pod {spec: {schedulerName: volcano, containers: [{name: c, image: i, resources: {limits: {gpu: 8}}}]}}
      workerTemplate: *pod
";

fn step() -> impl Strategy<Value = String> {
    let at = (0u32..8000).prop_map(|at| format!("at: {at}ms"));
    let pod = (0u32..2, 0u32..2).prop_map(|(group, pod)| format!("m-{group}-r-0-{pod}"));
    let call = prop_oneof![4 => Just("bind"), 2 => Just("record"), 1 => Just("evict"), 1 => Just("read")];
    let with = prop_oneof![Just("unavailable"), Just("lost"), Just("refused")];
    let fail = (call, with, 0u32..3, 1u32..40).prop_map(|(call, with, after, count)| {
        format!("failCalls: {{call: {call}, with: {with}, after: {after}, count: {count}}}")
    });
    let action = prop_oneof![
        4 => fail,
        2 => (0u32..8).prop_map(|writes| format!("crashScheduler: {{afterWrites: {writes}}}")),
        1 => pod.prop_map(|pod| format!("delete: {{kind: Pod, name: {pod}}}")),
    ];
    (prop_oneof![2 => Just("at: 0s".to_owned()), 3 => at], action)
        .prop_map(|(at, action)| format!("{at}, {action}"))
}

/// One node goes, or takes no more.
fn lost() -> impl Strategy<Value = String> {
    let what = prop_oneof![Just("remove"), Just("cordon")];
    (0u32..8000, 0u32..6, what).prop_map(|(at, node, what)| format!("at: {at}ms, {what}: {{node: g-{node}}}"))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    /// Whatever fails, as long as there is room: once all is quiet both gangs are whole, each in one rack.
    #[test]
    fn no_gang_is_left_half(mut steps in proptest::collection::vec(step(), 0..8), lost in lost()) {
        steps.push(lost);
        let steps: Vec<&str> = steps.iter().map(String::as_str).collect();
        let run = run_twice(&format!("{}{SERVING}", timeline(&steps)));
        let bound = bound(&run);
        for group in ["m-0", "m-1"] {
            let own = bound.iter().filter(|(pod, _)| pod.starts_with(group));
            let nodes: BTreeSet<&str> = own.map(|(_, node)| node.as_str()).collect();
            prop_assert_eq!(nodes.len(), 2, "{:?}: {:?}", steps, bound);
            let racks: BTreeSet<bool> = nodes.iter().map(|node| *node < "g-3").collect();
            prop_assert_eq!(racks.len(), 1, "{:?}: {:?}", steps, bound);
            prop_assert_eq!(record(&run, group), None, "{:?}", steps);
        }
    }
}
