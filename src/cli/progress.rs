//! One line on a terminal that says how far a long run is. Nothing where standard error is no terminal.

use std::io::{IsTerminal, Write};

/// The line.
#[derive(Debug)]
pub(super) struct Line {
    shown: bool,
    on: bool,
    calls: u64,
}

impl Line {
    /// A line that shows itself if the work is big and somebody is watching.
    pub(super) fn new(big: bool) -> Line {
        Line { shown: false, on: big && std::io::stderr().is_terminal(), calls: 0 }
    }

    /// Shows a text in place of the last one.
    pub(super) fn show(&mut self, text: &str) {
        if self.on {
            self.shown = true;
            let _ = write!(std::io::stderr().lock(), "\r\x1b[K{text}");
        }
    }

    /// Shows a text, but only every so many calls.
    pub(super) fn tick(&mut self, every: u64, text: impl FnOnce() -> String) {
        self.calls += 1;
        if self.on && self.calls.is_multiple_of(every) {
            self.show(&text());
        }
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        if self.shown {
            let _ = write!(std::io::stderr().lock(), "\r\x1b[K");
        }
    }
}
