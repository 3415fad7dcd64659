//! One object of the journal: what is known to stand there, and what may still arrive.

use super::{Ask, HEAD, Head, Stored};
use crate::reservation::backoff::Backoff;
use crate::reservation::input::GangKey;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// An object.
#[derive(Clone, Debug)]
pub(super) struct Page {
    pub(super) object: String,
    state: State,
    /// Its resourceVersion; `None`: there is no such object, as far as known.
    version: Option<String>,
    /// Its entries at that version.
    stored: BTreeMap<String, String>,
    bytes: usize,
    /// The changes of writes with that version as precondition which may still take effect: one of them at most.
    open: Vec<BTreeMap<String, Option<String>>>,
    /// The call that is out.
    asked: Option<Ask>,
    must_read: bool,
    failures: u32,
    not_before: Duration,
    /// The number of our last write.
    number: u64,
    /// Gangs whose entry is not known to stand there as it is to, and the bytes of what is to.
    dirty: BTreeMap<GangKey, usize>,
    /// The sum of these.
    unwritten: usize,
    /// Numbers of keys that are not used, below `next`.
    free: BTreeSet<u32>,
    next: u32,
    /// What was refused last, so that it is said once.
    pub(super) refusal: String,
    /// The first of the gangs that the call which is out is for.
    pub(super) about: Option<GangKey>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Its head is not ours yet.
    Open,
    /// It is.
    Sealed,
    /// It is left alone.
    Quarantined,
}

const WAIT: Backoff = Backoff { base: Duration::from_millis(100), limit: Duration::from_secs(5) };

impl Page {
    /// An object that is to be read.
    pub(super) fn unread(object: String) -> Page {
        Page { must_read: true, ..Page::absent(object) }
    }

    /// An object that is to be made once it is needed.
    pub(super) fn absent(object: String) -> Page {
        Page {
            object,
            state: State::Open,
            version: None,
            stored: BTreeMap::new(),
            bytes: 0,
            open: Vec::new(),
            asked: None,
            must_read: false,
            failures: 0,
            not_before: Duration::ZERO,
            number: 0,
            dirty: BTreeMap::new(),
            unwritten: 0,
            free: BTreeSet::new(),
            next: 0,
            refusal: String::new(),
            about: None,
        }
    }

    pub(super) fn exists(&self) -> bool {
        self.version.is_some()
    }

    pub(super) fn version(&self) -> Option<String> {
        self.version.clone()
    }

    pub(super) fn is_usable(&self) -> bool {
        self.state != State::Quarantined
    }

    /// Is there nothing to seal about it?
    pub(super) fn is_sealed(&self) -> bool {
        self.state != State::Open
    }

    pub(super) fn is_busy(&self) -> bool {
        self.asked.is_some()
    }

    pub(super) fn must_read(&self) -> bool {
        self.must_read
    }

    pub(super) fn not_before(&self) -> Duration {
        self.not_before
    }

    /// The bytes of it when what is due has been written, or more.
    pub(super) fn bytes(&self) -> usize {
        self.bytes + self.unwritten
    }

    /// The same, but for what is due of one gang.
    pub(super) fn bytes_without(&self, gang: &GangKey) -> usize {
        self.bytes() - self.dirty.get(gang).copied().unwrap_or(0)
    }

    /// Gangs whose entry is to be written.
    pub(super) fn dirty(&self) -> impl Iterator<Item = &GangKey> {
        self.dirty.keys()
    }

    /// The entry of a gang is to be written, and takes so many bytes.
    pub(super) fn mark(&mut self, gang: GangKey, bytes: usize) {
        self.unwritten += bytes;
        self.unwritten -= self.dirty.insert(gang, bytes).unwrap_or(0);
    }

    /// Takes out all whose entry is to be written.
    pub(super) fn take_dirty(&mut self) -> BTreeMap<GangKey, usize> {
        self.unwritten = 0;
        std::mem::take(&mut self.dirty)
    }

    pub(super) fn stored(&self) -> &BTreeMap<String, String> {
        &self.stored
    }

    /// Does it say this for certain?
    pub(super) fn says(&self, key: &str, text: Option<&String>) -> bool {
        self.stored.get(key) == text && !self.open.iter().any(|changes| changes.contains_key(key))
    }

    /// The head of the next write.
    pub(super) fn next_head(&mut self, epoch: u64, holder: &str) -> String {
        self.number += 1;
        Head { epoch, number: self.number, holder: holder.to_owned() }.encode()
    }

    /// A key for another entry.
    pub(super) fn take_key(&mut self) -> String {
        loop {
            let number = self.free.pop_first().unwrap_or_else(|| {
                self.next += 1;
                self.next - 1
            });
            let key = format!("g{number}");
            if !self.stored.contains_key(&key) {
                return key;
            }
        }
    }

    /// A key is not needed any more.
    pub(super) fn give_back(&mut self, key: &str) {
        if let Some(number) = key.strip_prefix('g').and_then(|number| number.parse().ok())
            && number < self.next
        {
            self.free.insert(number);
        }
    }

    pub(super) fn sending(&mut self, ask: &Ask) {
        self.asked = Some(ask.clone());
    }

    /// What was out has been answered.
    pub(super) fn take_asked(&mut self) -> Option<Ask> {
        self.asked.take()
    }

    /// A call has failed: the next goes out no earlier.
    pub(super) fn failed(&mut self, now: Duration, retry_after: Option<Duration>) {
        self.failures += 1;
        self.not_before = now + WAIT.after(self.failures, 0, retry_after);
    }

    /// It is to be read before anything else.
    pub(super) fn doubt(&mut self) {
        self.must_read = true;
    }

    /// A write of ours may still take effect.
    pub(super) fn leave_open(&mut self, changes: BTreeMap<String, Option<String>>) {
        self.open.push(changes);
        self.must_read = true;
    }

    /// A write or a create of ours has taken effect.
    pub(super) fn written(&mut self, version: String, changes: BTreeMap<String, Option<String>>) {
        for (key, text) in changes {
            if key != HEAD {
                self.set(key, text);
            }
        }
        self.version = Some(version);
        self.state = State::Sealed;
        self.settled();
    }

    /// It has been read; `ours`: its head is.
    pub(super) fn found(&mut self, stored: Stored, ours: bool) {
        if self.version.as_ref() != Some(&stored.resource_version) {
            self.open.clear();
        }
        self.version = Some(stored.resource_version);
        self.stored.clear();
        self.bytes = 0;
        for (key, text) in stored.data {
            if key != HEAD {
                self.set(key, Some(text));
            }
        }
        self.state = if ours { State::Sealed } else { State::Open };
        self.must_read = false;
    }

    /// There is no such object.
    pub(super) fn gone(&mut self) {
        (self.version, self.state) = (None, State::Open);
        self.stored.clear();
        self.bytes = 0;
        self.settled();
    }

    /// It is left alone from now on.
    pub(super) fn quarantine(&mut self) {
        self.state = State::Quarantined;
        self.take_dirty();
        self.must_read = false;
    }

    fn settled(&mut self) {
        self.open.clear();
        (self.must_read, self.failures, self.not_before) = (false, 0, Duration::ZERO);
        self.refusal.clear();
    }

    fn set(&mut self, key: String, text: Option<String>) {
        let name = key.clone();
        let before = match text {
            Some(text) => {
                self.bytes += size(&key, &text);
                self.stored.insert(key, text)
            }
            None => self.stored.remove(&key),
        };
        if let Some(before) = before {
            self.bytes -= size(&name, &before);
        }
    }
}

/// The bytes that an entry takes, or a few more.
pub(super) fn size(key: &str, text: &str) -> usize {
    key.len() + text.len() + 8
}
