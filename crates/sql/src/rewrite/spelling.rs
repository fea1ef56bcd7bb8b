//! Other spellings: what PostgreSQL lets one write in two ways, of which the parser knows one.
//!
//! | written | becomes |
//! |---|---|
//! | `TABLE t` | `SELECT * FROM t` |
//! | `ONLY t`, `ONLY (t)` | `t`: tables have no descendants |
//! | `a ISNULL` | `a IS NULL` |
//! | `a NOT LIKE ANY (...)` | `a !~~ ANY (...)` |
//! | `TRIM(LEADING FROM a)` | `TRIM(LEADING a)` |
//! | `NORMALIZE(a, NFC)` | `NORMALIZE(a, 'NFC')` |
//! | `BETWEEN ASYMMETRIC` | `BETWEEN` |
//! | `FOR READ ONLY` | nothing |
//! | `GROUP BY ALL a` | `GROUP BY a` |
//! | `GROUP BY DISTINCT a` | `GROUP BY "\0DISTINCT", a` |
//! | `FETCH FIRST (a) ROWS ONLY` | `LIMIT (a)` |
//! | `NATIONAL CHARACTER`, `NCHAR` | `CHARACTER` |
//! | `int ARRAY[4]`, `int ARRAY` | `int[4]`, `int[]` |
//! | `INTERVAL(3) 'a'` | `CAST('a' AS INTERVAL(3))` |
//! | `NULLS DISTINCT` | nothing: unique keys are so |
//! | `'a'`, a line's end, `'b'` | `'ab'` |
//!
//! Those of whole statements are [`super::statement`]'s.

use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::{Token, TokenWithSpan, Whitespace, Word};

use super::records::{columns_alone, gives_records};
use super::trim::trim_from;
use super::{is_word, marked, solid, statement};

/// Begins the list of GROUP BY DISTINCT.
pub(crate) const GROUP_DISTINCT: &str = "\0DISTINCT";

/// Statements without any of these words are spelled as the parser knows it.
pub(super) fn is_suspect(token: &Token) -> bool {
    use Keyword as K;
    let Token::Word(word) = token else {
        return false;
    };
    word.quote_style.is_none()
        && match word.keyword {
            K::TABLE | K::ONLY | K::ANY | K::ALL | K::SOME | K::TRIM | K::NORMALIZE => true,
            K::READ | K::DISTINCT | K::FETCH | K::NATIONAL | K::NCHAR | K::ARRAY => true,
            K::INTERVAL | K::NULLS | K::RECURSIVE | K::SESSION | K::ZONE | K::SCHEMA | K::VALID => {
                true
            }
            K::ASYMMETRIC | K::CONCURRENTLY | K::DEFERRABLE | K::CHECK => true,
            K::NoKeyword => word.value.eq_ignore_ascii_case("isnull") || gives_records(&word.value),
            _ => false,
        }
}

/// Rewrites what is written so.
pub(super) fn respell(tokens: &mut Vec<TokenWithSpan>) {
    let mut place = 0;
    let mut is_first = true;
    while place < tokens.len() {
        match &tokens[place].token {
            Token::Whitespace(_) => (),
            Token::SemiColon => is_first = true,
            _ => {
                if std::mem::take(&mut is_first) {
                    statement::respell(tokens, place);
                }
                word(tokens, place);
            }
        }
        place += 1;
    }
}

/// What is told by a word and its neighbours.
fn word(tokens: &mut Vec<TokenWithSpan>, place: usize) {
    use Keyword as K;
    let Token::Word(word) = &tokens[place].token else {
        return;
    };
    if word.quote_style.is_some() {
        return;
    }
    match word.keyword {
        K::TABLE => table(tokens, place),
        K::ONLY => only(tokens, place),
        K::LIKE | K::ILIKE => like_any(tokens, place),
        K::TRIM => trim_from(tokens, place),
        K::NORMALIZE => normalize(tokens, place),
        K::FOR if are_words(tokens, place, &["FOR", "READ", "ONLY"]) => {
            let end = nth(tokens, place, 2);
            tokens.splice(place..=end, [blank(tokens, place)]);
        }
        K::GROUP => group_by(tokens, place),
        K::FETCH => fetch(tokens, place),
        K::NATIONAL if next_is(tokens, place, &["CHARACTER", "CHAR"]) => {
            tokens[place] = blank(tokens, place);
        }
        K::ASYMMETRIC if is_any(before(tokens, place), &["BETWEEN"]) => {
            tokens[place] = blank(tokens, place);
        }
        K::INTERVAL => interval(tokens, place),
        K::NCHAR => tokens[place] = plain("char", K::CHAR, &tokens[place]),
        K::ARRAY => array_type(tokens, place),
        K::NULLS if next_is(tokens, place, &["DISTINCT"]) => {
            let end = nth(tokens, place, 1);
            tokens.splice(place..=end, [blank(tokens, place)]);
        }
        K::NoKeyword if is_word(&tokens[place].token, "ISNULL") => is_null(tokens, place),
        K::NoKeyword if gives_records(&word.value) => columns_alone(tokens, place),
        _ => (),
    }
}

/// The place of the n-th token that is not blank, from a place on that is not blank.
pub(super) fn nth(tokens: &[TokenWithSpan], start: usize, n: usize) -> usize {
    solid(tokens, start).nth(n).unwrap_or(tokens.len())
}

/// The token before a place that is not blank.
fn before(tokens: &[TokenWithSpan], place: usize) -> Option<&Token> {
    let mut before = tokens[..place].iter().rev().map(|token| &token.token);
    before.find(|token| !matches!(token, Token::Whitespace(_)))
}

pub(super) fn are_words(tokens: &[TokenWithSpan], start: usize, words: &[&str]) -> bool {
    let mut at = solid(tokens, start);
    words
        .iter()
        .all(|word| at.next().is_some_and(|at| is_word(&tokens[at].token, word)))
}

pub(super) fn next_is(tokens: &[TokenWithSpan], place: usize, words: &[&str]) -> bool {
    words
        .iter()
        .any(|word| are_words(tokens, place + 1, &[word]))
}

pub(super) fn is_any(token: Option<&Token>, words: &[&str]) -> bool {
    token.is_some_and(|token| words.iter().any(|word| is_word(token, word)))
}

pub(super) fn blank(tokens: &[TokenWithSpan], place: usize) -> TokenWithSpan {
    TokenWithSpan {
        token: Token::Whitespace(Whitespace::Space),
        span: tokens[place].span,
    }
}

pub(super) fn plain(value: &str, keyword: Keyword, like: &TokenWithSpan) -> TokenWithSpan {
    let token = Token::Word(Word {
        value: value.to_owned(),
        quote_style: None,
        keyword,
    });
    TokenWithSpan {
        token,
        span: like.span,
    }
}

pub(super) fn symbol(token: Token, like: &TokenWithSpan) -> TokenWithSpan {
    TokenWithSpan {
        token,
        span: like.span,
    }
}

/// `TABLE t`, where a query may stand.
fn table(tokens: &mut Vec<TokenWithSpan>, place: usize) {
    const NO_QUERY_BEHIND: [&str; 20] = [
        "ALTER",
        "ANALYZE",
        "BY",
        "COPY",
        "CREATE",
        "DROP",
        "EXISTS",
        "FOREIGN",
        "GLOBAL",
        "IN",
        "INTO",
        "LOCAL",
        "LOCK",
        "ON",
        "REINDEX",
        "TEMP",
        "TEMPORARY",
        "TRUNCATE",
        "UNLOGGED",
        "VACUUM",
    ];
    let ends_query = |word: &Word| {
        use Keyword as K;
        matches!(
            word.keyword,
            K::FROM
                | K::WHERE
                | K::UNION
                | K::EXCEPT
                | K::INTERSECT
                | K::ORDER
                | K::GROUP
                | K::LIMIT
                | K::OFFSET
                | K::FETCH
                | K::FOR
                | K::HAVING
                | K::WINDOW
                | K::INTO
        )
    };
    let names = match solid(tokens, place + 1).next().map(|at| &tokens[at].token) {
        Some(Token::Word(word)) => word.quote_style.is_some() || !ends_query(word),
        _ => false,
    };
    if !names || is_any(before(tokens, place), &NO_QUERY_BEHIND) {
        return;
    }
    let like = tokens[place].clone();
    let space = || symbol(Token::Whitespace(Whitespace::Space), &like);
    let new = [
        plain("SELECT", Keyword::SELECT, &like),
        space(),
        symbol(Token::Mul, &like),
        space(),
        plain("FROM", Keyword::FROM, &like),
    ];
    tokens.splice(place..=place, new);
}

/// `ONLY` before a table's name.
fn only(tokens: &mut [TokenWithSpan], place: usize) {
    let previous = before(tokens, place);
    let is_list = previous == Some(&Token::Comma) || previous == Some(&Token::LParen);
    let words = ["FROM", "UPDATE", "TABLE", "JOIN", "TRUNCATE", "LOCK", "ON"];
    if !is_list && !is_any(previous, &words) {
        return;
    }
    let next: Vec<usize> = solid(tokens, place + 1).take(1).collect();
    match next.first().map(|at| &tokens[*at].token) {
        Some(Token::Word(_)) => tokens[place] = blank(tokens, place),
        Some(Token::LParen) => {
            let close = (next[0]..tokens.len()).find(|at| tokens[*at].token == Token::RParen);
            for at in [Some(place), Some(next[0]), close].into_iter().flatten() {
                tokens[at] = blank(tokens, at);
            }
        }
        _ => (),
    }
}

/// `[NOT] LIKE ANY (...)` is an operator with ANY.
fn like_any(tokens: &mut [TokenWithSpan], place: usize) {
    if !next_is(tokens, place, &["ANY", "ALL", "SOME"]) {
        return;
    }
    let not = (0..place)
        .rev()
        .find(|at| !matches!(tokens[*at].token, Token::Whitespace(_)))
        .filter(|at| is_word(&tokens[*at].token, "NOT"));
    let folds = is_word(&tokens[place].token, "ILIKE");
    let operator = match (not.is_some(), folds) {
        (false, false) => Token::DoubleTilde,
        (false, true) => Token::DoubleTildeAsterisk,
        (true, false) => Token::ExclamationMarkDoubleTilde,
        (true, true) => Token::ExclamationMarkDoubleTildeAsterisk,
    };
    tokens[place] = symbol(operator, &tokens[place]);
    if let Some(not) = not {
        tokens[not] = blank(tokens, not);
    }
}

/// `NORMALIZE(a, NFC)`: the form is a word.
fn normalize(tokens: &mut [TokenWithSpan], place: usize) {
    let mut depth = 0;
    for at in place + 1..tokens.len() {
        match &tokens[at].token {
            Token::LParen => depth += 1,
            Token::RParen if depth <= 1 => return,
            Token::RParen => depth -= 1,
            Token::Comma if depth == 1 => {
                let forms = ["NFC", "NFD", "NFKC", "NFKD"];
                let form = nth(tokens, at + 1, 0);
                if form < tokens.len() && is_any(Some(&tokens[form].token), &forms) {
                    let text = tokens[form].token.to_string();
                    tokens[form] = symbol(Token::SingleQuotedString(text), &tokens[form]);
                }
                return;
            }
            _ => (),
        }
    }
}

/// `GROUP BY ALL a` and `GROUP BY DISTINCT a`.
fn group_by(tokens: &mut Vec<TokenWithSpan>, place: usize) {
    let (by, word) = (nth(tokens, place, 1), nth(tokens, place, 2));
    if word >= tokens.len() || !is_word(&tokens[by].token, "BY") {
        return;
    }
    if is_word(&tokens[word].token, "ALL") {
        tokens[word] = blank(tokens, word);
    } else if is_word(&tokens[word].token, "DISTINCT") {
        let name = marked(GROUP_DISTINCT, &tokens[word]);
        let comma = symbol(Token::Comma, &tokens[word]);
        tokens.splice(word..=word, [name, comma]);
    }
}

/// `FETCH FIRST (a) ROWS ONLY`.
fn fetch(tokens: &mut Vec<TokenWithSpan>, place: usize) {
    let (first, open) = (nth(tokens, place, 1), nth(tokens, place, 2));
    if open >= tokens.len()
        || !is_any(Some(&tokens[first].token), &["FIRST", "NEXT"])
        || tokens[open].token != Token::LParen
    {
        return;
    }
    let mut depth = 0;
    for at in open..tokens.len() {
        match &tokens[at].token {
            Token::LParen => depth += 1,
            Token::RParen => depth -= 1,
            _ => (),
        }
        if depth == 0 {
            let (row, only) = (nth(tokens, at, 1), nth(tokens, at, 2));
            if are_words(tokens, at + 1, &["ROW", "ONLY"])
                || are_words(tokens, at + 1, &["ROWS", "ONLY"])
            {
                tokens.drain(row..=only);
                tokens[first] = blank(tokens, first);
                tokens[place] = plain("LIMIT", Keyword::LIMIT, &tokens[place]);
            }
            return;
        }
    }
}

/// `INTERVAL(3) 'a'`, whose digits the parser forgets.
fn interval(tokens: &mut Vec<TokenWithSpan>, place: usize) {
    let next: Vec<usize> = solid(tokens, place + 1).take(4).collect();
    let [open, digits, close, text] = next[..] else {
        return;
    };
    let fits = tokens[open].token == Token::LParen
        && matches!(tokens[digits].token, Token::Number(..))
        && tokens[close].token == Token::RParen
        && matches!(tokens[text].token, Token::SingleQuotedString(_));
    if !fits {
        return;
    }
    let like = tokens[place].clone();
    let space = || symbol(Token::Whitespace(Whitespace::Space), &like);
    let mut new = vec![plain("CAST", Keyword::CAST, &like)];
    new.push(symbol(Token::LParen, &like));
    new.push(tokens[text].clone());
    new.extend([space(), plain("AS", Keyword::AS, &like), space()]);
    new.extend(tokens[place..=close].iter().cloned());
    new.push(symbol(Token::RParen, &like));
    tokens.splice(place..=text, new);
}

/// `ARRAY` behind the name of a type.
fn array_type(tokens: &mut Vec<TokenWithSpan>, place: usize) {
    use Keyword as K;
    let is_type = match before(tokens, place) {
        Some(Token::RParen) => true,
        Some(Token::Word(word)) if word.quote_style.is_none() => matches!(
            word.keyword,
            K::INT
                | K::INTEGER
                | K::INT2
                | K::INT4
                | K::INT8
                | K::SMALLINT
                | K::BIGINT
                | K::TEXT
                | K::BOOL
                | K::BOOLEAN
                | K::REAL
                | K::FLOAT
                | K::FLOAT4
                | K::FLOAT8
                | K::PRECISION
                | K::NUMERIC
                | K::DECIMAL
                | K::VARCHAR
                | K::CHAR
                | K::CHARACTER
                | K::DATE
                | K::TIME
                | K::TIMESTAMP
                | K::TIMESTAMPTZ
                | K::INTERVAL
                | K::UUID
                | K::JSON
                | K::JSONB
                | K::BYTEA
                | K::ZONE
        ),
        _ => false,
    };
    if !is_type {
        return;
    }
    let has_bound = solid(tokens, place + 1)
        .next()
        .is_some_and(|at| tokens[at].token == Token::LBracket);
    let new = match has_bound {
        true => vec![blank(tokens, place)],
        false => vec![
            symbol(Token::LBracket, &tokens[place]),
            symbol(Token::RBracket, &tokens[place]),
        ],
    };
    tokens.splice(place..=place, new);
}

/// `a ISNULL`.
fn is_null(tokens: &mut Vec<TokenWithSpan>, place: usize) {
    let is_operand = match before(tokens, place) {
        Some(Token::Word(word)) => word.quote_style.is_some() || !is_keyword_before(word.keyword),
        Some(Token::RParen | Token::RBracket | Token::Number(..) | Token::Placeholder(_)) => true,
        Some(Token::SingleQuotedString(_) | Token::EscapedStringLiteral(_)) => true,
        _ => false,
    };
    let is_call = solid(tokens, place + 1)
        .next()
        .is_some_and(|at| tokens[at].token == Token::LParen);
    if is_operand && !is_call {
        let like = tokens[place].clone();
        let new = [
            plain("IS", Keyword::IS, &like),
            symbol(Token::Whitespace(Whitespace::Space), &like),
            plain("NULL", Keyword::NULL, &like),
        ];
        tokens.splice(place..=place, new);
    }
}

/// Words behind which no operator stands.
fn is_keyword_before(keyword: Keyword) -> bool {
    use Keyword as K;
    matches!(
        keyword,
        K::AS
            | K::SELECT
            | K::DISTINCT
            | K::ALL
            | K::WHERE
            | K::AND
            | K::OR
            | K::NOT
            | K::FROM
            | K::JOIN
            | K::BY
            | K::HAVING
            | K::ON
            | K::WHEN
            | K::THEN
            | K::ELSE
            | K::CASE
            | K::TABLE
            | K::COLUMN
            | K::FUNCTION
    )
}

/// Texts with the end of a line between them are one. Gives the place of one that is not.
pub(crate) fn join_texts(tokens: &mut Vec<TokenWithSpan>) -> Result<(), TokenWithSpan> {
    let mut last: Option<usize> = None;
    let mut has_line = false;
    let mut place = 0;
    while place < tokens.len() {
        match &tokens[place].token {
            Token::Whitespace(Whitespace::Newline) => has_line = true,
            Token::Whitespace(Whitespace::SingleLineComment { .. }) => has_line = true,
            Token::Whitespace(_) => (),
            Token::SingleQuotedString(more) => {
                if let Some(first) = last {
                    let more = more.clone();
                    if !has_line {
                        return Err(tokens[place].clone());
                    }
                    if let Token::SingleQuotedString(text) | Token::EscapedStringLiteral(text) =
                        &mut tokens[first].token
                    {
                        text.push_str(&more);
                    }
                    tokens.drain(first + 1..=place);
                    place = first;
                }
                last = Some(place);
                has_line = false;
            }
            Token::EscapedStringLiteral(_) => {
                last = Some(place);
                has_line = false;
            }
            _ => last = None,
        }
        place += 1;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::parse::parse;

    fn read(text: &str) -> String {
        parse(text).unwrap()[0].to_string()
    }

    #[test]
    fn what_is_spelled_otherwise_is_the_same_statement() {
        for (one, other) in [
            ("table only t", "select * from t"),
            ("select exists (table t)", "select exists (select * from t)"),
            ("update only (t) set a = 1", "update t set a = 1"),
            (
                "select a isnull, (b) isnull",
                "select a is null, (b) is null",
            ),
            ("select isnull(a), isnull", "select isnull(a), isnull"),
            ("select a not ilike any (b)", "select a !~~* any (b)"),
            ("select trim(both from a)", "select trim(both a)"),
            ("select a from t for read only", "select a from t"),
            (
                "select a from t fetch next (1 + 1) rows only",
                "select a from t limit (1 + 1)",
            ),
            ("select 'a' -- one\n 'b'", "select 'ab'"),
            (
                "select a between asymmetric 1 and 2",
                "select a between 1 and 2",
            ),
            (
                "select a between symmetric 2 and 1",
                "select (a between 2 and 1 or a between 1 and 2)",
            ),
            (
                "create or replace recursive view v (a) as values (1) union all select a from v;",
                "create or replace view v (a) as with recursive v (a) as \
                 (values (1) union all select a from v) select a from v",
            ),
        ] {
            assert_eq!(read(one), read(other), "{one}");
        }
    }

    #[test]
    fn words_that_are_no_clauses_stay() {
        for text in [
            "SELECT 1 AS table FROM t",
            "SELECT 'only', \"only\", \"isnull\" FROM t",
            "SELECT ARRAY[1]",
            "SELECT count(ALL a) FROM t",
        ] {
            assert_eq!(read(text), text);
        }
    }

    #[test]
    fn tests_that_are_written_out_do_not_grow_without_bound() {
        let mut text = "1".to_owned();
        for _ in 0..40 {
            text = format!("({text} between symmetric 1 and 2)");
        }
        let error = parse(&format!("select {text}")).unwrap_err();
        assert_eq!(error.state(), crate::error::SqlState::STATEMENT_TOO_COMPLEX);
    }
}
