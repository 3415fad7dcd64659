//! Columns as kubectl prints them: no lines, three spaces between, nothing at the end of a line.

/// Lays rows out below a header.
pub(crate) fn columns(header: &[&str], rows: &[Vec<String>]) -> String {
    let mut widths: Vec<usize> = header.iter().map(|cell| cell.chars().count()).collect();
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut text = String::new();
    let mut line = |cells: &mut dyn Iterator<Item = &str>| {
        let start = text.len();
        for (cell, &width) in cells.zip(&widths) {
            text.push_str(cell);
            let padding = width - cell.chars().count() + 3;
            text.extend(std::iter::repeat_n(' ', padding));
        }
        text.truncate(start + text[start..].trim_end().len());
        text.push('\n');
    };
    line(&mut header.iter().copied());
    for row in rows {
        line(&mut row.iter().map(String::as_str));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_line_up_and_lines_end_clean() {
        let rows = vec![vec!["default".into(), "a".into()], vec!["x".into(), String::new()]];
        assert_eq!(columns(&["NAMESPACE", "NAME"], &rows), "NAMESPACE   NAME\ndefault     a\nx\n");
    }
}
