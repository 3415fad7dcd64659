//! A journal alone, in random runs: writes lost, late and refused, objects damaged, leaders that follow one another.

use super::*;
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Step {
    Put {
        gang: u8,
        node: u8,
        gone: bool,
        may_wait: bool,
    },
    /// Sends what is due, with this fate: 0 answered, 1 lost, 2 answer lost, 3 late, 4 too many, 5 conflict.
    Commit(u8),
    /// What was late arrives.
    Arrives(u8),
    Edit(u8),
    TakeOver,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (0..4u8, any::<u8>(), any::<bool>(), any::<bool>())
            .prop_map(|(gang, node, gone, may_wait)| Step::Put { gang, node, gone, may_wait }),
        6 => (0..6u8).prop_map(Step::Commit),
        2 => any::<u8>().prop_map(Step::Arrives),
        1 => (0..3u8).prop_map(Step::Edit),
        1 => Just(Step::TakeOver),
    ];
    proptest::collection::vec(step, 0..120)
}

/// Whatever is lost or late on the way: what is said to be written stands there at that moment, no write of an earlier
/// leader is applied, and in the end everything stands there as it was last asked for.
fn play(steps: Vec<Step>) {
    let mut server = Server::default();
    let (mut journal, mut now, mut epoch) = (journal("t1", 1), NOW, 1u64);
    let mut late: Vec<(u64, usize, Ask)> = Vec::new();
    let mut wanted: BTreeMap<GangKey, Option<Record>> = BTreeMap::new();
    let mut open: BTreeMap<CallId, (GangKey, Option<Record>)> = BTreeMap::new();
    let mut next = 0;
    let mut calm = vec![Step::Commit(0); 40];
    let mut all = steps;
    all.append(&mut calm);
    for step in all {
        now += Duration::from_millis(700);
        match step {
            Step::Put { gang: of, node, gone, may_wait } => {
                if !journal.is_open() {
                    continue;
                }
                let of = gang(&format!("g{of}"));
                let record = (!gone).then(|| record(&of.name, &node.to_string()));
                next += 1;
                open.insert(CallId(next), (of.clone(), record.clone()));
                wanted.insert(of.clone(), record.clone());
                journal.put(now, of, CallId(next), record.as_ref(), may_wait && gone);
            }
            Step::Commit(fate) => {
                for (at, ask) in journal.commit(now) {
                    let reply = match fate {
                        1 => Reply::Unknown(None),
                        2 => {
                            server.serve(&object(at), &ask);
                            Reply::Unknown(None)
                        }
                        3 => {
                            late.push((epoch, at, ask));
                            Reply::Unknown(None)
                        }
                        4 => Reply::TooMany(None),
                        5 if !matches!(ask, Ask::Read) => Reply::Conflict,
                        _ => server.serve(&object(at), &ask),
                    };
                    journal.answered(now, at, reply);
                }
            }
            Step::Arrives(which) => {
                if !late.is_empty() {
                    let (of, at, ask) = late.remove(which as usize % late.len());
                    let reply = server.serve(&object(at), &ask);
                    let is_sealed = journal.is_open() && of < epoch && matches!(ask, Ask::Write { .. });
                    assert!(
                        !is_sealed || !matches!(reply, Reply::Written(_)),
                        "a write of epoch {of} in {epoch}"
                    );
                }
            }
            Step::Edit(0) => server.objects.clear(),
            Step::Edit(1) if server.objects.contains_key(&object(0)) => {
                server.edit(&object(0), |data| drop(data.insert("g0".into(), "x".into())));
            }
            Step::Edit(_) if server.objects.contains_key(&object(0)) => server.edit(&object(0), |_| {}),
            Step::Edit(_) => {}
            Step::TakeOver => {
                epoch += 1;
                journal = super::journal(&format!("t{epoch}"), epoch);
                open.clear();
                wanted.clear();
            }
        }
        for event in journal.events() {
            match event {
                Event::Opened(records) => {
                    wanted = records.into_iter().map(|record| (record.gang.clone(), Some(record))).collect();
                }
                Event::Written(call) => {
                    let (of, asked) = open.remove(&call).expect("answered once");
                    let stands = server.records().into_iter().find(|record| record.gang == of);
                    // What was replaced before is answered with what came instead.
                    assert!(
                        stands == asked || stands == wanted[&of],
                        "{of}: {asked:?}, and {stands:?} stands there"
                    );
                }
                Event::Superseded { .. } => panic!("nobody else leads"),
                Event::Refused { .. } | Event::Quarantined(_) | Event::Trouble { .. } => {}
            }
        }
    }
    assert!(open.is_empty() && journal.is_open(), "{open:?}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_said_to_be_written_is(steps in steps()) {
        play(steps);
    }

    #[test]
    fn a_head_is_read_as_it_was_written(epoch in 0..u64::MAX / 2, number in 0..u64::MAX / 2, holder in any::<String>()) {
        let head = Head { epoch, number, holder };
        prop_assert_eq!(Head::decode(&head.encode()), Ok(head));
    }

    #[test]
    fn hostile_data_are_named_and_never_fatal(data in proptest::collection::btree_map("[a-z]{0,8}", any::<String>(), 0..6)) {
        let mut data = data;
        data.insert(HEAD.to_owned(), "v1;1;1;x".to_owned());
        let (records, quarantined) = read("o", &data);
        prop_assert_eq!(records.len() + quarantined.len(), data.len() - 1);
    }
}
