//! What a person who mistyped a name may have meant.

/// The name nearest to `word`, if one is near.
pub fn nearest<'n>(word: &str, names: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    let limit = (word.chars().count() / 3).max(1);
    names
        .into_iter()
        .map(|name| (distance(word, name), name))
        .filter(|(distance, _)| *distance <= limit)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// How many letters have to be added, removed, replaced or swapped with their neighbour to come
/// from one word to the other.
pub fn distance(one: &str, other: &str) -> usize {
    let one: Vec<char> = one.chars().collect();
    let other: Vec<char> = other.chars().collect();
    let mut rows: Vec<Vec<usize>> = vec![(0..=other.len()).collect()];
    for (i, from) in one.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, to) in other.iter().enumerate() {
            let replaced = rows[i][j] + usize::from(from != to);
            let mut best = replaced.min(rows[i][j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && *from == other[j - 1] && one[i - 1] == *to {
                best = best.min(rows[i - 1][j - 1] + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }
    rows[one.len()][other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distance_counts_edits() {
        for (one, other, edits) in [
            ("", "", 0),
            ("get", "get", 0),
            ("get", "gte", 1),
            ("scan", "sacn", 1),
            ("put", "", 3),
        ] {
            assert_eq!(distance(one, other), edits, "{one} {other}");
        }
    }

    #[test]
    fn only_near_names_are_offered() {
        let names = ["get", "put", "delete", "checkpoint"];
        assert_eq!(nearest("gte", names), Some("get"));
        assert_eq!(nearest("chekpiont", names), Some("checkpoint"));
        assert_eq!(nearest("select", names), None);
    }
}
