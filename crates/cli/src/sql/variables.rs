//! Variables that `\set` and `-v` set, and their values in statements: `:name` as it is, `:'name'`
//! as a text, `:"name"` as a name; `:{?name}` says whether it is set.

use std::collections::BTreeMap;

/// The text with the values of the variables that it names. What is in quotes or comments stays.
pub fn filled(text: &str, variables: &BTreeMap<String, String>) -> String {
    if !text.contains(':') {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(letter) = rest.chars().next() {
        let skipped = match letter {
            '\'' | '"' => {
                let end = rest[1..].find(letter).map_or(rest.len(), |end| end + 2);
                &rest[..end]
            }
            ':' if rest.starts_with("::") || rest.starts_with(":=") => &rest[..2],
            ':' => match variable(rest, variables) {
                Some((length, value)) => {
                    out.push_str(&value);
                    rest = &rest[length..];
                    continue;
                }
                None => &rest[..1],
            },
            '-' if rest.starts_with("--") => {
                let end = rest.find('\n').unwrap_or(rest.len());
                &rest[..end]
            }
            other => &rest[..other.len_utf8()],
        };
        out.push_str(skipped);
        rest = &rest[skipped.len()..];
    }
    out
}

/// The variable named at the beginning of a text: how long that is, and what it stands for.
fn variable(rest: &str, variables: &BTreeMap<String, String>) -> Option<(usize, String)> {
    let after = &rest[1..];
    if let Some((name, _)) = after.strip_prefix("{?").and_then(|it| it.split_once('}')) {
        let is_set = if variables.contains_key(name) {
            "TRUE"
        } else {
            "FALSE"
        };
        return Some((":{?}".len() + name.len(), is_set.to_owned()));
    }
    let quote = after.chars().next().filter(|it| matches!(it, '\'' | '"'));
    let name = match quote {
        Some(quote) => &after[1..after[1..].find(quote)? + 1],
        None => {
            let is_name = |it: char| it.is_alphanumeric() || it == '_';
            let end = after.find(|it: char| !is_name(it)).unwrap_or(after.len());
            &after[..end]
        }
    };
    let value = variables.get(name)?;
    Some(match quote {
        None => (1 + name.len(), value.clone()),
        Some(quote) => {
            let doubled = value.replace(quote, &format!("{quote}{quote}"));
            (3 + name.len(), format!("{quote}{doubled}{quote}"))
        }
    })
}

/// Whether a variable is set to something that means yes.
pub fn is_on(variables: &BTreeMap<String, String>, name: &str) -> bool {
    let value = variables.get(name).map(|text| text.to_lowercase());
    value.is_some_and(|text| !["", "off", "false", "no", "0"].contains(&text.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_filled_in_outside_of_quotes() {
        let set = [("n", "7"), ("s", "it's")].map(|(name, value)| (name.into(), value.into()));
        let variables = BTreeMap::from(set);
        for (text, expected) in [
            ("select :n, :'s', :\"s\"", "select 7, 'it''s', \"it's\""),
            ("select ':n', x::n, :unknown", "select ':n', x::n, :unknown"),
            ("select :n -- :n\n:n", "select 7 -- :n\n7"),
            (":{?n} :{?m} :{?", "TRUE FALSE :{?"),
        ] {
            assert_eq!(filled(text, &variables), expected);
        }
    }

    #[test]
    fn a_switch_is_on_unless_it_says_no() {
        let set = [("a", "1"), ("b", "off")].map(|(name, value)| (name.into(), value.into()));
        let variables = BTreeMap::from(set);
        assert!(is_on(&variables, "a"));
        assert!(!is_on(&variables, "b"));
        assert!(!is_on(&variables, "c"));
    }
}
