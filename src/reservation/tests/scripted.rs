//! Single answers, one by one, and what is done about each at once.

use super::super::record::{Entry, Record, RecordState};
use super::super::{
    Answer, Call, CallId, Count, Decided, Effect, GangKey, GroupFacts, Input, Phase, PodFacts, Promise,
    Recovered, RecoveredPod, Reservations, Settings,
};
use crate::scheduler::{PodRef, SubgroupRef};
use std::time::Duration;

fn pod(name: &str, uid: &str) -> PodRef {
    PodRef { namespace: "ns".into(), name: name.into(), uid: uid.into() }
}

fn facts(name: &str, uid: &str, node: Option<&str>) -> PodFacts {
    PodFacts {
        pod: pod(name, uid),
        node: node.map(str::to_owned),
        failed: false,
        deleting: false,
        recreated: true,
        role: String::new(),
    }
}

/// A gang of two with its record written: the calls that bind `a` and `b` are out.
struct Two {
    reservations: Reservations,
    bind_a: CallId,
}

fn step(reservations: &mut Reservations, input: Input) -> Vec<Effect> {
    let mut effects = Vec::new();
    reservations.step(Duration::from_secs(1), input, &mut effects);
    effects
}

fn calls(effects: &[Effect]) -> Vec<(CallId, &Call)> {
    let calls = effects.iter().filter_map(|effect| match effect {
        Effect::Call { id, call, .. } => Some((*id, call)),
        _ => None,
    });
    calls.collect()
}

fn two() -> Two {
    let mut reservations = Reservations::new(Settings::default());
    let promise = |name: &str| Promise {
        pod: pod(name, name),
        node: "n".into(),
        role: String::new(),
        subgroup: None,
        recreated: true,
    };
    let minimum = Count { members: 2, ..Count::default() };
    let decided = Decided {
        gang: GangKey::new(true, "ns/g"),
        pods: vec![promise("a"), promise("b")],
        domain: None,
        tier: None,
        group: Some(GroupFacts { minimum, ..GroupFacts::default() }),
        bound: Vec::new(),
    };
    let effects = step(&mut reservations, Input::Decided(decided));
    let [(call, Call::WriteRecord { record: Some(_), may_wait: false })] = calls(&effects)[..] else {
        panic!("the record first, and nothing else: {effects:?}")
    };
    let effects = step(&mut reservations, Input::Answered { call, answer: Answer::Written });
    let [(bind_a, Call::Bind { .. }), (_, Call::Bind { .. })] = calls(&effects)[..] else {
        panic!("then the binds: {effects:?}")
    };
    Two { reservations, bind_a }
}

/// `a` waited long for its claims. They are there: its bind is asked for at once, or its node is given back.
#[test]
fn claims_that_wait_for_nothing_any_more() {
    for reached in [true, false] {
        let Two { mut reservations, bind_a } = two();
        let answer = Answer::TooMany { retry_after: Some(Duration::from_secs(60)) };
        assert_eq!(calls(&step(&mut reservations, Input::Answered { call: bind_a, answer })), []);
        let another = Input::Settled { pod: pod("a", "another"), reached };
        assert_eq!(step(&mut reservations, another), [], "another pod of the name");
        let effects = step(&mut reservations, Input::Settled { pod: pod("a", "a"), reached });
        let binds =
            calls(&effects).iter().any(|(_, call)| matches!(call, Call::Bind { pod, .. } if pod.name == "a"));
        let given_back =
            effects.iter().any(|effect| matches!(effect, Effect::Release { pod, .. } if pod.name == "a"));
        assert_eq!((binds, given_back), (reached, !reached), "{effects:?}");
    }
}

/// After an answer to the bind of `a`, and what a read of `a` shows then: is its node given back, and is it bound?
fn check(bind: Answer, read: Option<PodFacts>, expect: (bool, bool)) {
    let Two { mut reservations, bind_a } = two();
    let effects = step(&mut reservations, Input::Answered { call: bind_a, answer: bind.clone() });
    let [(call, Call::ReadPod { .. })] = calls(&effects)[..] else {
        panic!("{bind:?}: nobody knows before it is read: {effects:?}")
    };
    let effects = step(&mut reservations, Input::Answered { call, answer: Answer::Pod(read.clone()) });
    let released =
        effects.iter().any(|effect| matches!(effect, Effect::Release { pod, .. } if pod.uid == "a"));
    let bound = effects.iter().any(|effect| matches!(effect, Effect::Bound { pod, .. } if pod.uid == "a"));
    assert_eq!((released, bound), expect, "{bind:?}, {read:?}: {effects:?}");
}

#[test]
fn a_lost_or_refused_bind_is_what_a_read_says() {
    for bind in [Answer::Unknown, Answer::Conflict] {
        check(bind.clone(), Some(facts("a", "a", Some("n"))), (false, true));
        // it is bound, but not by us
        check(bind.clone(), Some(facts("a", "a", Some("elsewhere"))), (true, false));
        // it may be bound still
        check(bind.clone(), Some(facts("a", "a", None)), (false, false));
        check(bind.clone(), None, (true, false));
        // another pod bears its name now, wherever that one is
        check(bind.clone(), Some(facts("a", "later", None)), (true, false));
        check(bind, Some(facts("a", "later", Some("n"))), (true, false));
    }
}

/// What is done about a record that an earlier leader has left, with one pod that is not bound yet.
fn take_over(group: Option<GroupFacts>) -> (Reservations, Vec<Effect>) {
    let entries = vec![Entry { name: "a".into(), uid: "a".into(), node: "n".into() }];
    let gang = GangKey::new(true, "ns/g");
    let record =
        Record { gang, state: RecordState::Binding, domain: None, tier: None, entries, victims: Vec::new() };
    let pod = RecoveredPod { facts: facts("a", "a", None), taken: true, usable: true, subgroup: None };
    let recovered = Recovered { record, group, pods: vec![pod], bound: Vec::new() };
    let mut reservations = Reservations::new(Settings::default());
    let effects = step(&mut reservations, Input::Recovered(recovered));
    (reservations, effects)
}

#[test]
fn what_stands_in_the_sealed_journal_is_bound_without_being_written_again() {
    let minimum = Count { members: 1, ..Count::default() };
    let (_, effects) = take_over(Some(GroupFacts { minimum, ..GroupFacts::default() }));
    assert!(matches!(calls(&effects)[..], [(_, Call::Bind { .. })]), "{effects:?}");
}

#[test]
fn the_record_of_a_podgroup_that_is_gone_is_removed_once_no_bind_can_take_effect() {
    let (mut reservations, effects) = take_over(None);
    // A bind of the earlier leader may still be on its way: the pod's end rules that out.
    let [(call, Call::Evict { .. })] = calls(&effects)[..] else { panic!("{effects:?}") };
    let effects = step(&mut reservations, Input::Answered { call, answer: Answer::NotFound });
    let [(call, Call::WriteRecord { record: None, may_wait: false })] = calls(&effects)[..] else {
        panic!("{effects:?}")
    };
    step(&mut reservations, Input::Answered { call, answer: Answer::Written });
    assert!(reservations.gangs().next().is_none());
}

#[test]
fn a_minimum_of_whole_subgroups_is_not_met_by_halves() {
    let minimum = Count { members: 2, wholes: [(0, 1)].into(), ..Count::default() };
    let check = |pods: &[&str], missing: Option<(u32, u32)>| {
        let mut count = Count::default();
        for values in pods {
            count.add("", Some(&SubgroupRef { policy: 0, size: 2, values: (*values).into() }));
        }
        let short = count.short_of(&minimum).map(|short| (short.members, short.wholes.values().sum()));
        assert_eq!(short, missing, "{pods:?}");
    };
    check(&[], Some((2, 1)));
    check(&["a"], Some((1, 1)));
    check(&["a", "b"], Some((0, 1)));
    check(&["a", "a"], None);
    check(&["a", "b", "b"], None);
}

#[test]
fn no_bind_is_sent_to_a_node_that_was_lost() {
    let Two { mut reservations, bind_a } = two();
    step(&mut reservations, Input::NodeLost("n".into()));
    let effects = step(&mut reservations, Input::Answered { call: bind_a, answer: Answer::Unknown });
    let [(call, Call::ReadPod { .. })] = calls(&effects)[..] else { panic!("{effects:?}") };
    let answer = Answer::Pod(Some(facts("a", "a", None)));
    step(&mut reservations, Input::Answered { call, answer });
    let mut effects = Vec::new();
    reservations.step(Duration::from_secs(5), Input::Tick, &mut effects);
    // A bind of it may still take effect: only its end rules that out, and something recreates it.
    assert!(matches!(calls(&effects)[..], [(_, Call::Evict { .. })]), "{effects:?}");
}

/// The pod may still be bound where it was promised, so that it is not moved before that is ruled out. That the scheduler
/// finds no other node for it until then says nothing about room.
#[test]
fn a_gang_is_not_rolled_back_while_a_member_cannot_move_yet() {
    let Two { mut reservations, bind_a } = two();
    let answer = Answer::ServerError { retry_after: None };
    step(&mut reservations, Input::Answered { call: bind_a, answer });
    step(&mut reservations, Input::PodSeen(facts("b", "b", Some("n"))));
    let effects = step(&mut reservations, Input::NodeLost("n".into()));
    assert!(effects.iter().any(|effect| matches!(effect, Effect::PlaceAgain { .. })), "{effects:?}");
    let gang = GangKey::new(true, "ns/g");
    let effects = step(&mut reservations, Input::NotPlaced { gang: gang.clone(), absent: false });
    assert_eq!((calls(&effects), reservations.phase(&gang)), (Vec::new(), Some(Phase::Repairing)));
    // Once it has ended, there is nobody left to be placed: that it does not fit is no bar to another one.
    let mut effects = Vec::new();
    reservations.step(Duration::from_secs(2), Input::Tick, &mut effects);
    let [(call, Call::Evict { .. })] = calls(&effects)[..] else { panic!("{effects:?}") };
    let effects = step(&mut reservations, Input::Answered { call, answer: Answer::NotFound });
    assert!(effects.iter().any(|effect| matches!(effect, Effect::PlaceAgain { .. })), "{effects:?}");
    // Now it is the domain that has no room.
    step(&mut reservations, Input::NotPlaced { gang: gang.clone(), absent: false });
    assert_eq!(reservations.phase(&gang), Some(Phase::RollingBack));
}
