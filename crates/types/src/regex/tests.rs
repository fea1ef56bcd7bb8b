//! What PostgreSQL answers, checked without one; the differential test checks more.

use super::*;

fn find(pattern: &str, text: &str) -> Option<Vec<Option<String>>> {
    let letters: Vec<char> = text.chars().collect();
    let regex = Regex::new(pattern, Options::default()).unwrap();
    let part = |(start, end)| letters[start..end].iter().collect::<String>();
    let found = regex.find(&letters, 0).unwrap()?;
    Some(found.into_iter().map(|span| span.map(part)).collect())
}

fn whole(pattern: &str, text: &str) -> Option<String> {
    find(pattern, text)?.remove(0)
}

fn groups(pattern: &str, text: &str) -> String {
    let found = find(pattern, text).unwrap();
    let word = |part: &Option<String>| part.clone().unwrap_or_else(|| "-".to_owned());
    found[1..].iter().map(word).collect::<Vec<_>>().join(",")
}

#[test]
fn the_longest_of_the_first_wins() {
    assert_eq!(whole("ab|abcd", "xabcd").as_deref(), Some("abcd"));
    assert_eq!(whole("a*", "baaa").as_deref(), Some(""));
    assert_eq!(whole("(?:a|ab)(?:c|bcd)?", "abcd").as_deref(), Some("abcd"));
    assert_eq!(whole("a{2,3}?", "aaaa").as_deref(), Some("aa"));
    assert_eq!(whole("^$", "a"), None);
}

#[test]
fn the_first_quantifier_says_what_the_whole_prefers() {
    assert_eq!(groups("Y*([0-9]{1,3})", "XY1234Z"), "123");
    assert_eq!(groups("Y*?([0-9]{1,3})", "XY1234Z"), "1");
    assert_eq!(whole("a.*?b+", "aXbbYbb").as_deref(), Some("aXb"));
}

#[test]
fn brackets_have_their_parts() {
    assert_eq!(groups("(a|ab)(c|bcd)(d*)", "abcd"), "ab,c,d");
    assert_eq!(groups("(x)|(y)", "y"), "-,y");
    assert_eq!(groups("(a|b)*", "abab"), "b");
    assert_eq!(groups("(.*)(.*)", "ab"), "ab,");
    // The first quantifier makes the whole short.
    assert_eq!(groups("(.*?)(.*)", "ab"), ",");
}

#[test]
fn references_repeat_what_was_found() {
    assert_eq!(
        whole(r"(\w+) \1", "one two two").as_deref(),
        Some("two two")
    );
    assert_eq!(whole(r"^(a+)\1$", "aaa"), None);
    assert_eq!(whole(r"(a*)b\1", "aabaa").as_deref(), Some("aabaa"));
}

#[test]
fn surroundings_are_seen_and_not_taken() {
    assert_eq!(whole("a(?=b)", "acab").as_deref(), Some("a"));
    assert_eq!(whole("(?<!x)a", "xaya").as_deref(), Some("a"));
    assert_eq!(whole(r"\mfoo\M", "xfoo foo").as_deref(), Some("foo"));
}

#[test]
fn wrong_patterns_are_refused() {
    for pattern in [
        "(", ")", "[", "a**", "*", "\\", "a{2,1}", "a{256}", "[[:x:]]", "[b-a]", r"\1", "(?z)",
    ] {
        assert!(
            Regex::new(pattern, Options::default()).is_err(),
            "{pattern}"
        );
    }
    let deep = "(".repeat(10_000) + &")".repeat(10_000);
    assert!(Regex::new(&deep, Options::default()).is_err());
    assert!(Regex::new("((a{200}){200}){200}", Options::default()).is_err());
    assert!(Regex::new("(?b)a", Options::default()).is_err());
}

#[test]
fn long_texts_take_their_time_and_no_more() {
    let text: Vec<char> = "a".repeat(3000).chars().collect();
    let regex = Regex::new("(?:a*)*b", Options::default()).unwrap();
    assert!(!regex.is_match(&text).unwrap());
    let regex = Regex::new("(a|b)*", Options::default()).unwrap();
    assert_eq!(regex.find(&text, 0).unwrap().unwrap()[0], Some((0, 3000)));
}

#[test]
fn only_the_last_round_counts() {
    assert_eq!(groups("((a)|b)*", "ab"), "b,-");
    assert_eq!(groups("^a|((b){0,2}.){0,2}c(b)?|c", "bbabc"), "b,-,-");
    assert_eq!(groups(".(c*)*c{0,2}", "bbabbab"), "");
    assert_eq!(groups("(a??)??b{0,2}", "aaab"), "-");
    assert_eq!(groups(r"(){2}(\1)??\2{0}", ""), ",");
}

#[test]
fn letters_before_brackets_are_taken_as_one() {
    assert_eq!(groups("a?(?:ab)?(.*)", "abc"), "c");
    assert_eq!(groups("^(?:a|ab)(c?)(bcd)?", "abcd"), ",bcd");
}
