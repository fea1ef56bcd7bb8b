//! Names like one that is not there, for hints: PostgreSQL's rules.
//!
//! A name is alike if at most half of its letters and at most three have to be changed, put in or
//! taken out. The nearest one is suggested, or two of them that are equally near; three are too
//! many to help.

use super::scope::{FromNames, NamedColumn, Relation};

/// How many letters may differ.
const DISTANCE_MAX: usize = 3;

/// What may have been meant by a column's name, with or without that of a relation before it.
pub(super) fn hint<'n>(
    scopes: impl Iterator<Item = &'n FromNames>,
    relation: Option<&str>,
    column: &str,
) -> Option<String> {
    let mut best = DISTANCE_MAX + 1;
    let mut found: Vec<(&Relation, &NamedColumn)> = Vec::new();
    let candidates = scopes.flat_map(|names| &names.relations);
    for other in candidates {
        let apart = relation.map_or(0, |relation| distance(relation, &other.name));
        for candidate in &other.columns {
            let far = distance(&candidate.name, column);
            if far > column.len() / 2 || far + apart > best {
                continue;
            }
            match far + apart < best {
                true => {
                    best = far + apart;
                    found = vec![(other, candidate)];
                }
                false if found.len() < 2 => found.push((other, candidate)),
                false => {
                    found.clear();
                    best -= 1;
                }
            }
        }
    }
    let quoted = |(relation, column): &(&Relation, &NamedColumn)| {
        format!("the column \"{}.{}\"", relation.name, column.name)
    };
    let named: Vec<String> = found.iter().map(quoted).collect();
    let is_near = !named.is_empty() && best <= DISTANCE_MAX;
    is_near.then(|| format!("Perhaps you meant to reference {}.", named.join(" or ")))
}

/// How many letters have to be changed, put in or taken out to make one of the other.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (line, letter) in one.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = line + 1;
        for (place, theirs) in other.iter().enumerate() {
            let changed = diagonal + usize::from(letter != *theirs);
            diagonal = row[place + 1];
            row[place + 1] = changed.min(diagonal + 1).min(row[place] + 1);
        }
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_count_letters() {
        assert_eq!(distance("", ""), 0);
        assert_eq!(distance("nam", "name"), 1);
        assert_eq!(distance("größe", "grösse"), 2);
        assert_eq!(distance("abc", ""), 3);
        assert_eq!(distance("kitten", "sitting"), 3);
    }
}
