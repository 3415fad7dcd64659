//! Single answers, one by one, over some time: gangs that are short of something, late, or taken for somebody else's.

use super::super::record::{Entry, Record, RecordState};
use super::super::{
    Answer, BoundPod, Call, CallId, Count, Decided, Effect, GangKey, GroupFacts, Input, Outcome, Phase,
    PodFacts, Promise, Recovered, RecoveredPod, Report, Reservations, Settings,
};
use crate::scheduler::{PodRef, SubgroupRef};
use std::time::Duration;

fn pod(name: &str) -> PodRef {
    PodRef { namespace: "ns".into(), name: name.into(), uid: name.into() }
}

fn facts(name: &str, node: Option<&str>, recreated: bool) -> PodFacts {
    let node = node.map(str::to_owned);
    PodFacts { pod: pod(name), node, failed: false, deleting: false, recreated, role: String::new() }
}

/// One of two pods that run together.
fn half(values: &str) -> SubgroupRef {
    SubgroupRef { policy: 0, size: 2, values: values.into() }
}

fn promise(name: &str, recreated: bool, subgroup: Option<SubgroupRef>) -> Promise {
    Promise { pod: pod(name), node: "n".into(), role: String::new(), subgroup, recreated }
}

fn key() -> GangKey {
    GangKey::new(true, "ns/g")
}

/// Reservations, and the time.
struct Play {
    reservations: Reservations,
    now: Duration,
}

impl Play {
    fn new() -> Self {
        Play { reservations: Reservations::new(Settings::default()), now: Duration::from_secs(1) }
    }

    fn step(&mut self, input: Input) -> Vec<Effect> {
        let mut effects = Vec::new();
        self.reservations.step(self.now, input, &mut effects);
        effects
    }

    /// Time passes.
    fn at(&mut self, seconds: u64) -> Vec<Effect> {
        self.now = Duration::from_secs(seconds);
        self.step(Input::Tick)
    }

    fn decide(&mut self, minimum: &Count, pods: Vec<Promise>, bound: Vec<BoundPod>) -> Vec<Effect> {
        let group = GroupFacts { minimum: minimum.clone(), ..GroupFacts::default() };
        let decided = Decided { gang: key(), pods, domain: None, tier: None, group: Some(group), bound };
        self.step(Input::Decided(decided))
    }

    fn answer(&mut self, call: CallId, answer: Answer) -> Vec<Effect> {
        self.step(Input::Answered { call, answer })
    }

    /// The one call of these effects writes a record; it is written.
    fn write(&mut self, effects: &[Effect], state: RecordState, names: &[&str]) -> Vec<Effect> {
        let [(call, Call::WriteRecord { record, .. })] = calls(effects)[..] else { panic!("{effects:?}") };
        let record = record.as_ref().expect("one is to be there");
        let named: Vec<&str> = record.entries.iter().map(|entry| entry.name.as_str()).collect();
        assert_eq!((record.state, named), (state, names.to_vec()));
        self.answer(call, Answer::Written)
    }

    /// The one call of these effects removes the record; it is gone.
    fn close(&mut self, effects: &[Effect]) -> Vec<Effect> {
        let [(call, Call::WriteRecord { record: None, .. })] = calls(effects)[..] else {
            panic!("{effects:?}")
        };
        self.answer(call, Answer::Written)
    }

    /// Does it say that the gang waits for this?
    fn says(&self, what: &str) -> bool {
        self.reservations.waits_for(&key()).is_some_and(|said| said.starts_with(what))
    }

    fn phase(&self) -> Option<Phase> {
        self.reservations.phase(&key())
    }
}

fn calls(effects: &[Effect]) -> Vec<(CallId, &Call)> {
    let calls = effects.iter().filter_map(|effect| match effect {
        Effect::Call { id, call, .. } => Some((*id, call)),
        _ => None,
    });
    calls.collect()
}

/// The calls of these effects bind these pods.
fn binds(effects: &[Effect], names: &[&str]) -> Vec<CallId> {
    let calls = calls(effects);
    let bound = calls.iter().map(|(_, call)| match call {
        Call::Bind { pod, .. } => pod.name.as_str(),
        other => panic!("{other:?}"),
    });
    assert_eq!(bound.collect::<Vec<_>>(), names, "{effects:?}");
    calls.iter().map(|(id, _)| *id).collect()
}

fn released(effects: &[Effect]) -> Vec<&str> {
    let released = effects.iter().filter_map(|effect| match effect {
        Effect::Release { pod, .. } => Some(pod.name.as_str()),
        _ => None,
    });
    released.collect()
}

fn members(count: u32) -> Count {
    Count { members: count, ..Count::default() }
}

const LATER: Answer = Answer::TooMany { retry_after: None };

#[test]
fn members_and_others_count_for_their_subgroups() {
    let minimum = Count { wholes: [(0, 1)].into(), ..members(2) };
    let mut play = Play::new();
    let pods = ["a", "b"].map(|name| promise(name, true, Some(half("x")))).to_vec();
    let effects = play.decide(&minimum, pods, Vec::new());
    let effects = play.write(&effects, RecordState::Binding, &["a", "b"]);
    let ids = binds(&effects, &["a", "b"]);
    assert_eq!(play.phase(), Some(Phase::Binding), "two halves are whole");
    play.answer(ids[0], Answer::Done);
    let effects = play.answer(ids[1], Answer::NotFound);
    let short = effects.iter().find_map(|effect| match effect {
        Effect::PlaceAgain { short, .. } => Some((short.members, short.wholes[&0])),
        _ => None,
    });
    assert_eq!(short, Some((1, 1)), "{effects:?}");

    // What is bound already makes a whole of the one that comes: a single bind, that needs no record.
    let bound = |values| BoundPod { uid: "z".into(), role: String::new(), subgroup: Some(half(values)) };
    let decide = |values| {
        let mut play = Play::new();
        play.decide(&minimum, vec![promise("a", true, Some(half("x")))], vec![bound(values)])
    };
    binds(&decide("x"), &["a"]);
    assert_eq!(released(&decide("y")), ["a"], "two halves of two make none whole");
}

/// Phases go on as they would: there is one bind to make, or to give up.
#[test]
fn what_completed_its_gang_alone_is_ready_while_the_others_stay() {
    let ready = |play: &Play| play.reservations.is_ready(&key(), |_, _| true);
    let bound = |uid: &str| BoundPod { uid: uid.into(), role: String::new(), subgroup: None };
    let mut play = Play::new();
    binds(&play.decide(&members(2), vec![promise("a", true, None)], vec![bound("z")]), &["a"]);
    assert!(ready(&play));
    let mut change = |minimum: u32, generation: i64, bound: Vec<BoundPod>, expect: bool| {
        let minimum = members(minimum);
        let effects = play.step(Input::GangChanged { gang: key(), minimum, generation, bound });
        assert_eq!((effects, play.phase()), (Vec::new(), Some(Phase::Binding)));
        assert_eq!(ready(&play), expect, "generation {generation}");
    };
    change(2, 0, vec![], false);
    change(1, 1, vec![], true);
    change(3, 2, vec![bound("z")], false);
    change(1, 1, vec![bound("z")], false);
    change(3, 2, vec![bound("z"), bound("y")], true);
    change(4, 3, vec![bound("z"), bound("y")], false);
    play.step(Input::GroupGone(key()));
    assert!(ready(&play), "no gang, no minimum");
}

/// What was to complete the gang alone waits when it has lost the others: it is bound when the record names it, with the one
/// that comes instead.
#[test]
fn what_needs_a_record_only_later_is_bound_after_it_too() {
    let mut play = Play::new();
    let bound = BoundPod { uid: "z".into(), role: String::new(), subgroup: None };
    let id = binds(&play.decide(&members(2), vec![promise("a", true, None)], vec![bound]), &["a"])[0];
    play.answer(id, LATER);
    let minimum = members(2);
    play.step(Input::GangChanged { gang: key(), minimum: minimum.clone(), generation: 0, bound: vec![] });
    let effects = play.decide(&minimum, vec![promise("b", true, None)], vec![]);
    assert_eq!(calls(&play.at(10)), [], "a crash now must not leave it alone");
    let effects = play.write(&effects, RecordState::Binding, &["a", "b"]);
    binds(&effects, &["b", "a"]);
}

#[test]
fn a_gang_that_is_late_keeps_what_meets_its_minimum_and_gives_up_the_rest() {
    let mut play = Play::new();
    let pods = ["a", "b"].map(|name| promise(name, true, None)).to_vec();
    let effects = play.decide(&members(1), pods, Vec::new());
    let effects = play.write(&effects, RecordState::Binding, &["a", "b"]);
    let ids = binds(&effects, &["a", "b"]);
    play.answer(ids[0], Answer::Done);
    play.answer(ids[1], LATER);
    let effects = play.at(120);
    let id = binds(&effects, &["b"])[0];
    play.answer(id, LATER);
    let effects = play.at(121);
    assert_eq!(released(&effects), Vec::<&str>::new(), "the record names it still");
    let effects = play.close(&effects);
    assert_eq!(released(&effects), ["b"]);
    let ended = Report::Ended { outcome: Outcome::Partly, bound: 1, evicted: 0 };
    assert!(effects.contains(&Effect::Report { gang: key(), report: ended }), "{effects:?}");
}

#[test]
fn those_who_join_have_their_own_time() {
    let mut play = Play::new();
    let effects = play.decide(&members(1), vec![promise("a", true, None)], Vec::new());
    let id = binds(&effects, &["a"])[0];
    play.answer(id, LATER);
    play.at(100);
    let effects = play.decide(&members(1), vec![promise("b", true, None)], Vec::new());
    drop(effects);
    play.at(125);
    assert!(matches!(play.phase(), Some(Phase::Binding | Phase::Decided)), "{:?}", play.phase());
    play.at(221);
    assert!(!matches!(play.phase(), Some(Phase::Binding | Phase::Decided)), "{:?}", play.phase());
}

#[test]
fn nothing_is_bound_while_the_record_says_that_it_is_undone() {
    let mut play = Play::new();
    let pods = ["a", "b"].map(|name| promise(name, true, None)).to_vec();
    let effects = play.decide(&members(2), pods, Vec::new());
    let effects = play.write(&effects, RecordState::Binding, &["a", "b"]);
    let ids = binds(&effects, &["a", "b"]);
    play.answer(ids[0], Answer::Done);
    play.answer(ids[1], LATER);
    let rolls_back = play.at(121);
    assert_eq!(play.phase(), Some(Phase::RollingBack));
    // Its owner lets `a` go: nobody would bring it back, so that it must not be evicted.
    play.step(Input::PodSeen(facts("a", Some("n"), false)));
    let effects = play.write(&rolls_back, RecordState::RollingBack, &["a", "b"]);
    let effects = play.write(&effects, RecordState::Binding, &["a", "b"]);
    binds(&effects, &["b"]);
}

#[test]
fn a_bind_that_may_still_come_is_waited_out_where_nothing_would_recreate_the_pod() {
    let mut play = Play::new();
    let pods = ["a", "b"].map(|name| promise(name, false, None)).to_vec();
    let effects = play.decide(&members(2), pods, Vec::new());
    let effects = play.write(&effects, RecordState::Binding, &["a", "b"]);
    let ids = binds(&effects, &["a", "b"]);
    play.answer(ids[0], Answer::ServerError { retry_after: None });
    play.answer(ids[1], Answer::Done);
    play.step(Input::NodeLost("n".into()));
    for seconds in [2, 10, 60, 90] {
        assert_eq!(calls(&play.at(seconds)), [], "at {seconds} s");
        assert!(play.says("1 pod lost the node that was promised: "), "at {seconds} s");
    }
    let effects = play.at(91);
    let [(call, Call::ReadPod { .. })] = calls(&effects)[..] else { panic!("{effects:?}") };
    let effects = play.answer(call, Answer::Pod(Some(facts("a", None, false))));
    let moves = effects.iter().any(
        |effect| matches!(effect, Effect::PlaceAgain { moving, .. } if moving.iter().any(|pod| pod.name == "a")),
    );
    assert!(moves && released(&effects) == ["a"], "{effects:?}");
    assert_eq!(play.reservations.waits_for(&key()), None);
}

/// Two pods whose binds are out, and a minimum of both.
fn two() -> (Play, Vec<CallId>) {
    let mut play = Play::new();
    let pods = ["a", "b"].map(|name| promise(name, true, None)).to_vec();
    let effects = play.decide(&members(2), pods, Vec::new());
    let effects = play.write(&effects, RecordState::Binding, &["a", "b"]);
    let ids = binds(&effects, &["a", "b"]);
    (play, ids)
}

#[test]
fn a_minimum_that_the_watch_shows_late_is_old_news() {
    let (mut play, ids) = two();
    for (generation, minimum) in [(5, members(2)), (4, members(1))] {
        play.step(Input::GangChanged { gang: key(), minimum, generation, bound: Vec::new() });
    }
    play.answer(ids[0], Answer::Done);
    play.answer(ids[1], Answer::NotFound);
    assert_eq!(play.phase(), Some(Phase::Repairing), "two are wanted");
}

#[test]
fn another_pod_of_the_name_makes_a_member_be_read() {
    let other = PodRef { uid: "later".into(), ..pod("b") };
    let seen = PodFacts { pod: other.clone(), ..facts("b", None, true) };
    let reads = |effects: &[Effect]| match calls(effects)[..] {
        [(_, Call::ReadPod { pod })] => pod.uid.clone(),
        _ => panic!("{effects:?}"),
    };
    // The watch shows it ..
    let (mut play, ids) = two();
    play.answer(ids[0], Answer::Done);
    play.answer(ids[1], LATER);
    assert_eq!(reads(&play.step(Input::PodSeen(seen))), "b");
    // .. or the scheduler has placed it before the watch has shown the first one gone.
    let (mut play, ids) = two();
    play.answer(ids[0], Answer::Done);
    play.answer(ids[1], LATER);
    let again = Promise { pod: other, ..promise("b", true, None) };
    let effects = play.decide(&members(2), vec![again], Vec::new());
    let read =
        calls(&effects).iter().any(|(_, call)| matches!(call, Call::ReadPod { pod } if pod.uid == "b"));
    assert!(read, "{effects:?}");
}

#[test]
fn what_cannot_be_written_down_in_time_is_given_up_once_nothing_of_it_stands_there() {
    let mut play = Play::new();
    let pods = ["a", "b"].map(|name| promise(name, true, None)).to_vec();
    let effects = play.decide(&members(2), pods, Vec::new());
    let [(call, Call::WriteRecord { .. })] = calls(&effects)[..] else { panic!("{effects:?}") };
    play.answer(call, Answer::ServerError { retry_after: Some(Duration::from_secs(115)) });
    assert_eq!((play.at(115), play.phase()), (Vec::new(), Some(Phase::Decided)));
    let effects = play.at(121);
    assert_eq!(released(&effects), Vec::<&str>::new());
    let effects = play.close(&effects);
    assert_eq!(released(&effects), ["a", "b"]);
    let ended = Report::Ended { outcome: Outcome::Abandoned, bound: 0, evicted: 0 };
    assert!(effects.contains(&Effect::Report { gang: key(), report: ended }), "{effects:?}");
}

#[test]
fn nothing_is_evicted_before_the_record_says_so_and_what_was_evicted_is_read() {
    let (mut play, ids) = two();
    play.answer(ids[0], Answer::Done);
    play.answer(ids[1], Answer::ServerError { retry_after: Some(Duration::from_secs(110)) });
    let id = binds(&play.at(111), &["b"])[0];
    play.answer(id, Answer::ServerError { retry_after: None });
    let effects = play.at(121);
    let effects = play.write(&effects, RecordState::RollingBack, &["a", "b"]);
    let evicted = |effects: &[Effect]| -> Vec<(CallId, String)> {
        let evicts = calls(effects).into_iter().map(|(id, call)| match call {
            Call::Evict { pod } => (id, pod.name.clone()),
            other => panic!("{other:?}"),
        });
        evicts.collect()
    };
    let [(a, _), (b, _)] = &evicted(&effects)[..] else { panic!("{effects:?}") };
    play.answer(*a, Answer::Done);
    // It had no node as far as known, and may have had one by then.
    let effects = play.answer(*b, Answer::Done);
    let [(call, Call::ReadPod { .. })] = calls(&effects)[..] else { panic!("{effects:?}") };
    assert_eq!(released(&effects), Vec::<&str>::new());
    let ending = PodFacts { deleting: true, ..facts("b", Some("n"), true) };
    let effects = play.answer(call, Answer::Pod(Some(ending)));
    let bound = effects.iter().any(|effect| matches!(effect, Effect::Bound { pod, .. } if pod.name == "b"));
    assert!(bound, "its capacity is its own use until it is gone: {effects:?}");
}

/// Two pods get these answers to their binds until it is too late, and one of them to its evictions; none: the watch shows
/// it go before there is one.
#[test]
fn what_is_said_of_a_gang_that_was_rolled_back_is_what_was_done() {
    let check = |binds: [Answer; 2], evictions: &[Answer], expect: &str| {
        let (mut play, ids) = two();
        for (id, answer) in ids.into_iter().zip(binds) {
            play.answer(id, answer);
        }
        let mut effects = play.at(121);
        let mut answers = evictions.iter().cloned();
        for seconds in 122..200 {
            let said = effects.iter().find_map(|effect| match effect {
                Effect::Report { report: report @ Report::Ended { .. }, .. } => Some(report.to_string()),
                _ => None,
            });
            if let Some(said) = said {
                return assert_eq!(said, format!("{expect}; the gang waits again"), "{evictions:?}");
            }
            let open: Vec<(CallId, Call)> =
                calls(&effects).into_iter().map(|(id, call)| (id, call.clone())).collect();
            effects = play.at(seconds);
            for (id, call) in open {
                let more = match call {
                    Call::WriteRecord { .. } => play.answer(id, Answer::Written),
                    Call::Evict { pod } => match answers.next() {
                        Some(answer) => play.answer(id, answer),
                        None => {
                            let going = facts(&pod.name, Some("n"), true);
                            play.step(Input::PodSeen(PodFacts { deleting: true, ..going }))
                        }
                    },
                    other => panic!("{other:?}"),
                };
                effects.extend(more);
            }
        }
        panic!("it never ended: {evictions:?}");
    };
    let evicted = |pods| format!("what was bound, or might still have been, has been evicted, {pods}");
    let nothing = "nothing was left to evict";
    check([LATER, LATER], &[], nothing);
    check([Answer::Done, LATER], &[Answer::Done], &evicted("1 pod"));
    check([Answer::Done, LATER], &[], &evicted("1 pod"));
    check([Answer::Done, LATER], &[LATER, Answer::Done], &evicted("1 pod"));
    check([Answer::Done, LATER], &[Answer::Unknown, Answer::NotFound], &evicted("1 pod"));
    check([Answer::Done, LATER], &[LATER, Answer::NotFound], nothing);
    let doubtful = Answer::ServerError { retry_after: None };
    check([doubtful.clone(), doubtful], &[], &evicted("2 pods"));
}

#[test]
fn a_record_that_is_taken_over_counts_who_is_bound_and_leaves_nodes_that_are_lost() {
    let taken_over = |usable: bool, recreated: bool| {
        let entry = |name: &str| Entry { name: name.into(), uid: name.into(), node: "n".into() };
        let entries = vec![entry("a")];
        let record = Record {
            gang: key(),
            state: RecordState::Binding,
            domain: None,
            tier: None,
            entries,
            victims: Vec::new(),
        };
        let group = Some(GroupFacts { minimum: members(2), ..GroupFacts::default() });
        let facts = facts("a", None, recreated);
        let pods = vec![RecoveredPod { facts, taken: true, usable, subgroup: None }];
        let bound = vec![BoundPod { uid: "z".into(), role: String::new(), subgroup: None }];
        let mut play = Play::new();
        let effects = play.step(Input::Recovered(Recovered { record, group, pods, bound }));
        let calls: Vec<Call> = calls(&effects).into_iter().map(|(_, call)| call.clone()).collect();
        (play.phase(), calls, play.says("1 pod lost the node that an earlier leader had promised"))
    };
    let (phase, calls, waits) = taken_over(true, true);
    assert!(!waits);
    assert_eq!(phase, Some(Phase::Binding), "with `z` it is enough");
    assert!(matches!(calls[..], [Call::Bind { .. }]), "{calls:?}");
    // The predecessor's bind may still take effect there: only the pod's end rules that out.
    let (phase, calls, waits) = taken_over(false, true);
    assert_eq!((phase, waits), (Some(Phase::Repairing), false));
    assert!(matches!(calls[..], [Call::Evict { .. }]), "{calls:?}");
    // Where it is the only one of its kind, time does.
    let (phase, calls, waits) = taken_over(false, false);
    assert_eq!((phase, calls, waits), (Some(Phase::Repairing), Vec::new(), true));
}
