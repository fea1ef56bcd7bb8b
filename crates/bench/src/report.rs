//! What was measured: a table for people, JSON for programs.

use crate::engine::{BARE, OURS};
use crate::suites::{Better, Measurement};

/// All figures, in the order in which they came.
pub(crate) struct Report {
    engines: Vec<String>,
    rows: Vec<Row>,
}

/// One workload.
struct Row {
    workload: String,
    unit: String,
    better: Better,
    /// A figure for each engine that has one.
    figures: Vec<(String, f64)>,
}

impl Row {
    fn figure(&self, engine: &str) -> Option<f64> {
        self.figures
            .iter()
            .find(|(name, _)| name == engine)
            .map(|(_, value)| *value)
    }

    /// The best figure among the engines for which `counts` holds.
    fn best(&self, counts: impl Fn(&str) -> bool) -> Option<f64> {
        let figures = self
            .figures
            .iter()
            .filter(|(name, _)| counts(name))
            .map(|(_, value)| *value);
        figures.reduce(match self.better {
            Better::Higher => f64::max,
            Better::Lower => f64::min,
        })
    }

    /// How many times as good as `other` a figure is.
    fn ratio(&self, value: f64, other: f64) -> f64 {
        match self.better {
            _ if value == other => 1.0,
            Better::Higher => value / other,
            Better::Lower => other / value,
        }
    }
}

impl Report {
    pub(crate) fn new(engines: &[String]) -> Report {
        Report {
            engines: engines.to_vec(),
            rows: Vec::new(),
        }
    }

    pub(crate) fn add(&mut self, engine: &str, measurement: Measurement) {
        let Measurement {
            workload,
            value,
            unit,
            better,
        } = measurement;
        let figure = (engine.to_owned(), value);
        match self.rows.iter_mut().find(|row| row.workload == workload) {
            Some(row) => row.figures.push(figure),
            None => self.rows.push(Row {
                workload,
                unit,
                better,
                figures: vec![figure],
            }),
        }
    }

    /// A table in Markdown. A figure is followed by how good it is beside the best of its row,
    /// which is bold; the last column says how good ours is beside the best of the others.
    pub(crate) fn table(&self) -> String {
        let mut engines = self.engines.clone();
        if self.rows.iter().any(|row| row.figure(BARE).is_some()) {
            engines.push(BARE.to_owned());
        }
        let compared = engines.iter().any(|name| name == OURS) && self.engines.len() > 1;
        let mut lines = vec![vec![String::new()]];
        lines[0].extend(engines.iter().cloned());
        if compared {
            lines[0].push(format!("{OURS} : best other"));
        }
        for row in &self.rows {
            let mut line = vec![format!("{} ({})", row.workload, row.unit)];
            line.extend(engines.iter().map(|engine| cell(row, engine)));
            if compared {
                let other = row.best(|name| !name.starts_with(OURS) && name != BARE);
                let ratio = row
                    .figure(OURS)
                    .zip(other)
                    .map(|(ours, other)| row.ratio(ours, other));
                line.push(ratio.map_or(String::new(), |ratio| format!("{}x", short(ratio))));
            }
            lines.push(line);
        }
        aligned(&lines)
    }

    /// A list of objects, one per figure.
    pub(crate) fn json(&self) -> String {
        let mut objects = Vec::new();
        for row in &self.rows {
            let better = match row.better {
                Better::Higher => "higher",
                Better::Lower => "lower",
            };
            for (engine, value) in &row.figures {
                objects.push(format!(
                    r#"  {{"workload": "{}", "engine": "{engine}", "value": {value}, "unit": "{}", "better": "{better}"}}"#,
                    row.workload, row.unit,
                ));
            }
        }
        format!("[\n{}\n]\n", objects.join(",\n"))
    }
}

fn cell(row: &Row, engine: &str) -> String {
    let Some(value) = row.figure(engine) else {
        return "-".to_owned();
    };
    let Some(best) = row.best(|name| name != BARE) else {
        return short(value);
    };
    match row.ratio(value, best) {
        ratio if engine != BARE && ratio >= 1.0 => format!("**{}**", short(value)),
        ratio => format!("{} ({})", short(value), share(ratio)),
    }
}

/// A share in two digits behind the point, if there is anything to see there.
fn share(ratio: f64) -> String {
    if ratio < 0.005 {
        "<0.01".to_owned()
    } else {
        format!("{ratio:.2}")
    }
}

/// A number in three digits.
fn short(value: f64) -> String {
    let (value, suffix) = match value {
        _ if value >= 1e6 => (value / 1e6, "M"),
        _ if value >= 1e4 => (value / 1e3, "K"),
        _ => (value, ""),
    };
    let digits = match value {
        _ if value >= 99.95 => 0,
        _ if value >= 9.995 => 1,
        _ if value >= 0.0995 => 2,
        _ => 4,
    };
    format!("{value:.digits$}{suffix}")
}

fn aligned(lines: &[Vec<String>]) -> String {
    let columns = lines.iter().map(Vec::len).max().unwrap_or_default();
    let width = |column: usize| {
        lines
            .iter()
            .filter_map(|line| line.get(column))
            .map(|cell| cell.chars().count())
            .max()
    };
    let widths: Vec<usize> = (0..columns)
        .map(|column| width(column).unwrap_or(0))
        .collect();
    let mut text = String::new();
    for (number, line) in lines.iter().enumerate() {
        for (column, width) in widths.iter().enumerate() {
            let cell = line.get(column).map_or("", String::as_str);
            text += &match column {
                0 => format!("| {cell:<width$} "),
                _ => format!("| {cell:>width$} "),
            };
        }
        text += "|\n";
        if number == 0 {
            for (column, width) in widths.iter().enumerate() {
                let dashes = "-".repeat(width + 1);
                text += &if column == 0 {
                    format!("|{dashes}-")
                } else {
                    format!("|{dashes}:")
                };
            }
            text += "|\n";
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        let mut report = Report::new(&[OURS.to_owned(), "redb".to_owned()]);
        let mut add = |engine: &str, workload: &str, value: f64, unit: &str, better: Better| {
            let (workload, unit) = (workload.to_owned(), unit.to_owned());
            report.add(
                engine,
                Measurement {
                    workload,
                    value,
                    unit,
                    better,
                },
            );
        };
        add(OURS, "reads", 250_000.0, "key/s", Better::Higher);
        add("redb", "reads", 500_000.0, "key/s", Better::Higher);
        add("redb", "size", 8.0, "MiB", Better::Lower);
        add(OURS, "size", 2.0, "MiB", Better::Lower);
        report
    }

    #[test]
    fn table_shows_figures_ratios_and_the_best() {
        let expected = "\
|               |        rustdb |      redb | rustdb : best other |
|---------------|--------------:|----------:|--------------------:|
| reads (key/s) | 250K (0.50) | **500K** | 0.50x |
| size (MiB)    | **2.00** | 8.00 (0.25) | 4.00x |
";
        let squeeze = |text: &str| {
            text.lines()
                .filter(|line| !line.starts_with("|--"))
                .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
                .collect::<Vec<_>>()
        };
        assert_eq!(squeeze(&report().table()), squeeze(expected));
    }

    #[test]
    fn json_is_a_list_of_figures() {
        let expected = r#"{"workload": "reads", "engine": "rustdb", "value": 250000, "unit": "key/s", "better": "higher"}"#;
        let json = report().json();
        assert!(json.contains(expected), "{json}");
        assert_eq!(json.matches("workload").count(), 4);
    }

    #[test]
    fn numbers_are_short() {
        let numbers = [
            0.0,
            0.0123,
            0.5,
            9.999,
            12.345,
            123.4,
            9_999.0,
            12_345.0,
            1_234_567.0,
        ];
        let expected = [
            "0.0000", "0.0123", "0.50", "10.0", "12.3", "123", "9999", "12.3K", "1.23M",
        ];
        assert_eq!(numbers.map(short), expected);
    }
}
