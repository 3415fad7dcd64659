//! The rules for words (`CONTRIBUTING.md`), as far as a program can check them: in comments and texts of the source, and in
//! the pages.

#![expect(clippy::disallowed_methods, reason = "the test reads the source")]

use crate::simulations::read;
use std::path::{Path, PathBuf};

/// Phrases that stood in messages and comments and say nothing to who has not read the code.
const BANNED: [&str; 9] = [
    "have not said everything",
    "why they take no more",
    "news stands",
    "a gang, counted",
    "nothing would recreate what is",
    "quiet after",
    "behind binds",
    "something went wrong",
    "unknown error",
];

/// Names of types that need a glossary, each with what is written instead.
const TYPES: [(&str, &str); 10] = [
    ("Asked", "a request or a call"),
    ("Crowd", "whose gangs they are"),
    ("Helper", "what it does"),
    ("Here", "where that is"),
    ("Maker", "what it makes"),
    ("Mold", "the template that pods share"),
    ("Pads", "scratch memory"),
    ("Scene", "what is looked at"),
    ("Stuff", "what it holds"),
    ("Told", "an answer, a report or an outcome"),
];

/// Nouns that follow numbers.
const NOUNS: &str = "pods nodes gangs claims volumes domains PodGroups HyperNodes racks steps members subgroups objects \
                     records warnings queues replicas seconds";

/// A piece of text of a file.
#[derive(Clone, Debug)]
struct Piece {
    at: String,
    text: String,
    is_comment: bool,
}

fn files(folder: &str, extension: &str) -> Vec<PathBuf> {
    fn walk(folder: &Path, extension: &str, found: &mut Vec<PathBuf>) {
        let mut entries: Vec<PathBuf> =
            std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        entries.sort();
        for path in entries {
            if path.is_dir() {
                walk(&path, extension, found);
            } else if path.extension().is_some_and(|it| it == extension) {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    walk(&Path::new(env!("CARGO_MANIFEST_DIR")).join(folder), extension, &mut found);
    found
}

/// Comments and string literals of Rust source, each with its place; raw strings and characters are stepped over.
fn pieces(path: &Path) -> Vec<Piece> {
    let source = std::fs::read_to_string(path).unwrap();
    let name = path.strip_prefix(env!("CARGO_MANIFEST_DIR")).unwrap().display().to_string();
    let bytes = source.as_bytes();
    let mut found = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let start = at;
        let rest = &source[at..];
        let is_comment = rest.starts_with("//");
        if is_comment {
            at += rest.find('\n').unwrap_or(rest.len());
        } else if let Some(raw) = rest.strip_prefix("r#\"") {
            at += 3 + raw.find("\"#").map_or(raw.len(), |end| end + 2);
            continue;
        } else if rest.starts_with("'\"'") || rest.starts_with("'\\") {
            at += if rest.starts_with("'\\") { 4 } else { 3 };
            continue;
        } else if rest.starts_with('"') {
            at += 1;
            while at < bytes.len() && bytes[at] != b'"' {
                at += if bytes[at] == b'\\' { 2 } else { 1 };
            }
            at += 1;
        } else {
            at += rest.chars().next().map_or(1, char::len_utf8);
            continue;
        }
        let line = source[..start].matches('\n').count() + 1;
        found.push(Piece { at: format!("{name}:{line}"), text: source[start..at].to_owned(), is_comment });
    }
    found
}

/// Rooms whose every comment and text is checked; phrases and names of types are checked in all.
const ROOMS: [&str; 13] = [
    "api",
    "apiserver",
    "cli",
    "cluster",
    "engine",
    "grouping",
    "live",
    "modelserving",
    "placement",
    "reservation",
    "scheduler",
    "sharing",
    "simulation",
];

/// Does the file belong to one of these rooms, and is it no test?
fn is_checked(path: &Path) -> bool {
    let path = path.strip_prefix(env!("CARGO_MANIFEST_DIR")).unwrap().display().to_string();
    let is_test = path.contains("/tests") || path.contains("tests.rs");
    !is_test
        && ROOMS
            .iter()
            .any(|room| path.starts_with(&format!("src/{room}/")) || path == format!("src/{room}.rs"))
}

fn source() -> Vec<Piece> {
    files("src", "rs").iter().flat_map(|path| pieces(path)).collect()
}

/// Comments and texts of the rooms that are checked.
fn checked() -> Vec<Piece> {
    files("src", "rs").iter().filter(|path| is_checked(path)).flat_map(|path| pieces(path)).collect()
}

/// Expects no fault.
fn check(faults: &[String]) {
    assert!(faults.is_empty(), "{} against the rules for words:\n{}", faults.len(), faults.join("\n"));
}

fn banned(at: &str, text: &str) -> Vec<String> {
    let lower = text.to_lowercase();
    let found = BANNED.iter().filter(|phrase| lower.contains(**phrase));
    found.map(|phrase| format!("{at}: {phrase:?}")).collect()
}

#[test]
fn phrases_that_say_nothing_are_gone() {
    let mut faults: Vec<String> = source().iter().flat_map(|piece| banned(&piece.at, &piece.text)).collect();
    let pages =
        ["README.md", "ARCHITECTURE.md", "deploy/README.md", "simulations/README.md", "docs/reference.md"];
    for page in pages {
        let text = read(page);
        let lines = text.lines().enumerate();
        faults.extend(lines.flat_map(|(line, text)| banned(&format!("{page}:{}", line + 1), text)));
    }
    check(&faults);
}

/// `1 nodes`, `node(s)`: the noun agrees with its number, by `words::counted`.
#[test]
fn nouns_agree_with_their_numbers() {
    let follows = |text: &str| {
        text.match_indices("} ").any(|(at, _)| {
            let word: String = text[at + 2..].chars().take_while(char::is_ascii_alphabetic).collect();
            let before = text[..at].rfind('{').map_or("", |open| text[..open].trim_end());
            // "3 of the 8 pods", "lists 200 of 730 pods": there are several.
            let are_several = before.ends_with(" of") || before.ends_with(" the");
            NOUNS.split_whitespace().any(|noun| noun == word) && !are_several
        })
    };
    let faults: Vec<String> = checked()
        .iter()
        .filter(|piece| !piece.is_comment)
        .filter(|piece| piece.text.contains("(s)") || follows(&piece.text))
        .map(|piece| format!("{}: {}", piece.at, piece.text))
        .collect();
    check(&faults);
}

#[test]
fn messages_neither_shout_nor_chat() {
    let chats = ["can't", "don't", "won't", "doesn't", "isn't", "it's", "let's", "please", "sorry"];
    // What Kubernetes itself says is said in its words.
    let is_theirs = |text: &str| text.contains("please apply your changes");
    let is_faulty = |piece: &Piece| {
        let lower = piece.text.to_lowercase();
        let mut words = lower.split(|c: char| !(c.is_alphabetic() || c == '\''));
        words.any(|word| chats.contains(&word)) || !piece.is_comment && lower.ends_with("!\"")
    };
    let faults: Vec<String> = checked()
        .iter()
        .filter(|piece| is_faulty(piece) && !is_theirs(&piece.text))
        .map(|piece| format!("{}: {}", piece.at, piece.text))
        .collect();
    check(&faults);
}

/// A paragraph of a doc comment is sentences.
#[test]
fn paragraphs_end_with_a_stop() {
    let mut faults = Vec::new();
    for path in files("src", "rs").into_iter().filter(|path| is_checked(path)) {
        let pieces = pieces(&path);
        let docs: Vec<&Piece> = pieces
            .iter()
            .filter(|piece| piece.text.starts_with("///") || piece.text.starts_with("//!"))
            .collect();
        let line = |piece: &Piece| -> usize { piece.at.rsplit(':').next().unwrap().parse().unwrap() };
        let mut in_code = false;
        for (index, piece) in docs.iter().enumerate() {
            let text = piece.text[3..].trim();
            if text.starts_with("```") {
                in_code = !in_code;
                continue;
            }
            let next = docs.get(index + 1).filter(|next| line(next) == line(piece) + 1);
            // A list or an example goes on with the sentence.
            let goes_on = docs.get(index + 2).is_some_and(|after| {
                let after = after.text[3..].trim_start();
                after.starts_with("```") || after.starts_with('-')
            });
            let ends = next.is_none_or(|next| next.text[3..].trim().is_empty() && !goes_on);
            let is_prose = !in_code && !text.is_empty() && !text.starts_with(['|', '#', '[', '$']);
            let stops = [".", ":", ";", "?", "`", ")", "]", "\"", "|", "-f -"];
            if ends && is_prose && !stops.iter().any(|stop| text.ends_with(stop)) {
                faults.push(format!("{}: {text}", piece.at));
            }
        }
    }
    check(&faults);
}

#[test]
fn types_bear_the_terms_of_the_field() {
    let mut faults = Vec::new();
    for path in files("src", "rs") {
        let source = std::fs::read_to_string(&path).unwrap();
        for (name, instead) in TYPES {
            for kind in ["struct", "enum", "trait", "type"] {
                let declared = source.lines().any(|line| {
                    let mut words = line.split(|c: char| !(c.is_alphanumeric() || c == '_'));
                    words.any(|word| word == kind)
                        && line.contains(&format!("{kind} {name}"))
                        && line
                            .split(&format!("{kind} {name}"))
                            .nth(1)
                            .is_some_and(|rest| !rest.starts_with(|c: char| c.is_alphanumeric()))
                });
                if declared {
                    faults.push(format!("{}: {kind} {name}; name it by {instead}", path.display()));
                }
            }
        }
    }
    check(&faults);
}
