//! The log: what is written at which level, and that what goes wrong again and again is written once.

use std::collections::BTreeMap;
use std::str::FromStr;
use tracing_subscriber::EnvFilter;

/// The environment variable with directives as tracing-subscriber reads them (`phalanx=debug,kube=info`); it goes before the
/// level of the flag.
pub const VARIABLE: &str = "PHALANX_LOG";

/// How much is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Level {
    /// What ends the process.
    Error,
    /// What fails as well.
    Warn,
    /// What happens to gangs as well.
    #[default]
    Info,
    /// Each request as well.
    Debug,
    /// Everything.
    Trace,
}

impl FromStr for Level {
    type Err = String;

    fn from_str(text: &str) -> Result<Level, String> {
        Ok(match text {
            "error" => Level::Error,
            "warn" => Level::Warn,
            "info" => Level::Info,
            "debug" => Level::Debug,
            "trace" => Level::Trace,
            other => return Err(format!("{other:?} is none of error, warn, info, debug, trace")),
        })
    }
}

impl Level {
    /// As a filter. Below `info` only this program says more: TLS and HTTP libraries would drown it.
    pub fn directives(self) -> &'static str {
        match self {
            Level::Error => "error",
            Level::Warn => "warn",
            Level::Info => "info",
            Level::Debug => "info,phalanx=debug",
            Level::Trace => "info,phalanx=trace,kube=debug",
        }
    }
}

/// Begins to write the log to standard error, at this level unless [`VARIABLE`] says more precisely.
pub fn start(level: Level, json: bool) {
    let filter = EnvFilter::try_from_env(VARIABLE).unwrap_or_else(|_| EnvFilter::new(level.directives()));
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
        .with_writer(std::io::stderr);
    if json {
        subscriber.json().init();
    } else {
        subscriber.init();
    }
}

/// What is wrong with something at present, so that it is written when it becomes another thing, and not each time.
#[derive(Debug, Default)]
pub struct Once(BTreeMap<String, String>);

impl Once {
    /// Is this news about it?
    pub fn is_news(&mut self, about: &str, what: &str) -> bool {
        let known = self.0.get(about).is_some_and(|known| known == what);
        if !known {
            self.0.insert(about.to_owned(), what.to_owned());
        }
        !known
    }

    /// It is well again. Was anything wrong with it?
    pub fn is_well(&mut self, about: &str) -> bool {
        self.0.remove(about).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_wrong_again_is_no_news() {
        let mut once = Once::default();
        assert!(once.is_news("pods", "403"));
        assert!(!once.is_news("pods", "403"));
        assert!(once.is_news("nodes", "403"));
        assert!(once.is_news("pods", "500"));
        assert!(once.is_well("pods") && !once.is_well("pods"));
        assert!(once.is_news("pods", "500"));
    }

    #[test]
    fn every_level_is_a_filter() {
        for name in ["error", "warn", "info", "debug", "trace"] {
            let level: Level = name.parse().unwrap();
            assert!(EnvFilter::try_new(level.directives()).is_ok(), "{name}");
        }
        assert!("verbose".parse::<Level>().is_err());
    }
}
