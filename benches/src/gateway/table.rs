//! What was measured beside what was to be reached.

/// One line of the table.
pub(crate) struct Row {
    what: String,
    measured: String,
    target: String,
    /// Whether it was reached; rows for orientation have nothing to reach.
    is_met: Option<bool>,
}

impl Row {
    pub(crate) fn new(what: impl Into<String>, measured: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            measured: measured.into(),
            target: String::new(),
            is_met: None,
        }
    }

    pub(crate) fn target(mut self, target: impl Into<String>, is_met: bool) -> Self {
        self.target = target.into();
        self.is_met = Some(is_met);
        self
    }
}

pub(crate) fn markdown(rows: &[Row]) -> String {
    let mut text = "| what | measured | target | |\n|---|---|---|---|\n".to_owned();
    for row in rows {
        let verdict = match row.is_met {
            Some(true) => "reached",
            Some(false) => "missed",
            None => "",
        };
        let line = [&row.what, &row.measured, &row.target, verdict].join(" | ");
        text.push_str("| ");
        text.push_str(&line);
        text.push_str(" |\n");
    }
    let with_target = rows.iter().filter_map(|row| row.is_met);
    let (met, all) = with_target.fold((0, 0), |(met, all), is_met| {
        (met + usize::from(is_met), all + 1)
    });
    format!("{text}\n{met} of {all} targets reached.")
}
