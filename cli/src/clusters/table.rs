//! Tables: columns of at least six characters, three spaces between them.

const GAP: usize = 3;
const NARROWEST: usize = 6;

/// The lines of a table, as Go's tabwriter sets them.
pub(crate) fn lines(header: Option<&[&str]>, rows: &[Vec<String>]) -> Vec<String> {
    let header = header.map(|cells| cells.iter().map(ToString::to_string).collect());
    let all: Vec<&Vec<String>> = header.iter().chain(rows).collect();
    let columns = all.iter().map(|row| row.len()).max().unwrap_or_default();
    let widths: Vec<usize> = (0..columns)
        .map(|column| {
            let widest = all.iter().filter_map(|row| row.get(column));
            let widest = widest.map(|cell| cell.chars().count()).max();
            (widest.unwrap_or_default() + GAP).max(NARROWEST)
        })
        .collect();
    all.iter().map(|row| line(row, &widths)).collect()
}

/// The last cell ends the line: nothing is to be aligned behind it.
fn line(row: &[String], widths: &[usize]) -> String {
    let mut line = String::new();
    for (index, cell) in row.iter().enumerate() {
        line.push_str(cell);
        if index + 1 < row.len() {
            let padding = widths[index] - cell.chars().count();
            line.extend(std::iter::repeat_n(' ', padding));
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(cells: &[&str]) -> Vec<String> {
        cells.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn columns_are_padded_by_three_and_at_least_six_wide() {
        let rows = [
            row(&["demo", "1/1", "0/0", "true"]),
            row(&["b", "3/3", "10/10", "false"]),
        ];
        let header = ["NAME", "SERVERS", "AGENTS", "LOADBALANCER"];
        assert_eq!(
            lines(Some(&header), &rows),
            [
                "NAME   SERVERS   AGENTS   LOADBALANCER",
                "demo   1/1       0/0      true",
                "b      3/3       10/10    false",
            ]
        );
        assert_eq!(lines(None, &[row(&["b", "x"])]), ["b     x"]);
        assert!(lines(None, &[]).is_empty());
    }
}
