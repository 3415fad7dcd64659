//! Runs the binary.

use std::io::Write;
use std::process::{Command, Output, Stdio};

/// What the binary answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// Runs `phalanx` with standard input.
pub(crate) fn phalanx(arguments: &[&str], input: &str) -> Answer {
    answer(start(arguments, input).wait_with_output().expect("it ends"))
}

/// Runs `phalanx simulate` with standard input.
pub(crate) fn simulate(arguments: &[&str], input: &str) -> Answer {
    phalanx(&[&["simulate"], arguments].concat(), input)
}

/// Runs `phalanx`, and closes its standard output before it writes.
pub(crate) fn closed_pipe(arguments: &[&str], input: &str) -> Answer {
    let mut child = start(arguments, input);
    drop(child.stdout.take());
    answer(child.wait_with_output().expect("it ends"))
}

fn start(arguments: &[&str], input: &str) -> std::process::Child {
    let mut child = Command::new(env!("CARGO_BIN_EXE_phalanx"))
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary was built with the tests");
    let mut stdin = child.stdin.take().expect("it is piped");
    // A process that refuses its arguments does not read its input.
    let _ = stdin.write_all(input.as_bytes());
    child
}

fn answer(output: Output) -> Answer {
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("output is UTF-8");
    Answer { code: output.status.code().unwrap_or(-1), out: text(output.stdout), err: text(output.stderr) }
}
