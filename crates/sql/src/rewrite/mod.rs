//! PostgreSQL's syntax that the parser does not know, written so that it can read it.
//!
//! The parser has no place for some clauses. Before it reads the tokens, such a clause is taken
//! out, and what it says is put into a name at a place the parser has: a name that begins with
//! the character zero, which no name in a text can have. The binder takes the clause out of the
//! name again.
//!
//! | clause | becomes |
//! |---|---|
//! | `(... ROWS ... EXCLUDE TIES)` of a window | `("\0TIES" ... ROWS ...)`: the name of a window |
//! | `FOR NO KEY UPDATE OF a, b` | `FOR UPDATE OF "\0NO KEY UPDATE\0a\0b"` |
//! | `f(VARIADIC a)` | `f("\0VARIADIC" => a)` |
//! | `ROWS FROM (f(), g())` | `"\0ROWS FROM" (f(), g())` |
//! | `SUBSTRING(a SIMILAR b ESCAPE c)` | `SUBSTRING(a, b, c)` |
//!
//! A distance of a frame that begins with a text, `'1 day' PRECEDING`, gets brackets: the parser
//! would take the text for an interval.

mod like;
mod names;
mod parts;
mod records;
mod rows;
mod search;
mod set_columns;
mod spelling;
mod statement;
mod trim;

use rustdb_txn::RowMode;
use sqlparser::ast::{Ident, LockClause, LockType, NonBlock};
use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::{Token, TokenWithSpan, Whitespace, Word};

use crate::bind::{name_of, object_name};
use crate::error::{Error, Result, SqlState};
use crate::plan::{FrameExclusion, LockWait};

pub(crate) use like::LIKE;
pub(crate) use names::{NOTHING, unicode};
pub(crate) use parts::PART;
pub(crate) use rows::{ALIAS, ALL};
pub(crate) use search::{CYCLE, SEARCH};
pub(crate) use set_columns::set_columns;
pub(crate) use spelling::{GROUP_DISTINCT, join_texts};

/// What begins a name that says a clause.
const MARK: char = '\0';

/// The name of an argument behind VARIADIC.
pub(crate) const VARIADIC: &str = "\0VARIADIC";

/// The function that ROWS FROM becomes.
pub(crate) const ROWS_FROM: &str = "\0ROWS FROM";

/// Statements without any of these words have no such clause.
const WORDS: [&str; 9] = [
    "EXCLUDE",
    "FOLLOWING",
    "PRECEDING",
    "ROWS",
    "SHARE",
    "SIMILAR",
    "SUBSTRING",
    "UPDATE",
    "VARIADIC",
];

/// The tokens with such clauses rewritten. A text with the character zero in it is as it is: it
/// is refused elsewhere.
pub(crate) fn rewrite(mut tokens: Vec<TokenWithSpan>) -> Vec<TokenWithSpan> {
    if tokens
        .iter()
        .any(|token| spelling::is_suspect(&token.token))
    {
        spelling::respell(&mut tokens);
    }
    if tokens.iter().any(|token| rows::is_suspect(&token.token)) {
        rows::rows(&mut tokens);
    }
    names::lists(&mut tokens);
    if tokens
        .iter()
        .any(|token| is_word(&token.token, "SEARCH") || is_word(&token.token, "CYCLE"))
    {
        search::searches(&mut tokens);
    }
    if tokens.iter().any(|token| token.token == Token::LBracket) {
        parts::parts(&mut tokens);
    }
    if tokens
        .iter()
        .any(|token| is_word(&token.token, "REFERENCES"))
    {
        set_columns::rewrite(&mut tokens);
    }
    let has = |words: &[&str]| {
        let mut tokens = tokens.iter();
        tokens.any(|token| words.iter().any(|word| is_word(&token.token, word)))
    };
    if !has(&WORDS) {
        return tokens;
    }
    locks(&mut tokens);
    variadic(&mut tokens);
    substrings(&mut tokens);
    rows_from(&mut tokens);
    exclusions(&mut tokens);
    bracket_distances(&mut tokens);
    tokens
}

/// The window that a window names, and the EXCLUDE of its frame.
pub(crate) fn exclusion(name: &Ident) -> (Option<String>, FrameExclusion) {
    let Some(marked) = name.value.strip_prefix(MARK) else {
        return (Some(name_of(name)), FrameExclusion::NoOthers);
    };
    let (clause, base) = match marked.split_once(MARK) {
        Some((clause, base)) => (clause, Some(base.to_owned())),
        None => (marked, None),
    };
    let exclusion = match clause {
        "CURRENT ROW" => FrameExclusion::CurrentRow,
        "GROUP" => FrameExclusion::Group,
        "TIES" => FrameExclusion::Ties,
        _ => FrameExclusion::NoOthers,
    };
    (base, exclusion)
}

/// What a clause like FOR UPDATE says.
#[derive(Clone, Debug)]
pub(crate) struct LockWords {
    pub(crate) mode: RowMode,
    /// The relations that are meant; none are all.
    pub(crate) of: Vec<String>,
    pub(crate) wait: LockWait,
}

/// The clause, with what was put into its name taken out.
pub(crate) fn lock_words(clause: &LockClause) -> Result<LockWords> {
    let wait = match clause.nonblock {
        None => LockWait::Wait,
        Some(NonBlock::Nowait) => LockWait::Fail,
        Some(NonBlock::SkipLocked) => LockWait::Skip,
    };
    let plain = match clause.lock_type {
        LockType::Share => RowMode::Share,
        LockType::Update => RowMode::Reserve,
    };
    let names = match &clause.of {
        None => Vec::new(),
        Some(name) => object_name(name)?,
    };
    let [name] = &names[..] else {
        if names.is_empty() {
            return Ok(LockWords {
                mode: plain,
                of: names,
                wait,
            });
        }
        let message = "FOR UPDATE must specify unqualified relation names";
        return Err(Error::new(SqlState::SYNTAX_ERROR, message));
    };
    let Some(marked) = name.strip_prefix(MARK) else {
        return Ok(LockWords {
            mode: plain,
            of: names,
            wait,
        });
    };
    let mut parts = marked.split(MARK);
    let mode = match parts.next() {
        Some("KEY SHARE") => RowMode::KeyShare,
        Some("SHARE") => RowMode::Share,
        Some("NO KEY UPDATE") => RowMode::NoKeyUpdate,
        _ => RowMode::Reserve,
    };
    Ok(LockWords {
        mode,
        of: parts.map(str::to_owned).collect(),
        wait,
    })
}

fn is_word(token: &Token, word: &str) -> bool {
    matches!(token, Token::Word(found)
        if found.quote_style.is_none() && found.value.eq_ignore_ascii_case(word))
}

/// The places of the tokens from `from` on that are not blank.
fn solid(tokens: &[TokenWithSpan], from: usize) -> impl Iterator<Item = usize> + '_ {
    let places = from..tokens.len();
    places.filter(|place| !matches!(tokens[*place].token, Token::Whitespace(_)))
}

/// `EXCLUDE TIES )` with a frame before it in the same brackets.
fn exclusions(tokens: &mut Vec<TokenWithSpan>) {
    let mut place = 0;
    while place < tokens.len() {
        if is_word(&tokens[place].token, "EXCLUDE")
            && let Some((clause, end)) = exclusion_at(tokens, place)
            && let Some(open) = opening(tokens, place)
        {
            tokens.drain(place..end);
            let mut value = format!("{MARK}{clause}");
            // A window that this one names comes first in the brackets.
            let first = solid(tokens, open + 1).next();
            if let Some(first) = first
                && let Token::Word(word) = &tokens[first].token
                && (word.quote_style.is_some() || !begins_window(&word.keyword))
            {
                let name = Ident {
                    value: word.value.clone(),
                    quote_style: word.quote_style,
                    span: tokens[first].span,
                };
                value = format!("{value}{MARK}{}", name_of(&name));
                tokens.remove(first);
            }
            let span = tokens[open].span;
            let token = Token::Word(Word {
                value,
                quote_style: Some('"'),
                keyword: Keyword::NoKeyword,
            });
            tokens.insert(open + 1, TokenWithSpan { token, span });
        }
        place += 1;
    }
}

fn bracket_distances(tokens: &mut Vec<TokenWithSpan>) {
    let mut place = 0;
    while place < tokens.len() {
        let before = tokens[..place]
            .iter()
            .rev()
            .find(|token| !matches!(token.token, Token::Whitespace(_)));
        let begins = ["ROWS", "RANGE", "GROUPS", "BETWEEN", "AND"];
        if matches!(tokens[place].token, Token::SingleQuotedString(_))
            && before.is_some_and(|token| begins.iter().any(|word| is_word(&token.token, word)))
            && let Some(end) = distance_end(tokens, place)
        {
            for (at, token) in [(end, Token::RParen), (place, Token::LParen)] {
                let span = tokens[at].span;
                tokens.insert(at, TokenWithSpan { token, span });
            }
        }
        place += 1;
    }
}

/// Where PRECEDING or FOLLOWING stands behind a distance.
fn distance_end(tokens: &[TokenWithSpan], place: usize) -> Option<usize> {
    let mut depth = 0;
    for (at, token) in tokens.iter().enumerate().skip(place) {
        match &token.token {
            Token::LParen => depth += 1,
            Token::RParen if depth == 0 => return None,
            Token::RParen => depth -= 1,
            Token::Comma | Token::SemiColon if depth == 0 => return None,
            token if depth == 0 => {
                if is_word(token, "PRECEDING") || is_word(token, "FOLLOWING") {
                    return Some(at);
                }
                if is_word(token, "AND") {
                    return None;
                }
            }
            _ => (),
        }
    }
    None
}

fn marked(value: &str, like: &TokenWithSpan) -> TokenWithSpan {
    TokenWithSpan {
        token: Token::Word(Word {
            value: value.to_owned(),
            quote_style: Some('"'),
            keyword: Keyword::NoKeyword,
        }),
        span: like.span,
    }
}

/// VARIADIC behind a bracket or a comma.
fn variadic(tokens: &mut Vec<TokenWithSpan>) {
    let mut place = 0;
    while place < tokens.len() {
        let before = tokens[..place].iter().rev();
        let before = before
            .map(|token| &token.token)
            .find(|token| !matches!(token, Token::Whitespace(_)));
        if is_word(&tokens[place].token, "VARIADIC")
            && matches!(before, Some(Token::LParen | Token::Comma))
        {
            let name = marked(VARIADIC, &tokens[place]);
            let arrow = TokenWithSpan {
                token: Token::RArrow,
                span: tokens[place].span,
            };
            tokens.splice(place..=place, [name, arrow]);
        }
        place += 1;
    }
}

/// ROWS FROM with a bracket behind it.
fn rows_from(tokens: &mut Vec<TokenWithSpan>) {
    let mut place = 0;
    while place < tokens.len() {
        if is_word(&tokens[place].token, "ROWS") {
            let next: Vec<usize> = solid(tokens, place + 1).take(2).collect();
            if let [from, bracket] = next[..]
                && is_word(&tokens[from].token, "FROM")
                && tokens[bracket].token == Token::LParen
            {
                let name = marked(ROWS_FROM, &tokens[place]);
                tokens.splice(place..=from, [name]);
            }
        }
        place += 1;
    }
}

/// SIMILAR and ESCAPE between the brackets of SUBSTRING are commas.
fn substrings(tokens: &mut [TokenWithSpan]) {
    for place in 0..tokens.len() {
        if !is_word(&tokens[place].token, "SUBSTRING") {
            continue;
        }
        let Some(open) = solid(tokens, place + 1).next() else {
            continue;
        };
        let (mut depth, mut commas) = (0, Vec::new());
        for at in open..tokens.len() {
            match &tokens[at].token {
                Token::LParen => depth += 1,
                Token::RParen => depth -= 1,
                token if depth == 1 => {
                    let is_similar = is_word(token, "SIMILAR")
                        && !solid(tokens, at + 1)
                            .next()
                            .is_some_and(|next| is_word(&tokens[next].token, "TO"));
                    if is_similar || (is_word(token, "ESCAPE") && !commas.is_empty()) {
                        commas.push(at);
                    }
                }
                _ => (),
            }
            if depth == 0 {
                break;
            }
        }
        if commas.len() == 2 {
            for at in commas {
                tokens[at].token = Token::Comma;
            }
        }
    }
}

/// `FOR KEY SHARE`, and lists behind OF.
fn locks(tokens: &mut Vec<TokenWithSpan>) {
    const CLAUSES: [(&str, &[&str]); 4] = [
        ("NO KEY UPDATE", &["NO", "KEY", "UPDATE"]),
        ("KEY SHARE", &["KEY", "SHARE"]),
        ("UPDATE", &["UPDATE"]),
        ("SHARE", &["SHARE"]),
    ];
    let mut place = 0;
    while place < tokens.len() {
        if is_word(&tokens[place].token, "FOR") {
            for (clause, words) in CLAUSES {
                let at: Vec<usize> = solid(tokens, place + 1).take(words.len()).collect();
                let mut pairs = at.iter().zip(words);
                if at.len() == words.len()
                    && pairs.all(|(at, word)| is_word(&tokens[*at].token, word))
                {
                    let end = at[at.len() - 1] + 1;
                    rewrite_lock(tokens, place, end, clause);
                    break;
                }
            }
        }
        place += 1;
    }
}

/// Rewrites a lock clause whose words end at `end`, unless the parser can read it.
fn rewrite_lock(tokens: &mut Vec<TokenWithSpan>, place: usize, end: usize, clause: &str) {
    let mut names = Vec::new();
    let mut behind = end;
    let of = solid(tokens, end).next();
    if let Some(of) = of.filter(|at| is_word(&tokens[*at].token, "OF")) {
        let mut next = of + 1;
        while let Some(at) = solid(tokens, next).next()
            && let Token::Word(word) = &tokens[at].token
        {
            let name = Ident {
                value: word.value.clone(),
                quote_style: word.quote_style,
                span: tokens[at].span,
            };
            names.push(name_of(&name));
            behind = at + 1;
            match solid(tokens, behind).next() {
                Some(comma) if tokens[comma].token == Token::Comma => next = comma + 1,
                // With a dot in it: the parser reads it, and it is refused later.
                Some(dot) if tokens[dot].token == Token::Period => return,
                _ => break,
            }
        }
    }
    if names.len() < 2 && !clause.contains("KEY") {
        return;
    }
    let span = tokens[place].span;
    let word = |value: &str, keyword: Keyword, quote_style: Option<char>| TokenWithSpan {
        token: Token::Word(Word {
            value: value.to_owned(),
            quote_style,
            keyword,
        }),
        span,
    };
    let blank = || TokenWithSpan {
        token: Token::Whitespace(Whitespace::Space),
        span,
    };
    let parts = std::iter::once(clause).chain(names.iter().map(String::as_str));
    let marked: String = parts.map(|part| format!("{MARK}{part}")).collect();
    let new = [
        word("FOR", Keyword::FOR, None),
        blank(),
        word("UPDATE", Keyword::UPDATE, None),
        blank(),
        word("OF", Keyword::OF, None),
        blank(),
        word(&marked, Keyword::NoKeyword, Some('"')),
    ];
    tokens.splice(place..behind, new);
}

fn begins_window(keyword: &Keyword) -> bool {
    use Keyword as K;
    matches!(
        keyword,
        K::PARTITION | K::ORDER | K::ROWS | K::RANGE | K::GROUPS
    )
}

/// The words of the clause, and where what is behind it begins: a closing bracket.
fn exclusion_at(tokens: &[TokenWithSpan], place: usize) -> Option<(&'static str, usize)> {
    const CLAUSES: [(&str, &[&str]); 4] = [
        ("CURRENT ROW", &["CURRENT", "ROW"]),
        ("GROUP", &["GROUP"]),
        ("TIES", &["TIES"]),
        ("NO OTHERS", &["NO", "OTHERS"]),
    ];
    for (clause, words) in CLAUSES {
        let mut after = solid(tokens, place + 1);
        let fits = words.iter().all(|word| {
            after
                .next()
                .is_some_and(|at| is_word(&tokens[at].token, word))
        });
        if fits
            && let Some(end) = after.next()
            && tokens[end].token == Token::RParen
        {
            return Some((clause, end));
        }
    }
    None
}

/// The bracket that is open at a place, if there is a frame between.
fn opening(tokens: &[TokenWithSpan], place: usize) -> Option<usize> {
    let mut depth = 0;
    let mut framed = false;
    for at in (0..place).rev() {
        match &tokens[at].token {
            Token::RParen => depth += 1,
            Token::LParen if depth == 0 => return framed.then_some(at),
            Token::LParen => depth -= 1,
            token if depth == 0 => {
                framed |= ["ROWS", "RANGE", "GROUPS"]
                    .iter()
                    .any(|word| is_word(token, word));
            }
            _ => (),
        }
    }
    None
}
