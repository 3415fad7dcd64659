//! What the answers to calls for the journal's objects mean.

use super::read::{Quarantined, entries, head, unusable};
use super::{Ask, Entry, Event, FULL, Journal, KEY, Reply, Stage, Stored};
use std::time::Duration;

impl Journal {
    /// The call that is out for this object has been answered.
    pub fn answered(&mut self, now: Duration, at: usize, reply: Reply) {
        let Some(page) = self.pages.get_mut(at) else { return };
        let Some(asked) = page.take_asked() else { return };
        if self.stage == Stage::Lost {
            return;
        }
        match (asked, reply) {
            (Ask::Read, Reply::Found(stored)) => self.found(at, stored),
            (Ask::Read | Ask::Write { .. }, Reply::Absent) => {
                page.gone();
                self.compare(at);
            }
            (Ask::Create(_), Reply::Written(version)) => page.written(version, Default::default()),
            (Ask::Write { changes, .. }, Reply::Written(version)) => page.written(version, changes),
            (Ask::Create(_) | Ask::Write { .. }, Reply::Conflict) => {
                page.doubt();
                page.failed(now, None);
            }
            // A create brings nothing along, whenever it takes effect.
            (Ask::Create(_), Reply::Unknown(retry_after)) => {
                page.doubt();
                page.failed(now, retry_after);
            }
            (Ask::Write { changes, .. }, Reply::Unknown(retry_after)) => {
                page.leave_open(changes);
                page.failed(now, retry_after);
            }
            (_, Reply::TooMany(retry_after) | Reply::Unknown(retry_after)) => page.failed(now, retry_after),
            (_, Reply::Refused(message)) => self.refused(now, at, message),
            // Nothing that an API server says to such a call.
            _ => {
                page.doubt();
                page.failed(now, None);
            }
        }
        self.confirm(at);
        self.go_on();
    }

    fn found(&mut self, at: usize, stored: Stored) {
        let page = &mut self.pages[at];
        match head(&stored.data) {
            Ok(head) if self.stage == Stage::Reading => {
                self.epoch = self.epoch.max(head.epoch + 1);
                page.found(stored, false);
            }
            Ok(head) if head.epoch == self.epoch && head.holder == self.place.holder => {
                page.found(stored, true)
            }
            Ok(head) if head.epoch >= self.epoch => {
                self.stage = Stage::Lost;
                self.events.push_back(Event::Superseded { epoch: head.epoch, holder: head.holder });
                return;
            }
            Ok(_) => page.found(stored, false),
            // Somebody has damaged what was ours: it is written again.
            Err(_) if page.is_usable() && page.is_sealed() => page.found(stored, false),
            Err(problem) => {
                let quarantined = unusable(&page.object, problem);
                page.quarantine();
                self.events.push_back(Event::Quarantined(quarantined));
                self.move_from(at);
                return;
            }
        }
        self.compare(at);
    }

    /// Notes what does not stand there as it is to.
    fn compare(&mut self, at: usize) {
        let here = self.entries.iter().filter(|(_, entry)| entry.page == at);
        let differs = here.filter(|(_, entry)| !self.pages[at].says(&entry.key, entry.text.as_ref()));
        let differs: Vec<_> = differs.map(|(gang, _)| gang.clone()).collect();
        differs.into_iter().for_each(|gang| self.mark(at, gang));
    }

    /// The API server says no: who waits for an entry is told, who waits for one to go waits on.
    fn refused(&mut self, now: Duration, at: usize, message: String) {
        let page = &mut self.pages[at];
        page.failed(now, None);
        if page.refusal != message {
            page.refusal.clone_from(&message);
            let object = page.object.clone();
            self.events.push_back(Event::Trouble { object, message: message.clone() });
        }
        if self.stage != Stage::Open {
            return;
        }
        let dirty: Vec<_> = self.pages[at].dirty().cloned().collect();
        for gang in dirty {
            let Some(entry) = self.entries.get_mut(&gang).filter(|entry| entry.text.is_some()) else {
                continue;
            };
            // What may have been written by an earlier try is to go.
            entry.text = self.pages[at].stored().get(&entry.key).cloned();
            let refused = std::mem::take(&mut entry.wanted);
            refused.into_iter().for_each(|wanted| self.refuse(wanted.call, &message));
            self.mark(at, gang);
        }
    }

    /// Tells those whose entry stands there as it is to.
    pub(super) fn confirm(&mut self, at: usize) {
        let page = &mut self.pages[at];
        if !page.is_sealed() || page.must_read() {
            return;
        }
        for (gang, bytes) in page.take_dirty() {
            let Some(entry) = self.entries.get_mut(&gang) else { continue };
            if !page.says(&entry.key, entry.text.as_ref()) {
                page.mark(gang, bytes);
                continue;
            }
            let wanted = std::mem::take(&mut entry.wanted).into_iter();
            self.events.extend(wanted.map(|wanted| Event::Written(wanted.call)));
            if entry.text.is_none() {
                page.give_back(&entry.key);
                self.entries.remove(&gang);
            }
        }
    }

    /// The entries that were to be written into this object go into another.
    fn move_from(&mut self, at: usize) {
        let here = self.entries.iter().filter(|(_, entry)| entry.page == at);
        let here: Vec<_> = here.map(|(gang, _)| gang.clone()).collect();
        for gang in here {
            let Some(entry) = self.entries.remove(&gang) else { continue };
            let Some(text) = entry.text else {
                self.events.extend(entry.wanted.into_iter().map(|wanted| Event::Written(wanted.call)));
                continue;
            };
            let Some(to) = self.page_for(text.len() + KEY) else {
                entry.wanted.into_iter().for_each(|wanted| self.refuse(wanted.call, FULL));
                continue;
            };
            let key = self.pages[to].take_key();
            self.entries
                .insert(gang.clone(), Entry { page: to, key, text: Some(text), wanted: entry.wanted });
            self.mark(to, gang);
        }
    }

    /// From reading to sealing, and from sealing to open.
    fn go_on(&mut self) {
        if self.stage == Stage::Reading {
            if self.pages.iter().any(|page| page.must_read()) {
                return;
            }
            // The first is always there; the others are made as they are needed.
            let last = self.pages.iter().rposition(|page| page.exists() || !page.is_usable());
            self.pages.truncate(last.unwrap_or(0) + 1);
            self.stage = Stage::Sealing;
        }
        if self.stage == Stage::Sealing && self.pages.iter().all(|page| page.is_sealed() && !page.must_read())
        {
            self.stage = Stage::Open;
            self.take_in();
        }
    }

    /// Takes in the entries that earlier leaders have left, once nobody else can write any more.
    fn take_in(&mut self) {
        let mut records = Vec::new();
        for (at, page) in self.pages.iter().enumerate().filter(|(_, page)| page.is_usable()) {
            let (found, quarantined) = entries(&page.object, page.stored());
            self.events.extend(quarantined.into_iter().map(Event::Quarantined));
            for (key, record) in found {
                if self.entries.contains_key(&record.gang) {
                    let message = format!(
                        "entry {key} names gang {}, as another does: it is left alone; remove the key from the data",
                        record.gang
                    );
                    let object = page.object.clone();
                    self.events.push_back(Event::Quarantined(Quarantined {
                        object,
                        key: Some(key),
                        message,
                    }));
                    continue;
                }
                let text = page.stored().get(&key).cloned();
                self.entries.insert(record.gang.clone(), Entry { page: at, key, text, wanted: Vec::new() });
                records.push(record);
            }
        }
        records.sort_by(|a, b| a.gang.cmp(&b.gang));
        self.events.push_back(Event::Opened(records));
    }
}
