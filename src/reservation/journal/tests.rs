//! Journals against objects in memory: what is written together, what may wait, what is refused and what does not fit.

mod damage;
mod random;
mod takeover;

use super::*;
use crate::reservation::record::{Entry as Pod, LIMIT as OF_GANG, RecordState};

/// The objects, and how often any of them was written.
#[derive(Clone, Default)]
struct Server {
    objects: BTreeMap<String, Stored>,
    version: u64,
    writes: usize,
}

impl Server {
    fn serve(&mut self, object: &str, ask: &Ask) -> Reply {
        let found = self.objects.get_mut(object);
        match (ask, found) {
            (Ask::Read, Some(stored)) => Reply::Found(stored.clone()),
            (Ask::Read | Ask::Write { .. }, None) => Reply::Absent,
            (Ask::Create(_), Some(_)) => Reply::Conflict,
            (Ask::Create(data), None) => {
                self.version += 1;
                let resource_version = self.version.to_string();
                self.objects.insert(object.to_owned(), Stored { resource_version, data: data.clone() });
                Reply::Written(self.version.to_string())
            }
            (Ask::Write { resource_version, .. }, Some(stored))
                if stored.resource_version != *resource_version =>
            {
                Reply::Conflict
            }
            (Ask::Write { changes, .. }, Some(stored)) => {
                for (key, text) in changes {
                    match text {
                        Some(text) => drop(stored.data.insert(key.clone(), text.clone())),
                        None => drop(stored.data.remove(key)),
                    }
                }
                self.version += 1;
                self.writes += 1;
                stored.resource_version = self.version.to_string();
                Reply::Written(stored.resource_version.clone())
            }
        }
    }

    fn records(&self) -> Vec<Record> {
        self.objects
            .iter()
            .flat_map(|(object, stored)| read(object, &stored.data).0)
            .map(|(_, r)| r)
            .collect()
    }

    /// Somebody else changes an object.
    fn edit(&mut self, object: &str, edit: impl FnOnce(&mut BTreeMap<String, String>)) {
        self.version += 1;
        let stored = self.objects.entry(object.to_owned()).or_default();
        stored.resource_version = self.version.to_string();
        edit(&mut stored.data);
    }
}

const NOW: Duration = Duration::from_secs(10);

fn journal(holder: &str, epoch: u64) -> Journal {
    Journal::new(Place { namespace: "system".into(), name: "p".into(), holder: holder.into() }, epoch, true)
}

fn gang(name: &str) -> GangKey {
    GangKey::new(true, &format!("ns/{name}"))
}

fn record(name: &str, node: &str) -> Record {
    let entries = vec![Pod { name: "pod".into(), uid: "uid".into(), node: node.into() }];
    Record {
        gang: gang(name),
        state: RecordState::Binding,
        domain: None,
        tier: None,
        entries,
        victims: Vec::new(),
    }
}

/// One of 70 KiB.
fn large(name: &str) -> Record {
    let pod = |pod| Pod { name: format!("{pod:-<230}"), uid: String::new(), node: "n".into() };
    Record { entries: (100..400).map(pod).collect(), ..record(name, "n") }
}

fn object(number: usize) -> String {
    format!("p-journal-{number}")
}

/// Makes every call that is due until none is.
fn settle(journal: &mut Journal, server: &mut Server, now: Duration) -> Vec<Event> {
    let mut events: Vec<Event> = journal.events().into();
    loop {
        let asks = journal.commit(now);
        if asks.is_empty() {
            return events;
        }
        for (at, ask) in asks {
            let reply = server.serve(&object(at), &ask);
            journal.answered(now, at, reply);
            events.extend(journal.events());
        }
    }
}

/// A journal that has been opened.
fn opened(holder: &str, epoch: u64, server: &mut Server) -> (Journal, Vec<Event>) {
    let mut journal = journal(holder, epoch);
    let events = settle(&mut journal, server, NOW);
    assert!(journal.is_open());
    (journal, events)
}

fn left(events: &[Event]) -> Vec<&str> {
    let records = events.iter().filter_map(|event| match event {
        Event::Opened(records) => Some(records),
        _ => None,
    });
    records.flatten().map(|record| record.gang.name.as_str()).collect()
}

#[test]
fn what_comes_together_is_written_together_and_the_next_write_waits_for_the_first_to_be_answered() {
    let mut server = Server::default();
    let (mut journal, events) = opened("a", 1, &mut server);
    assert_eq!(events, [Event::Opened(Vec::new())]);
    for n in 0..64 {
        journal.put(NOW, gang(&format!("g{n}")), CallId(n), Some(&record(&format!("g{n}"), "n")), false);
    }
    let asks = journal.commit(NOW);
    let [(0, Ask::Write { changes, .. })] = &asks[..] else { panic!("{asks:?}") };
    assert_eq!(changes.len(), 65, "its head and 64 gangs");
    // Another one comes meanwhile: it goes with the next write.
    journal.put(NOW, gang("late"), CallId(64), Some(&record("late", "n")), false);
    assert_eq!(journal.commit(NOW), []);
    assert_eq!(journal.events(), []);
    let reply = server.serve(&object(0), &asks[0].1);
    journal.answered(NOW, 0, reply);
    let written: Vec<Event> = journal.events().into();
    assert_eq!(written.len(), 64, "these may be bound now");
    let next = journal.commit(NOW);
    assert!(matches!(&next[..], [(0, Ask::Write { changes, .. })] if changes.len() == 2), "{next:?}");
}

#[test]
fn what_may_wait_goes_with_the_next_write_or_after_a_second() {
    let mut server = Server::default();
    let (mut journal, _) = opened("a", 1, &mut server);
    for (n, name) in ["a", "b"].into_iter().enumerate() {
        journal.put(NOW, gang(name), CallId(n as u64), Some(&record(name, "n")), false);
    }
    settle(&mut journal, &mut server, NOW);
    let writes = server.writes;
    journal.put(NOW, gang("a"), CallId(2), None, true);
    assert_eq!((settle(&mut journal, &mut server, NOW), journal.wake_at()), (vec![], Some(NOW + PATIENCE)));
    journal.put(NOW, gang("c"), CallId(3), Some(&record("c", "n")), false);
    let events = settle(&mut journal, &mut server, NOW);
    assert_eq!(events, [Event::Written(CallId(2)), Event::Written(CallId(3))]);
    assert_eq!((server.writes, server.records().len()), (writes + 1, 2));
    journal.put(NOW, gang("b"), CallId(4), None, true);
    assert_eq!(settle(&mut journal, &mut server, NOW + PATIENCE), [Event::Written(CallId(4))]);
    // More members join a gang whose record is about to go.
    journal.put(NOW, gang("c"), CallId(5), None, true);
    journal.put(NOW, gang("c"), CallId(6), Some(&record("c", "m")), false);
    let events = settle(&mut journal, &mut server, NOW);
    assert_eq!(events, [Event::Written(CallId(5)), Event::Written(CallId(6))]);
    assert_eq!(server.records(), [record("c", "m")]);
}

#[test]
fn an_answer_that_is_lost_counts_once_it_has_been_seen() {
    for applied in [true, false] {
        let mut server = Server::default();
        let (mut journal, _) = opened("a", 1, &mut server);
        journal.put(NOW, gang("g"), CallId(0), Some(&record("g", "n")), false);
        let (at, ask) = journal.commit(NOW).remove(0);
        if applied {
            server.serve(&object(0), &ask);
        }
        journal.answered(NOW, at, Reply::Unknown(None));
        // Given up meanwhile, and it may still arrive: what would undo it is written, though nothing is seen.
        journal.put(NOW, gang("g"), CallId(1), None, false);
        let later = NOW + Duration::from_secs(9);
        assert_eq!(
            settle(&mut journal, &mut server, later),
            [Event::Written(CallId(0)), Event::Written(CallId(1))]
        );
        assert_eq!(server.serve(&object(0), &ask), Reply::Conflict, "it cannot arrive any more");
        assert_eq!(server.records(), []);
    }
}

#[test]
fn no_object_grows_beyond_its_limit_and_a_full_journal_says_so() {
    let mut server = Server::default();
    let (mut journal, _) = opened("a", 1, &mut server);
    let large = |n: usize| large(&format!("g{n:03}"));
    let bytes = large(0).encode().len();
    assert!((50_000..OF_GANG).contains(&bytes), "{bytes}");
    let (mut written, mut refused) = (0, 0);
    for n in 0..2 * OBJECTS * LIMIT / bytes / 2 + 20 {
        journal.put(NOW, gang(&format!("g{n:03}")), CallId(n as u64), Some(&large(n)), false);
        for event in settle(&mut journal, &mut server, NOW) {
            match event {
                Event::Written(_) => written += 1,
                Event::Refused { message, .. } => {
                    assert!(message.starts_with("the journal is full"), "{message}");
                    refused += 1;
                }
                other => panic!("{other:?}"),
            }
        }
    }
    let size = |stored: &Stored| stored.data.iter().map(|(key, text)| key.len() + text.len()).sum::<usize>();
    let sizes: Vec<usize> = server.objects.values().map(size).collect();
    assert_eq!(sizes.len(), OBJECTS);
    assert!(sizes.iter().all(|size| *size <= LIMIT && *size > NEW_ENTRY_LIMIT), "{sizes:?}");
    assert!(written > 100 && refused > 0, "{written} {refused}");
    // The next leader reads all of them.
    let (mut second, events) = opened("b", 2, &mut server);
    assert_eq!(left(&events).len(), written);
    // What is done makes room.
    second.put(NOW, gang("g000"), CallId(0), None, false);
    second.put(NOW, gang("g001"), CallId(1), None, false);
    settle(&mut second, &mut server, NOW);
    second.put(NOW, gang("new"), CallId(2), Some(&large(0)), false);
    assert_eq!(settle(&mut second, &mut server, NOW), [Event::Written(CallId(2))]);
}

#[test]
fn a_refusal_is_told_to_who_waits_and_said_once() {
    let mut server = Server::default();
    let (mut journal, _) = opened("a", 1, &mut server);
    for n in 0..2 {
        let later = NOW + Duration::from_secs(n * 60);
        journal.put(later, gang("g"), CallId(n), Some(&record("g", "n")), false);
        let (at, _) = journal.commit(later).remove(0);
        journal.answered(later, at, Reply::Refused("no".into()));
        let events: Vec<Event> = journal.events().into();
        let refused = Event::Refused { call: CallId(n), message: "no".into() };
        let trouble = Event::Trouble { object: object(0), message: "no".into() };
        assert_eq!(events, if n == 0 { vec![trouble, refused] } else { vec![refused] });
    }
}
