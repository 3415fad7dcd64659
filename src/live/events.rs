//! Events: one per object and reason, updated when it comes again. A full queue drops events and counts them; nothing
//! waits for an event, and events wait while gangs are being bound: they are news of what has happened already.

use super::call::{Answer, Call};
use super::clock::Clock;
use crate::engine::Note;
use kube::Client;
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::mpsc::{Receiver, Sender, channel};

/// Takes notes without waiting.
#[derive(Clone)]
pub struct Recorder {
    notes: Sender<(Duration, Note)>,
    clock: Clock,
    urgent: Arc<Urgent>,
}

/// What is more urgent than events.
#[derive(Debug, Default)]
struct Urgent {
    calls: AtomicUsize,
    /// Until when there is something, in milliseconds.
    until: AtomicU64,
}

impl Urgent {
    fn goes_before(&self, now: Duration) -> bool {
        let until = Duration::from_millis(self.until.load(Ordering::Relaxed));
        self.calls.load(Ordering::Relaxed) > 0 || now < until
    }
}

/// While one of these exists, events wait; though none longer than two seconds.
#[derive(Debug)]
pub struct Hold(Arc<Urgent>);

impl Drop for Hold {
    fn drop(&mut self) {
        self.0.calls.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Recorder {
    /// A recorder, and the task that writes for it. What the scheduler says it says under its own name, as whoever filters by
    /// it expects.
    pub fn start(client: Client, clock: Clock, scheduler: String) -> (Self, impl Future<Output = ()> + Send) {
        let (notes, receiver) = channel(4096);
        let urgent = Arc::new(Urgent::default());
        let writing = write(client, clock, scheduler, receiver, Arc::clone(&urgent));
        (Recorder { notes, clock, urgent }, writing)
    }

    /// Something is more urgent than events.
    pub fn hold(&self) -> Hold {
        self.urgent.calls.fetch_add(1, Ordering::Relaxed);
        Hold(Arc::clone(&self.urgent))
    }

    /// Something will be more urgent than events until then.
    pub fn hold_until(&self, then: Duration) {
        let then = u64::try_from(then.as_millis()).unwrap_or(u64::MAX);
        self.urgent.until.store(then, Ordering::Relaxed);
    }

    /// Takes a note, or drops it if too many are waiting.
    pub fn note(&self, note: Note) {
        if self.notes.try_send((self.clock.elapsed(), note)).is_err() {
            tracing::warn!("too many events are waiting; one is dropped");
        }
    }
}

/// Names take 253 characters, and 17 of them are a dot and a number.
const LONGEST_STEM: usize = 236;

/// How many events are remembered for counting.
const REMEMBERED: usize = 8192;

/// How old an event may grow while more urgent calls are made.
const PATIENCE: Duration = Duration::from_secs(2);

async fn write(
    client: Client,
    clock: Clock,
    scheduler: String,
    mut notes: Receiver<(Duration, Note)>,
    urgent: Arc<Urgent>,
) {
    // count and first time, by event name
    let mut told: BTreeMap<String, (u32, String)> = BTreeMap::new();
    while let Some((since, note)) = notes.recv().await {
        while urgent.goes_before(clock.elapsed()) && clock.elapsed().saturating_sub(since) < PATIENCE {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let namespace = if note.namespace.is_empty() { "default" } else { &note.namespace };
        // Roles of one ModelServing report the same reason with different messages: each message is an event.
        let cause =
            if note.warning { note.reason.clone() } else { format!("{}{}", note.reason, note.message) };
        let stem: String = note.name.chars().take(LONGEST_STEM).collect();
        let name = format!("{stem}.{:016x}", hash(&[&note.uid, note.kind, &cause]));
        let now = clock.timestamp().to_string();
        if told.len() > REMEMBERED {
            told.clear();
        }
        let key = format!("{namespace}/{name}");
        let (count, first) = told.entry(key).or_insert_with(|| (0, now.clone()));
        *count += 1;
        let component = if note.component == "phalanx" { scheduler.as_str() } else { note.component };
        let body = json!({
            "apiVersion": "v1", "kind": "Event",
            "metadata": { "name": name, "namespace": namespace },
            "involvedObject": {
                "apiVersion": note.api_version, "kind": note.kind, "namespace": note.namespace,
                "name": note.name, "uid": note.uid,
            },
            "reason": note.reason, "message": note.message,
            "type": if note.warning { "Warning" } else { "Normal" },
            "source": { "component": component },
            "reportingComponent": component, "reportingInstance": "",
            "firstTimestamp": first, "lastTimestamp": now, "count": count,
        });
        let base = format!("/api/v1/namespaces/{namespace}/events");
        let deadline = Duration::from_secs(5);
        let mut answer = Call::post(base.clone(), body.clone()).run(&client, deadline).await;
        if matches!(answer, Answer::Refused { code: 409, .. }) {
            let patch = json!({ "message": note.message, "lastTimestamp": now, "count": count });
            answer = Call::merge(format!("{base}/{name}"), patch).run(&client, deadline).await;
        }
        // 404: its namespace is gone, and with it whoever would have read it
        if !matches!(answer, Answer::Done(_) | Answer::Refused { code: 404, .. }) {
            tracing::warn!(name, namespace, ?answer, "an event could not be written");
        }
    }
}

/// FNV-1a over parts.
fn hash(parts: &[&str]) -> u64 {
    let bytes = parts.iter().flat_map(|part| part.bytes().chain([0]));
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}
