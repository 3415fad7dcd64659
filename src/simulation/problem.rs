//! What is wrong with the input: where, what, and what would be right. Collected, never thrown one by one.

use std::fmt;

/// One thing that is wrong with the input.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// The file, as it was named; `-` is standard input.
    pub source: String,
    /// The line, counted from 1; 0 where it is not known.
    pub line: u32,
    /// The document in the file, counted from 1; 0 where the whole file is meant.
    pub document: u32,
    /// The object, as `Kind namespace/name`; empty where it is not known.
    pub object: String,
    /// The field, as `spec.members[0].type`; empty where the whole object is meant.
    pub path: String,
    /// What is wrong.
    pub message: String,
    /// What would be right.
    pub remedy: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.source)?;
        if self.line > 0 {
            write!(f, ":{}", self.line)?;
        }
        if self.document > 0 {
            write!(f, ": document {}", self.document)?;
            if !self.object.is_empty() {
                write!(f, " ({})", self.object)?;
            }
        }
        if !self.path.is_empty() {
            write!(f, ": {}", self.path)?;
        }
        write!(f, ": {}", self.message)?;
        if !self.remedy.is_empty() {
            write!(f, "; {}", self.remedy)?;
        }
        Ok(())
    }
}

/// The known name that is closest to a misspelt one, if one is close: at most a third of the letters differ.
pub fn nearest<'a>(written: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    known
        .into_iter()
        .map(|name| (edits(&written.to_lowercase(), &name.to_lowercase()), name))
        .filter(|&(edits, name)| edits <= (name.chars().count().max(3)) / 3)
        .min()
        .map(|(_, name)| name)
}

/// Letters to insert, remove, replace or swap with their neighbour.
fn edits(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut before = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let same = usize::from(a[i - 1] != b[j - 1]);
            let mut least = (last[j - 1] + same).min(last[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                let two_back: &Vec<usize> = &before;
                least = least.min(two_back[j - 2] + 1);
            }
            row.push(least);
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name() {
        let check = |written, expect| {
            let known = ["nodePools", "timeline", "seed", "gangs", "until", "count"];
            assert_eq!(nearest(written, known), expect, "{written}");
        };
        check("nodepools", Some("nodePools"));
        check("nodePool", Some("nodePools"));
        check("tiemline", Some("timeline"));
        check("sede", Some("seed"));
        check("gang", Some("gangs"));
        check("coutn", Some("count"));
        check("replicas", None);
        check("", None);
    }

    #[test]
    fn a_problem_names_place_and_remedy() {
        let problem = Problem {
            source: "a.yaml".into(),
            line: 7,
            document: 2,
            object: "HyperNode rack-0".into(),
            path: "spec.tier".into(),
            message: "is a text".into(),
            remedy: "write a number such as 1".into(),
        };
        let expect =
            "a.yaml:7: document 2 (HyperNode rack-0): spec.tier: is a text; write a number such as 1";
        assert_eq!(problem.to_string(), expect);
    }
}
