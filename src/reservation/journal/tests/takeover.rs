//! What a takeover seals out, and what it takes in.

use super::*;

/// The write of a leader that is deposed arrives before its successor has read the object, between that and its seal, or
/// after it.
#[test]
fn a_write_of_a_deposed_leader_is_taken_in_or_refused_with_409() {
    for arrives in 0..3 {
        let mut server = Server::default();
        let (mut first, _) = opened("a", 1, &mut server);
        first.put(NOW, gang("g"), CallId(0), Some(&record("g", "n")), false);
        let asks = first.commit(NOW);
        let [(0, late)] = &asks[..] else { panic!("{asks:?}") };
        let mut second = journal("b", 2);
        let mut reply = (arrives == 0).then(|| server.serve(&object(0), late));
        let mut events = Vec::new();
        for step in 0.. {
            let asks = second.commit(NOW + Duration::from_secs(step));
            if second.is_open() {
                break;
            }
            for (at, ask) in asks {
                if arrives == 1 && reply.is_none() && matches!(ask, Ask::Write { .. }) {
                    reply = Some(server.serve(&object(0), late));
                }
                let answer = server.serve(&object(at), &ask);
                second.answered(NOW, at, answer);
                events.extend(second.events());
            }
        }
        let reply = reply.unwrap_or_else(|| server.serve(&object(0), late));
        assert_eq!(left(&events), if arrives < 2 { vec!["g"] } else { vec![] }, "{arrives}");
        assert_eq!(reply == Reply::Conflict, arrives == 2);
        first.answered(NOW, 0, reply);
        first.put(NOW, gang("h"), CallId(1), Some(&record("h", "n")), false);
        let mut events = settle(&mut first, &mut server, NOW + Duration::from_secs(9));
        events.extend(settle(&mut first, &mut server, NOW + Duration::from_secs(19)));
        assert!(
            events.contains(&Event::Superseded { epoch: 2, holder: "b".into() }),
            "{arrives}: {events:?}"
        );
        assert!(!server.records().iter().any(|record| record.gang.name == "h"));
        assert!(first.wake_at().is_none(), "it does nothing any more");
    }
}

#[test]
fn a_late_create_of_a_deposed_leader_brings_nothing_along() {
    let mut server = Server::default();
    let mut first = journal("a", 1);
    for (at, ask) in first.commit(NOW) {
        first.answered(NOW, at, server.serve(&object(at), &ask));
    }
    let (_, create) = first.commit(NOW).remove(0);
    assert!(matches!(create, Ask::Create(_)));
    let (mut second, _) = opened("b", 2, &mut server);
    assert_eq!(server.serve(&object(0), &create), Reply::Conflict);
    // Or the other way round.
    server.objects.clear();
    server.serve(&object(0), &create);
    second.put(NOW, gang("g"), CallId(0), Some(&record("g", "n")), false);
    settle(&mut second, &mut server, NOW + Duration::from_secs(9));
    let events = settle(&mut second, &mut server, NOW + Duration::from_secs(19));
    assert_eq!((events, server.records().len()), (vec![Event::Written(CallId(0))], 1));
}

/// A lease that was deleted counts from 1 again.
#[test]
fn the_epoch_is_later_than_all_that_stand_there() {
    let mut server = Server::default();
    opened("a", 7, &mut server);
    let (second, _) = opened("b", 1, &mut server);
    assert_eq!(second.epoch(), 8);
}
