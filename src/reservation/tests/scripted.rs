//! Single answers, one by one, and what is done about each at once.

use super::super::{
    Answer, Call, CallId, Count, Decided, Effect, GangKey, GroupFacts, Input, PodFacts, Promise,
    Reservations, Settings,
};
use crate::scheduler::PodRef;
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
    let mut reservations = Reservations::new(Settings::default(), 1);
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
        group: Some(GroupFacts { resource_version: "1".into(), minimum, ..GroupFacts::default() }),
        bound: Vec::new(),
    };
    let effects = step(&mut reservations, Input::Decided(decided));
    let [(call, Call::WriteRecord { resource_version, .. })] = calls(&effects)[..] else {
        panic!("the record first, and nothing else: {effects:?}")
    };
    assert_eq!(resource_version, "1");
    let answer = Answer::Written { resource_version: "2".into() };
    let effects = step(&mut reservations, Input::Answered { call, answer });
    let [(bind_a, Call::Bind { .. }), (_, Call::Bind { .. })] = calls(&effects)[..] else {
        panic!("then the binds: {effects:?}")
    };
    Two { reservations, bind_a }
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
