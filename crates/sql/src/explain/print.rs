//! Entries as text, JSON, or a graph.

use super::{Entry, Format, Request, spent};

/// Times of the statement, in microseconds.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Times {
    pub(crate) planning: i64,
    pub(crate) execution: i64,
}

/// The lines that EXPLAIN gives.
pub(crate) fn printed(entry: &Entry, request: &Request, times: Times) -> Vec<String> {
    match request.format {
        Format::Text => {
            let mut lines = Vec::new();
            text(entry, request, 0, &mut lines);
            if request.summary {
                lines.push(format!("Planning Time: {} ms", millis(times.planning)));
                if request.analyze {
                    lines.push(format!("Execution Time: {} ms", millis(times.execution)));
                }
            }
            lines
        }
        Format::Json => {
            let mut out = String::from("[\n  {\n    \"Plan\": ");
            json(entry, request, 4, &mut out);
            if request.summary {
                out += &format!(",\n    \"Planning Time\": {}", millis(times.planning));
                if request.analyze {
                    out += &format!(",\n    \"Execution Time\": {}", millis(times.execution));
                }
            }
            out += "\n  }\n]";
            vec![out]
        }
        Format::Dot => {
            let mut lines = vec![
                "digraph plan {".to_owned(),
                "  node [shape=box, fontname=\"sans-serif\"];".to_owned(),
            ];
            dot(entry, request, &mut 0, &mut lines);
            lines.push("}".to_owned());
            vec![lines.join("\n")]
        }
    }
}

fn millis(micros: i64) -> String {
    format!("{:.3}", micros as f64 / 1000.0)
}

/// `(cost=0.00..1.25 rows=10) (actual time=0.010..0.020 rows=3 loops=1)`.
fn figures(entry: &Entry, request: &Request) -> String {
    let mut text = String::new();
    if request.costs {
        let rows = entry.rows.max(1.0).round();
        text += &format!("  (cost={:.2}..{:.2} rows={rows})", entry.start, entry.cost);
    }
    if request.analyze {
        text += &match actual(entry) {
            None => " (never executed)".to_owned(),
            Some((rows, loops, each)) if request.timing => {
                format!(" (actual time={each:.3} rows={rows} loops={loops})")
            }
            Some((rows, loops, _)) => format!(" (actual rows={rows} loops={loops})"),
        };
    }
    text
}

/// Rows and milliseconds of one loop, and loops.
fn actual(entry: &Entry) -> Option<(u64, u64, f64)> {
    let (rows, loops, micros) = entry.measured?;
    let of = loops.max(1);
    (loops > 0).then(|| {
        (
            (rows + of / 2) / of,
            loops,
            micros as f64 / 1000.0 / of as f64,
        )
    })
}

fn text(entry: &Entry, request: &Request, depth: usize, lines: &mut Vec<String>) {
    let (indent, arrow) = match depth {
        0 => (String::new(), ""),
        _ => (" ".repeat(depth * 6 - 4), "->  "),
    };
    let figures = figures(entry, request);
    lines.push(format!("{indent}{arrow}{}{figures}", entry.title));
    let below = " ".repeat(depth * 6 + 2);
    if request.verbose && !entry.output.is_empty() {
        lines.push(format!("{below}Output: {}", entry.output.join(", ")));
    }
    for (label, value) in &entry.details {
        lines.push(format!("{below}{label}: {value}"));
    }
    if let Some(spent) = &entry.spent {
        lines.push(format!("{below}{}", spent::text(spent)));
    }
    if entry.workers > 0 {
        lines.push(format!("{below}Workers Launched: {}", entry.workers));
    }
    for child in &entry.children {
        text(child, request, depth + 1, lines);
    }
}

fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for letter in text.chars() {
        match letter {
            '"' => out += "\\\"",
            '\\' => out += "\\\\",
            '\n' => out += "\\n",
            control if control < ' ' => out += &format!("\\u{:04x}", control as u32),
            other => out.push(other),
        }
    }
    out + "\""
}

fn json(entry: &Entry, request: &Request, indent: usize, out: &mut String) {
    let mut fields = vec![("Node Type", quoted(&entry.title))];
    if request.costs {
        fields.push(("Startup Cost", format!("{:.2}", entry.start)));
        fields.push(("Total Cost", format!("{:.2}", entry.cost)));
        fields.push(("Plan Rows", format!("{}", entry.rows.max(1.0).round())));
    }
    if request.analyze {
        let (rows, loops, each) = actual(entry).unwrap_or_default();
        if request.timing {
            fields.push(("Actual Total Time", format!("{each:.3}")));
        }
        fields.push(("Actual Rows", rows.to_string()));
        fields.push(("Actual Loops", loops.to_string()));
    }
    if request.verbose {
        let output: Vec<String> = entry.output.iter().map(|name| quoted(name)).collect();
        fields.push(("Output", format!("[{}]", output.join(", "))));
    }
    for (label, value) in &entry.details {
        fields.push((label, quoted(value)));
    }
    if let Some(spent) = &entry.spent {
        fields.extend(spent::fields(spent));
    }
    if entry.workers > 0 {
        fields.push(("Workers Launched", entry.workers.to_string()));
    }
    let space = " ".repeat(indent + 2);
    let fields = fields.iter();
    let fields = fields.map(|(name, value)| format!("{space}\"{name}\": {value}"));
    *out += &format!("{{\n{}", fields.collect::<Vec<_>>().join(",\n"));
    if !entry.children.is_empty() {
        *out += &format!(",\n{space}\"Plans\": [\n{space}  ");
        for (index, child) in entry.children.iter().enumerate() {
            if index > 0 {
                *out += &format!(",\n{space}  ");
            }
            json(child, request, indent + 4, out);
        }
        *out += &format!("\n{space}]");
    }
    *out += &format!("\n{}}}", " ".repeat(indent));
}

/// Writes a node and those below, and gives its number.
fn dot(entry: &Entry, request: &Request, next: &mut usize, lines: &mut Vec<String>) -> usize {
    let number = *next;
    *next += 1;
    let mut label = entry.title.clone();
    if request.verbose && !entry.output.is_empty() {
        label += &format!("\nOutput: {}", entry.output.join(", "));
    }
    for (name, value) in &entry.details {
        label += &format!("\n{name}: {value}");
    }
    let figures = figures(entry, request);
    if !figures.is_empty() {
        label += &format!("\n{}", figures.trim());
    }
    lines.push(format!("  n{number} [label={}];", quoted(&label)));
    for child in &entry.children {
        let below = dot(child, request, next, lines);
        lines.push(format!("  n{below} -> n{number};"));
    }
    number
}
