//! The table of decisions, and two candidates with bad clocks, pauses and lost answers of whom one at most may write.

use super::*;
use proptest::prelude::*;

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

fn at(count: u64) -> Moment {
    Moment { monotonic: seconds(count), wall: seconds(1000 + count) }
}

fn lease(holder: &str, transitions: u64) -> Option<Lease> {
    Some(Lease {
        holder: holder.into(),
        transitions,
        duration: seconds(15),
        renew_time: "t0".into(),
        acquire_time: "t0".into(),
        resource_version: "5".into(),
    })
}

fn acquire(epoch: u64) -> LeaseDecision {
    LeaseDecision::Acquire { epoch, resource_version: Some("5".into()) }
}

#[test]
fn candidates_wait_until_nothing_has_changed_for_the_whole_duration() {
    let check = |lease: Option<Lease>, now: u64, expect: LeaseDecision| {
        let seen = Seen::first(lease, at(100));
        assert_eq!(decide(&LeaseSettings::default(), "me", &seen, None, at(now)), expect);
    };
    check(None, 100, LeaseDecision::Acquire { epoch: 1, resource_version: None });
    check(lease("you", 3), 100, LeaseDecision::WaitUntil(seconds(115)));
    check(lease("you", 3), 114, LeaseDecision::WaitUntil(seconds(115)));
    check(lease("you", 3), 115, acquire(4));
    check(lease("", 3), 100, acquire(4));
    check(lease("me", 3), 100, LeaseDecision::WaitUntil(seconds(115)));
    check(lease("me", 3), 115, acquire(4));
    // Somebody has written a number into it after which none fits into the field.
    check(lease("", i32::MAX as u64), 100, acquire(1));
    check(lease("", u64::MAX), 100, acquire(1));
}

#[test]
fn a_sign_of_life_starts_the_wait_again_and_other_edits_do_not() {
    let settings = LeaseSettings::default();
    let mut seen = Seen::first(lease("you", 3), at(100));
    let mut edited = lease("you", 3);
    edited.as_mut().expect("some").resource_version = "6".into();
    seen.observe(edited.clone(), at(110));
    assert_eq!(decide(&settings, "me", &seen, None, at(110)), LeaseDecision::WaitUntil(seconds(115)));
    edited.as_mut().expect("some").renew_time = "t1".into();
    seen.observe(edited, at(112));
    assert_eq!(decide(&settings, "me", &seen, None, at(115)), LeaseDecision::WaitUntil(seconds(127)));
}

#[test]
fn leaders_renew_in_time_or_stop() {
    let held = Held { epoch: 3, renewed: at(100) };
    let check = |lease: Option<Lease>, now: Moment, expect: LeaseDecision| {
        let seen = Seen::first(lease, at(100));
        assert_eq!(decide(&LeaseSettings::default(), "me", &seen, Some(&held), now), expect);
    };
    check(lease("me", 3), at(101), LeaseDecision::WaitUntil(seconds(102)));
    check(lease("me", 3), at(102), LeaseDecision::Renew { resource_version: "5".into() });
    check(lease("me", 3), at(109), LeaseDecision::Renew { resource_version: "5".into() });
    check(lease("me", 3), at(110), LeaseDecision::Lost);
    check(lease("you", 4), at(101), LeaseDecision::Lost);
    check(lease("me", 4), at(101), LeaseDecision::Lost);
    check(None, at(101), LeaseDecision::Lost);
    // The wall clock alone went on: the machine was paused, or somebody set its clock. A step back proves nothing.
    let jumped = |wall| Moment { monotonic: seconds(101), wall: seconds(wall) };
    check(lease("me", 3), jumped(1110), LeaseDecision::Lost);
    check(lease("me", 3), jumped(5), LeaseDecision::WaitUntil(seconds(102)));
}

/// A candidate in the model: its clocks run beside real time, which is what the server and the check below know.
struct Candidate {
    name: String,
    offset: u64,
    /// The monotonic clock has missed so many milliseconds.
    missed: u64,
    /// The wall clock has been set by so much.
    wall_error: i64,
    was_set_back: bool,
    paused_until: u64,
    seen: Option<Seen>,
    held: Option<Held>,
}

impl Candidate {
    fn clock(&self, real: u64) -> Moment {
        let wall = (1_000_000 + real as i64 + self.wall_error).max(0) as u64;
        Moment {
            monotonic: Duration::from_millis(real + self.offset - self.missed),
            wall: Duration::from_millis(wall),
        }
    }
}

#[derive(Clone, Debug)]
enum Step {
    /// A candidate looks and acts; `applied` and `answered` say what becomes of its write, which takes `travel` ms.
    Act { who: usize, applied: bool, answered: bool, travel: u64 },
    /// A candidate stands still; its monotonic clock too if the whole machine does.
    Pause { who: usize, millis: u64, machine: bool },
    /// Somebody sets a wall clock.
    SetClock { who: usize, by: i64 },
    /// Somebody deletes the Lease.
    Delete,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        20 => (0..3usize, prop::bool::weighted(0.9), prop::bool::weighted(0.9), 0..2_000u64)
            .prop_map(|(who, applied, answered, travel)| Step::Act { who, applied, answered, travel }),
        2 => (0..3usize, 0..40_000u64, any::<bool>())
            .prop_map(|(who, millis, machine)| Step::Pause { who, millis, machine }),
        1 => (0..3usize, -60_000..60_000i64).prop_map(|(who, by)| Step::SetClock { who, by }),
    ]
}

/// Plays the steps; at every moment one running candidate at most may write. Returns how often somebody took the lead.
fn play(steps: &[(u64, Step)], deletes: bool) -> u64 {
    let settings = LeaseSettings::default();
    let mut candidates: Vec<Candidate> = (0..3u64)
        .map(|i| Candidate {
            name: format!("candidate-{i}"),
            offset: 77_000 * i,
            missed: 0,
            wall_error: 0,
            was_set_back: false,
            paused_until: 0,
            seen: None,
            held: None,
        })
        .collect();
    let (mut server, mut version, mut real, mut epochs) = (None::<Lease>, 0u64, 0u64, Vec::new());
    for (wait, step) in steps {
        real += wait;
        match *step {
            Step::Pause { who, millis, machine } => {
                let until = real + millis;
                let longer = until.saturating_sub(candidates[who].paused_until.max(real));
                candidates[who].paused_until = candidates[who].paused_until.max(until);
                if machine && !candidates[who].was_set_back {
                    candidates[who].missed += longer;
                }
            }
            Step::SetClock { who, by } => {
                // A clock that is set back hides that the machine is paused, before or after: not ours to solve.
                if candidates[who].missed == 0 || by > 0 {
                    candidates[who].wall_error += by;
                    candidates[who].was_set_back |= by < 0;
                }
            }
            Step::Delete if deletes => server = None,
            Step::Delete => {}
            Step::Act { who, applied, answered, travel } => {
                let candidate = &mut candidates[who];
                if real < candidate.paused_until {
                    continue;
                }
                let sent = candidate.clock(real);
                match &mut candidate.seen {
                    Some(seen) => seen.observe(server.clone(), sent),
                    None => candidate.seen = Some(Seen::first(server.clone(), sent)),
                }
                let seen = candidate.seen.as_mut().expect("just set");
                let decision = decide(&settings, &candidate.name, seen, candidate.held.as_ref(), sent);
                let acquires = matches!(decision, LeaseDecision::Acquire { .. });
                let (epoch, precondition) = match decision {
                    LeaseDecision::WaitUntil(_) => continue,
                    LeaseDecision::Lost => {
                        candidate.held = None;
                        continue;
                    }
                    LeaseDecision::Acquire { epoch, resource_version } => {
                        candidate.held = None;
                        (epoch, resource_version)
                    }
                    LeaseDecision::Renew { resource_version } => {
                        (candidate.held.expect("held").epoch, Some(resource_version))
                    }
                };
                real += travel;
                let current = server.as_ref().map(|lease| lease.resource_version.clone());
                if !applied || current != precondition {
                    continue;
                }
                version += 1;
                if acquires {
                    epochs.push(epoch);
                }
                server = Some(Lease {
                    holder: candidate.name.clone(),
                    transitions: epoch,
                    duration: settings.duration,
                    acquire_time: format!("{epoch}"),
                    renew_time: format!("{version}"),
                    resource_version: format!("{version}"),
                });
                if answered {
                    candidate.held = Some(Held { epoch, renewed: sent });
                    seen.observe(server.clone(), sent);
                }
            }
        }
        let writers = candidates.iter().filter(|candidate| {
            let may = |held: &Held| held.may_write(&settings, candidate.clock(real));
            real >= candidate.paused_until && candidate.held.as_ref().is_some_and(may)
        });
        assert!(writers.count() <= 1, "two may write at {real} ms");
    }
    // They begin again where the Lease was deleted: the journal is sealed with later ones all the same.
    assert!(deletes || epochs.windows(2).all(|pair| pair[0] < pair[1]), "epochs go up: {epochs:?}");
    epochs.len() as u64
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]
    #[test]
    fn one_at_most_may_write(steps in prop::collection::vec((0..4_000u64, step()), 1..120)) {
        play(&steps, false);
    }
}

#[test]
fn somebody_leads_again_after_each_loss() {
    let act = |who| Step::Act { who, applied: true, answered: true, travel: 10 };
    let pause = |who| Step::Pause { who, millis: 60_000, machine: false };
    let mut steps = vec![(0, act(0)), (100, pause(0))];
    steps.extend((0..20).map(|_| (1_000, act(1))));
    steps.push((0, pause(1)));
    steps.extend((0..20).map(|_| (1_000, act(2))));
    assert_eq!(play(&steps, false), 3);
    // The holder notices that its Lease was deleted only when it looks: until then it may write beside another.
    let steps = [(0, act(0)), (100, Step::Delete), (3_000, act(0)), (10, act(0))];
    assert_eq!(play(&steps, true), 2);
}
