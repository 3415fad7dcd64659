//! Objects that somebody has damaged, deleted or put there.

use super::*;

#[test]
fn what_cannot_be_read_is_named_and_stops_nobody() {
    let mut server = Server::default();
    let (mut first, _) = opened("a", 1, &mut server);
    for name in ["good", "bad", "twice"] {
        first.put(NOW, gang(name), CallId(0), Some(&record(name, "n")), false);
    }
    settle(&mut first, &mut server, NOW);
    let before = server.objects[&object(0)].data.clone();
    let key = |name: &str| {
        let text = record(name, "n").encode();
        before.iter().find(|(_, stored)| **stored == text).map(|(key, _)| key.clone()).expect("it is there")
    };
    let (bad, twice) = (key("bad"), key("twice"));
    server.edit(&object(0), |data| {
        data.insert(bad.clone(), "gang1;b;ns;bad;;;;2;00pod,=uid,00n".into());
        data.insert("z".into(), data[&twice].clone());
        data.insert("later".into(), "hold1;whatever".into());
        data.insert("part".into(), format!("{};w:whatever", record("part", "n").encode()));
    });
    server.edit(&object(1), |data| drop(data.insert("mine".into(), "not yours".into())));
    let (mut second, events) = opened("b", 2, &mut server);
    assert_eq!(left(&events), ["good", "twice"]);
    let said: Vec<String> = events
        .iter()
        .filter_map(|event| match event {
            Event::Quarantined(q) => Some(format!("{}: {}", q.object, q.message)),
            _ => None,
        })
        .collect();
    let newer = "it is kept and not acted on; run the version of Phalanx that wrote it, or remove the key from the data";
    let alone = "it is left alone; remove the key from the data";
    assert_eq!(
        said,
        [
            "p-journal-1: its line `journal` is missing: the object is left alone; delete it, or run the version of \
             Phalanx that wrote it"
                .to_owned(),
            format!("p-journal-0: entry {bad} is malformed in the number of entries: {alone}"),
            format!(
                "p-journal-0: entry later is of the kind hold1, which this version does not know: {newer}"
            ),
            format!("p-journal-0: entry part has a part w, which this version does not know: {newer}"),
            format!("p-journal-0: entry z names gang ns/twice, as another does: {alone}"),
        ]
    );
    // All of it stays, and life goes on.
    second.put(NOW, gang("new"), CallId(9), Some(&record("new", "n")), false);
    assert_eq!(settle(&mut second, &mut server, NOW), [Event::Written(CallId(9))]);
    let data = &server.objects[&object(0)].data;
    assert!(["z", "later", "part", bad.as_str()].iter().all(|key| data.contains_key(*key)), "{data:?}");
    assert_eq!(server.objects[&object(1)].data.len(), 1);
}

/// What is damaged or deleted under a leader that goes on is written again.
#[test]
fn a_leader_mends_its_journal() {
    let mut server = Server::default();
    let (mut journal, _) = opened("a", 1, &mut server);
    journal.put(NOW, gang("g"), CallId(0), Some(&record("g", "n")), false);
    settle(&mut journal, &mut server, NOW);
    type Edit = fn(&mut Server);
    let edits: [Edit; 3] = [
        |server| server.edit("p-journal-0", |data| data.clear()),
        |server| server.edit("p-journal-0", |data| drop(data.insert("g0".into(), "x".into()))),
        |server| server.objects.clear(),
    ];
    for (n, edit) in edits.into_iter().enumerate() {
        edit(&mut server);
        let name = format!("h{n}");
        let later = NOW + Duration::from_secs(9 * n as u64 + 9);
        journal.put(later, gang(&name), CallId(1), Some(&record(&name, "n")), false);
        let mut events = settle(&mut journal, &mut server, later);
        events.extend(settle(&mut journal, &mut server, later + Duration::from_secs(8)));
        assert_eq!((events, server.records().len()), (vec![Event::Written(CallId(1))], n + 2), "edit {n}");
    }
}

/// A leader stopped looking at the first number that was not there: it knew nothing of the promises in the objects after
/// it, and had not sealed them.
#[test]
fn an_object_that_was_deleted_hides_none_of_those_after_it() {
    let mut server = Server::default();
    let (mut first, _) = opened("a", 1, &mut server);
    for n in 0..30 {
        let name = format!("g{n:02}");
        first.put(NOW, gang(&name), CallId(n), Some(&large(&name)), false);
    }
    settle(&mut first, &mut server, NOW);
    assert!(server.objects.len() > 2, "{} objects", server.objects.len());
    server.objects.remove(&object(0));
    let there = server.records().len();
    let (mut second, events) = opened("b", 2, &mut server);
    assert_eq!(left(&events).len(), there);
    assert!(server.objects.values().all(|stored| stored.data[HEAD].starts_with("v1;2;")));
    second.put(NOW, gang("new"), CallId(99), Some(&record("new", "n")), false);
    assert_eq!(settle(&mut second, &mut server, NOW), [Event::Written(CallId(99))]);
}
