//! Fields of CSV as RFC 4180 has them, for engines that do not read files themselves.

use std::io::BufRead;

use crate::engine::Result;

/// Reads a record; `None` at the end. A field that is empty and not quoted is absent.
pub(crate) fn record(
    source: &mut impl BufRead,
    line: &mut String,
    fields: &mut Vec<Option<String>>,
) -> Result<bool> {
    line.clear();
    fields.clear();
    if source.read_line(line)? == 0 {
        return Ok(false);
    }
    // A line break within quotes belongs to the field.
    while line.matches('"').count() % 2 == 1 {
        if source.read_line(line)? == 0 {
            break;
        }
    }
    let mut rest = line.trim_end_matches(['\n', '\r']);
    loop {
        let (field, after) = field(rest);
        fields.push(field);
        match after {
            Some(after) => rest = after,
            None => return Ok(true),
        }
    }
}

/// The first field, and what comes after its comma.
fn field(text: &str) -> (Option<String>, Option<&str>) {
    let Some(mut rest) = text.strip_prefix('"') else {
        let (field, after) = match text.split_once(',') {
            Some((field, after)) => (field, Some(after)),
            None => (text, None),
        };
        return ((!field.is_empty()).then(|| field.to_owned()), after);
    };
    let mut field = String::new();
    while let Some(end) = rest.find('"') {
        field.push_str(&rest[..end]);
        rest = &rest[end + 1..];
        match rest.strip_prefix('"') {
            Some(after) => {
                field.push('"');
                rest = after;
            }
            None => break,
        }
    }
    (Some(field), rest.strip_prefix(','))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_commas_and_absence_are_read() {
        let mut source = "a,,\"\",\"b,\"\"c\"\"\nd\"\r\ne\n".as_bytes();
        let (mut line, mut fields) = (String::new(), Vec::new());
        assert!(record(&mut source, &mut line, &mut fields).unwrap());
        let texts: Vec<_> = fields.iter().map(Option::as_deref).collect();
        assert_eq!(texts, [Some("a"), None, Some(""), Some("b,\"c\"\nd")]);
        assert!(record(&mut source, &mut line, &mut fields).unwrap());
        assert_eq!(fields, [Some("e".to_owned())]);
        assert!(!record(&mut source, &mut line, &mut fields).unwrap());
    }
}
