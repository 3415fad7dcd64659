//! The tables of `docs/reference.md` are those of the code.

use crate::simulations::read;
use phalanx::api::unsupported;
use phalanx::engine::{Needed, TABLE};
use phalanx::scheduler::Reason;
use std::fmt::Write;

/// Expects that the page has these rows between the marks of the table.
fn check(table: &str, expect: &str) {
    let page = read("docs/reference.md");
    let (begin, end) = (format!("<!-- begin {table} -->\n"), format!("<!-- end {table} -->"));
    let shown = page.split_once(&begin).and_then(|(_, rest)| rest.split_once(&end)).map(|(shown, _)| shown);
    assert!(
        shown == Some(expect),
        "docs/reference.md, table {table}: paste this between its marks\n{expect}"
    );
}

#[test]
fn kinds_are_those_that_are_read() {
    let mut rows = "| kind | API | read by | when |\n| --- | --- | --- | --- |\n".to_owned();
    for row in &TABLE {
        let (by, when) = match row.needed {
            Needed::ByBoth => ("scheduler, ModelServing controller", "always"),
            Needed::ByScheduler => ("scheduler", "always"),
            Needed::ByServing => ("ModelServing controller", "always"),
            Needed::WithClaims => ("scheduler", "a pod uses claims"),
            Needed::WithDevices => ("scheduler", "a DeviceClass exists, or a pod uses device claims"),
            Needed::WithOwners => ("scheduler", "a pod of such a controller is in no PodGroup"),
            Needed::ForGrouping => ("scheduler", "it may be read"),
            Needed::IfServed => ("scheduler", "it is served, and may be read"),
            Needed::Never => continue,
        };
        let when = match (row.habits.custom, row.group() == "resource.k8s.io") {
            (true, _) => format!("{when}, once its CRD is installed"),
            (false, true) => format!("{when}, once it is served"),
            (false, false) => when.to_owned(),
        };
        let versions: Vec<&str> = row.versions().collect();
        let _ = writeln!(rows, "| {} | {} | {by} | {when} |", row.name, versions.join(", "));
    }
    check("kinds", &rows);
}

#[test]
fn reasons_are_those_that_gangs_wait_for() {
    let mut rows = "| reason | meaning |\n| --- | --- |\n".to_owned();
    for reason in Reason::ALL {
        let _ = writeln!(rows, "| `{reason}` | {} |", reason.meaning());
    }
    check("reasons", &rows);
}

#[test]
fn warnings_are_those_that_are_told() {
    let mut rows = "| code | meaning |\n| --- | --- |\n".to_owned();
    for (code, meaning) in unsupported::CODES {
        let _ = writeln!(rows, "| `{code}` | {meaning} |");
    }
    check("warnings", &rows);
}
