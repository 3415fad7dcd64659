//! Both formats: what loads, what is warned of, what is refused and how the refusal reads; and that nothing hard can be
//! configured away.

mod hard;
mod native;
mod volcano;

use super::*;
use proptest::prelude::*;

fn loaded(text: &str) -> (SchedulerConfig, Vec<String>) {
    match load(text) {
        Ok((config, warnings)) => (config, warnings.iter().map(ToString::to_string).collect()),
        Err(errors) => panic!("{errors}\n---\n{text}"),
    }
}

fn refused(text: &str) -> Vec<String> {
    match load(text) {
        Ok(_) => panic!("was accepted:\n{text}"),
        Err(errors) => errors.0.iter().map(ToString::to_string).collect(),
    }
}

#[expect(clippy::disallowed_methods, reason = "reads files of the repository")]
fn ready_policy(name: &str) -> String {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("scheduler-config").join(name);
    std::fs::read_to_string(path).expect("the file is part of the repository")
}

fn with_plugins(plugins: &str) -> String {
    format!("actions: allocate\ntiers:\n- plugins:\n{plugins}")
}
