//! What is wrong with the input: where, what, and what would be right. Collected, never thrown one by one.

use std::fmt;

pub use crate::api::nearest::nearest;

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

#[cfg(test)]
mod tests {
    use super::*;

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
