//! The journal: what is promised to all gangs, in a few objects (ConfigMaps) of the scheduler's own namespace, where nobody
//! but its account may write. A state machine without I/O: calls come out of [`Journal::commit`], answers go into
//! [`Journal::answered`], what follows is in [`Journal::events`].
//!
//! ```text
//! data:
//!   journal: v1;EPOCH;NUMBER;HOLDER      who may write, and the number of its last write
//!   g0: gang1;b;ml;llama;...             one entry a gang (`super::record`)
//!   g1: ...
//! ```
//!
//! - *Appending* is conditional on the resourceVersion. All changes that are due go in one write ([`Journal::put`] only
//!   notes them), one write an object is under way at a time, and what has been confirmed does not wait for the next.
//!   After a lost answer the object is read: no change counts before it has been seen there, and none that may still arrive
//!   counts as undone, since every write changes the resourceVersion that all earlier ones rest on.
//! - *Sealing.* A new leader reads all objects and rewrites each with its epoch before it takes in a single entry. From then
//!   on every write of an earlier leader is answered with 409: it rests on a resourceVersion that is gone. An object is made
//!   empty, so that a late create brings no entries.
//! - *Bounds.* An object takes [`LIMIT`] bytes at most (the API server takes 1 MiB of data, etcd requests of 1.5 MiB), new
//!   entries up to [`NEW_ENTRY_LIMIT`], and there are [`OBJECTS`] at most, made as they are needed. None is ever deleted;
//!   where somebody else deletes one, the others are read and sealed all the same.
//! - *Quarantine.* What cannot be read is named with its remedy, left as it is, and stops nobody.

mod answer;
mod call;
mod page;
mod read;

pub use call::{Ask, Event, Reply, Stored};
pub use read::{HEAD, Head, Quarantined, read};

use super::input::{CallId, GangKey};
use super::record::Record;
use page::{Page, size};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// The most bytes of keys and values of one object.
pub const LIMIT: usize = 900 * 1024;
/// No new entry begins in an object that would grow beyond so many bytes: those that are there may grow.
pub const NEW_ENTRY_LIMIT: usize = 700 * 1024;
/// The most objects.
pub const OBJECTS: usize = 16;
/// Why a new entry is refused.
const FULL: &str = "the journal is full; it is tried again as gangs are bound";
/// The bytes of the longest key, and of what is written around it.
const KEY: usize = 20;
/// How long a change that may wait does so for want of another write.
const PATIENCE: Duration = Duration::from_secs(1);

/// Where a journal is, and who writes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The namespace of its objects.
    pub namespace: String,
    /// Their names begin with this: `NAME-journal-0`.
    pub name: String,
    /// Who leads: differs between processes, restarts included.
    pub holder: String,
}

impl Place {
    /// The name of an object.
    pub fn object(&self, number: usize) -> String {
        format!("{}-journal-{number}", self.name)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// It is being found out which objects there are.
    Reading,
    /// They are being rewritten with our epoch.
    Sealing,
    Open,
    /// Another leader has sealed it.
    Lost,
}

/// The journal of one leader.
#[derive(Clone, Debug)]
pub struct Journal {
    place: Place,
    epoch: u64,
    patience: Duration,
    stage: Stage,
    pages: Vec<Page>,
    entries: BTreeMap<GangKey, Entry>,
    events: VecDeque<Event>,
}

/// What is to stand in the journal of one gang.
#[derive(Clone, Debug)]
struct Entry {
    page: usize,
    key: String,
    /// `None`: nothing.
    text: Option<String>,
    /// Who waits for it, and for what was to stand there before.
    wanted: Vec<Wanted>,
}

/// Who waits for an entry.
#[derive(Clone, Copy, Debug)]
struct Wanted {
    call: CallId,
    since: Duration,
    /// It goes with another write, if one comes soon.
    may_wait: bool,
}

impl Journal {
    /// For the leader of this epoch at least. `patient`: changes that may wait do so.
    pub fn new(place: Place, epoch: u64, patient: bool) -> Journal {
        // All of them: one may have been deleted, and those after it are there still.
        let pages = (0..OBJECTS).map(|number| Page::unread(place.object(number))).collect();
        let patience = if patient { PATIENCE } else { Duration::ZERO };
        Journal {
            place,
            epoch,
            patience,
            stage: Stage::Reading,
            pages,
            entries: BTreeMap::new(),
            events: VecDeque::new(),
        }
    }

    /// Where it is.
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// The epoch that its objects are sealed with, or will be.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Have all objects been sealed?
    pub fn is_open(&self) -> bool {
        self.stage == Stage::Open
    }

    /// The first of the gangs that the call which is out for an object is for, if it is for any.
    pub fn about(&self, page: usize) -> Option<&GangKey> {
        self.pages.get(page)?.about.as_ref()
    }

    /// How many objects there are, and the bytes in the largest.
    pub fn size(&self) -> (usize, usize) {
        let bytes = self.pages.iter().map(Page::bytes).max();
        (self.pages.iter().filter(|page| page.exists()).count(), bytes.unwrap_or(0))
    }

    /// Notes what is to stand there of a gang, instead of what stands there now; `None` for nothing. The call is answered
    /// by [`Event::Written`] or [`Event::Refused`]; one that is replaced before, with the one that comes instead.
    pub fn put(
        &mut self,
        now: Duration,
        gang: GangKey,
        call: CallId,
        record: Option<&Record>,
        may_wait: bool,
    ) {
        let text = record.map(Record::encode);
        let wanted = Wanted { call, since: now, may_wait };
        let at = match self.entries.get_mut(&gang) {
            Some(entry) => {
                let at = entry.page;
                let grows = text.as_ref().map_or(0, |text| size(&entry.key, text));
                if grows > 0 && self.pages[at].bytes_without(&gang) + grows > LIMIT {
                    return self.refuse(call, "the object of the journal that the gang's record is in is full; it is tried again as others end");
                }
                let Some(entry) = self.entries.get_mut(&gang) else { return };
                entry.text = text;
                entry.wanted.push(wanted);
                at
            }
            None => {
                let Some(text) = text else { return self.events.push_back(Event::Written(call)) };
                let Some(at) = self.page_for(text.len() + KEY) else {
                    return self.refuse(call, FULL);
                };
                let key = self.pages[at].take_key();
                self.entries
                    .insert(gang.clone(), Entry { page: at, key, text: Some(text), wanted: vec![wanted] });
                at
            }
        };
        self.mark(at, gang);
        self.confirm(at);
    }

    /// Takes out the calls that are due, with the numbers of their objects.
    pub fn commit(&mut self, now: Duration) -> Vec<(usize, Ask)> {
        let mut asks = Vec::new();
        for at in 0..self.pages.len() {
            if self.due_at(at).is_some_and(|due| due <= now) {
                let ask = self.next_ask(at);
                self.pages[at].sending(&ask);
                asks.push((at, ask));
            }
        }
        asks
    }

    /// When [`Journal::commit`] has something next.
    pub fn wake_at(&self) -> Option<Duration> {
        (0..self.pages.len()).filter_map(|at| self.due_at(at)).min()
    }

    /// Takes out what has followed.
    pub fn events(&mut self) -> VecDeque<Event> {
        std::mem::take(&mut self.events)
    }

    fn refuse(&mut self, call: CallId, message: &str) {
        self.events.push_back(Event::Refused { call, message: message.to_owned() });
    }

    /// The first object with room for an entry of so many bytes; another one where there may be more.
    fn page_for(&mut self, bytes: usize) -> Option<usize> {
        let at = |journal: &Journal, limit: usize| {
            journal.pages.iter().position(|page| page.is_usable() && page.bytes() + bytes <= limit)
        };
        at(self, NEW_ENTRY_LIMIT).or_else(|| {
            if self.pages.len() < OBJECTS {
                self.pages.push(Page::absent(self.place.object(self.pages.len())));
                return Some(self.pages.len() - 1);
            }
            at(self, LIMIT)
        })
    }

    /// What is to stand there of a gang may not: it is written with the next call for the object.
    fn mark(&mut self, at: usize, gang: GangKey) {
        let Some(entry) = self.entries.get(&gang) else { return };
        let bytes = entry.text.as_ref().map_or(0, |text| size(&entry.key, text));
        self.pages[at].mark(gang, bytes);
    }

    /// When a call is due for an object.
    fn due_at(&self, at: usize) -> Option<Duration> {
        let page = &self.pages[at];
        if page.is_busy() || self.stage == Stage::Lost {
            return None;
        }
        let opening = self.stage == Stage::Sealing && !page.is_sealed();
        if page.must_read() || opening {
            return Some(page.not_before());
        }
        if self.stage != Stage::Open {
            return None;
        }
        let due =
            page.dirty().filter_map(|gang| self.entries.get(gang)).map(|entry| match entry.wanted.last() {
                Some(Wanted { since, may_wait: true, .. }) => *since + self.patience,
                _ => Duration::ZERO,
            });
        due.min().map(|due| due.max(page.not_before()))
    }

    fn next_ask(&mut self, at: usize) -> Ask {
        let page = &mut self.pages[at];
        page.about = None;
        if page.must_read() {
            return Ask::Read;
        }
        let head = page.next_head(self.epoch, &self.place.holder);
        let Some(resource_version) = page.version() else {
            return Ask::Create([(HEAD.to_owned(), head)].into());
        };
        let mut changes = BTreeMap::from([(HEAD.to_owned(), Some(head))]);
        if page.is_sealed() {
            let first = page.dirty().next().cloned();
            page.about = first;
            let dirty = page.dirty().filter_map(|gang| self.entries.get(gang));
            changes.extend(dirty.map(|entry| (entry.key.clone(), entry.text.clone())));
        }
        Ask::Write { resource_version, changes }
    }
}

#[cfg(test)]
mod tests;
