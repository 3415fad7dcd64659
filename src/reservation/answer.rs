//! What the answer to a call means for the member or the record that it was made for.

use super::effect::Report;
use super::gang::{Context, Gang};
use super::input::Answer;
use super::member::{Action, Loss, Standing};
use super::phase::Phase;
use std::time::Duration;

impl Gang {
    /// A call for a member was answered; it had been sent at `sent`.
    pub(super) fn member_answered(
        &mut self,
        at: usize,
        action: Action,
        answer: Answer,
        sent: Duration,
        cx: &mut Context<'_>,
    ) {
        let name = match action {
            Action::Bind => "bind",
            Action::Read => "read",
            Action::Evict => "evict",
        };
        if let Answer::Refused { message } = &answer {
            self.refused(name, message, cx);
        }
        let (now, key) = (cx.now, self.key.clone());
        let (doubt, backoff) = (now + cx.settings.doubt, cx.settings.backoff);
        let who = self.id << 20 | at as u64;
        let had_no_effect = matches!(
            answer,
            Answer::TooMany { .. } | Answer::Refused { .. } | Answer::NotFound | Answer::Conflict
        );
        let effects = &mut *cx.effects;
        self.touch(at, |member| {
            member.calling = false;
            if action == Action::Evict && had_no_effect {
                member.evictions = member.evictions.saturating_sub(1);
            }
            if member.is_lost() {
                return;
            }
            let mut again = None;
            match (action, answer) {
                // The watch was faster than the answer.
                (Action::Bind, _) if !member.is_unbound() => {}
                (Action::Bind, Answer::Done) => member.bound(effects),
                (Action::Evict, Answer::Done) => match member.standing {
                    Standing::Unbound => member.doubt_it(now),
                    _ => member.lose(Loss::Evicted, effects),
                },
                (Action::Read, Answer::Pod(Some(facts))) if facts.pod.uid == member.pod.uid => {
                    member.suspect = std::mem::take(&mut member.suspect_anew);
                    member.see(&facts, &key, effects);
                    if member.is_unbound() {
                        // Where it can be evicted, certainty is to be had, and time is not trusted.
                        if !member.recreated && member.doubt.is_some_and(|until| until <= sent) {
                            member.doubt = None;
                        }
                        again = Some(None);
                    } else {
                        member.failures = 0;
                    }
                }
                (Action::Read, Answer::Pod(_)) | (Action::Bind, Answer::NotFound) => {
                    member.lose(Loss::Gone, effects);
                }
                (Action::Evict, Answer::NotFound | Answer::Conflict) => member.lose(Loss::Gone, effects),
                // Bound already, being deleted, gated, or another pod by now: its object tells.
                (Action::Bind, Answer::Conflict) => member.doubt_it(now),
                (_, Answer::TooMany { retry_after }) => again = Some(retry_after),
                (Action::Bind, Answer::ServerError { retry_after }) => {
                    (member.doubt, member.inherited) = (Some(doubt), false);
                    again = Some(retry_after);
                }
                (_, Answer::ServerError { retry_after }) => again = Some(retry_after),
                (_, Answer::Refused { .. }) => again = Some(None),
                (Action::Bind, _) => {
                    (member.doubt, member.inherited) = (Some(doubt), false);
                    member.doubt_it(now);
                }
                (Action::Read | Action::Evict, _) => again = Some(None),
            }
            if let Some(retry_after) = again {
                member.failures += 1;
                member.not_before = now + backoff.after(member.failures, who, retry_after);
            }
        });
    }

    /// The call that was to write this revision of the record was answered.
    pub(super) fn record_answered(&mut self, revision: u32, answer: Answer, cx: &mut Context<'_>) {
        let (now, who, backoff) = (cx.now, self.id, cx.settings.backoff);
        let Some(writer) = &mut self.writer else { return };
        self.review = true;
        match answer {
            Answer::Written => {
                writer.succeeded(revision);
                self.reschedule_all();
            }
            Answer::Refused { message } => {
                writer.failed(now, |failures| backoff.after(failures, who, None));
                self.refused("record", &message, cx);
                if self.phase == Phase::Decided {
                    self.overdue = true;
                }
            }
            Answer::TooMany { retry_after } | Answer::ServerError { retry_after } => {
                writer.failed(now, |failures| backoff.after(failures, who, retry_after));
            }
            _ => writer.failed(now, |failures| backoff.after(failures, who, None)),
        }
    }

    /// The PodGroup is gone: there is no gang any more.
    pub(super) fn group_gone(&mut self) {
        self.group_gone = true;
        self.minimum = Default::default();
        self.review = true;
        self.reschedule_all();
    }

    fn refused(&mut self, call: &'static str, message: &str, cx: &mut Context<'_>) {
        if self.refusal != message {
            message.clone_into(&mut self.refusal);
            cx.report(&self.key, Report::CallRefused { call, message: message.to_owned() });
        }
    }
}
