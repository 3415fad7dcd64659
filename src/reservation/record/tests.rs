//! Records as texts: what is written is read, and nothing else is.

use super::*;
use proptest::prelude::*;

fn gang(count: u32) -> Record {
    let entries = (0..count)
        .map(|i| Entry {
            name: format!("llama-multinode-0-decode-{}-{}", i / 8, i % 8),
            uid: format!("9f86d081-884c-4d65-9a2f-{i:012x}"),
            node: format!("gpu-node-{:05}.cluster.example", i * 7 % 10_240),
        })
        .collect();
    Record {
        gang: GangKey::new(true, "ml/llama"),
        state: RecordState::Binding,
        domain: Some("rack-7".into()),
        tier: Some(1),
        entries,
        victims: Vec::new(),
    }
}

#[test]
fn the_text_is_what_the_page_says() {
    let mut record = gang(3);
    record.entries[1].uid = String::new();
    record.entries[2].node = "GPU 9.cluster.example".into();
    record.entries[2].uid = "u;1".into();
    let expect = "gang1;b;ml;llama;1;rack-7;.cluster.example;3;00llama-multinode-0-decode-0-0,\
                  n4bQgYhMTWWaLwAAAAAAAA,00gpu-node-00000;1b1,=,0d7;1b2,=u%3B1,00GPU%209";
    assert_eq!(record.encode(), expect);
    assert_eq!(Record::decode(expect), Ok(record));
}

#[test]
fn those_who_leave_stand_behind_the_pods_of_the_gang() {
    let victim = |kind, name: &str, uid: &str| Victim {
        kind,
        namespace: "ops".into(),
        name: name.into(),
        uid: uid.into(),
    };
    let victims = vec![
        victim(EvictionKind::Reclaim, "a-0", "9f86d081-884c-4d65-9a2f-000000000000"),
        victim(EvictionKind::Move, "b 0", "u1"),
    ];
    let record = Record { state: RecordState::Clearing, victims, ..gang(0) };
    let expect = "gang1;c;ml;llama;1;rack-7;;0;v:r,ops,a-0,n4bQgYhMTWWaLwAAAAAAAA,m,ops,b%200,=u1";
    assert_eq!(record.encode(), expect);
    assert_eq!(Record::decode(expect), Ok(record));
}

#[test]
fn a_thousand_pods_fit_many_times_over() {
    let text = gang(1024).encode();
    assert!(text.len() < 40 * 1024 && text.len() < LIMIT / 10, "{} bytes", text.len());
}

#[test]
fn what_is_not_a_record_is_said_to_be_none() {
    let check = |text: &str, expect: RecordError| assert_eq!(Record::decode(text), Err(expect), "{text}");
    check("gang2;b;whatever", RecordError::UnknownKind("gang2".into()));
    check("hold1", RecordError::UnknownKind("hold1".into()));
    check("gang1;b;a;b;;;;0;w:whatever", RecordError::UnknownPart('w'));
    check("gang1;c;a;b;;;;0;v:r,a,b,=;w:whatever", RecordError::UnknownPart('w'));
    check("gang1;c;a;b;;;;0;v:r,a,b", RecordError::Malformed("those who leave"));
    check("gang1;c;a;b;;;;0;v:x,a,b,=", RecordError::Malformed("those who leave"));
    check("gang1;c;a;b;;;;0;v:", RecordError::Malformed("those who leave"));
    check("", RecordError::Malformed("the kind"));
    check("v;b;1", RecordError::Malformed("the kind"));
    check("gang1", RecordError::Malformed("the state"));
    check("gang1;d;a;b;;;;0", RecordError::UnknownState('d'));
    check("gang1;bb;a;b;;;;0", RecordError::Malformed("the state"));
    check("gang1;b;;b;;;;0", RecordError::Malformed("the namespace"));
    check("gang1;b;a;%zz;;;;0", RecordError::Malformed("the name"));
    check("gang1;b;a;b;5000000000;;;0", RecordError::Malformed("the tier"));
    check("gang1;b;a;b;01;;;0", RecordError::Malformed("the tier"));
    check("gang1;b;a;b;;%4;;0", RecordError::Malformed("the domain"));
    check("gang1;b;a;b;;;;1", RecordError::Malformed("the number of entries"));
    check("gang1;b;a;b;;;;99999999999999999999", RecordError::Malformed("the count"));
    check("gang1;b;a;b;;;;0;00a,=,00b", RecordError::Malformed("the number of entries"));
    check("gang1;b;a;b;;;;1;00a,=", RecordError::Malformed("an entry"));
    check("gang1;b;a;b;;;;1;01a,=,00b", RecordError::Malformed("a pod's name"));
    check("gang1;b;a;b;;;;1;00a,short,00b", RecordError::Malformed("a uid"));
    check("gang1;b;a;b;;;;1;00a,=,00%C3%28", RecordError::Malformed("a node's name"));
}

fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "[a-z][a-z0-9.-]{0,12}",
        2 => "(llama|mistral)-[0-9]-(prefill|decode)-[0-9]{1,2}-[0-9]",
        1 => any::<String>(),
        1 => "[ab%,;]{0,300}",
    ]
}

fn uid() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}",
        1 => any::<String>(),
    ]
}

fn record() -> impl Strategy<Value = Record> {
    let state =
        prop_oneof![Just(RecordState::Binding), Just(RecordState::RollingBack), Just(RecordState::Clearing)];
    let kind =
        prop_oneof![Just(EvictionKind::Reclaim), Just(EvictionKind::Preempt), Just(EvictionKind::Move)];
    let victim = (kind, name(), name(), uid()).prop_map(|(kind, namespace, name, uid)| Victim {
        kind,
        namespace,
        name,
        uid,
    });
    let victims = proptest::collection::vec(victim, 0..4);
    let gang = ("[a-z;,%]{1,9}", "[a-z;,% ]{1,9}");
    let entry = (name(), uid(), name()).prop_map(|(name, uid, node)| Entry { name, uid, node });
    let domain = proptest::option::of("[a-z;% ][a-z0-9.-]{0,20}");
    let entries = proptest::collection::vec(entry, 0..20);
    let tier = any::<Option<u32>>();
    (state, gang, domain, tier, entries, victims).prop_map(|(state, gang, domain, tier, entries, victims)| {
        let gang = GangKey { is_pod_group: true, namespace: gang.0, name: gang.1 };
        Record { gang, state, domain, tier, entries, victims }
    })
}

/// What may become of a text on its way: a character another, one more, one less, the rest gone, a stretch twice.
fn damage() -> impl Strategy<Value = (prop::sample::Index, u8, char, usize)> {
    let with = prop_oneof![4 => prop::sample::select("gb1r;,=%.-_0aF:v".chars().collect::<Vec<_>>()), 1 => any::<char>()];
    (any::<prop::sample::Index>(), 0..5u8, with, 1..40usize)
}

fn damaged(text: &str, damages: Vec<(prop::sample::Index, u8, char, usize)>) -> String {
    let mut chars: Vec<char> = text.chars().collect();
    for (at, what, with, length) in damages {
        if chars.is_empty() {
            break;
        }
        let at = at.index(chars.len());
        match what {
            0 => chars[at] = with,
            1 => chars.insert(at, with),
            2 => drop(chars.remove(at)),
            3 => chars.truncate(at),
            _ => {
                let stretch: Vec<char> = chars[at..].iter().take(length).copied().collect();
                chars.splice(at..at, stretch);
            }
        }
    }
    chars.into_iter().collect()
}

/// Whatever is read is spelled as it would be written: there is one text of a record.
fn is_refused_or_canonical(text: &str) -> Result<(), TestCaseError> {
    if let Ok(read) = Record::decode(text) {
        prop_assert_eq!(read.encode(), text);
    }
    Ok(())
}

// `PROPTEST_CASES` says how many of each.
proptest! {
    #[test]
    fn what_is_written_is_read(record in record()) {
        prop_assert_eq!(Record::decode(&record.encode()), Ok(record));
    }

    #[test]
    fn garbage_is_refused_and_never_fatal(text in any::<String>(), like in "[gbr1;,=%.:_0-9a-fA-F-]{0,80}") {
        for text in [&text, &like] {
            is_refused_or_canonical(text)?;
            is_refused_or_canonical(&format!("gang1;b;a;b;;;;{text}"))?;
        }
    }

    #[test]
    fn a_damaged_record_is_refused_or_another_and_never_fatal(
        record in record(), damages in prop::collection::vec(damage(), 1..4),
    ) {
        is_refused_or_canonical(&damaged(&record.encode(), damages))?;
    }
}
