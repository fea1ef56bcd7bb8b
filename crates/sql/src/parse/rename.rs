//! Renaming a column in the text of a stored expression.

use sqlparser::tokenizer::{Token, Tokenizer, Word};

use super::dialect::RustDialect;
use crate::bind::name_of;
use crate::error::{Error, Result};

/// The expression over one table's columns, with a column under its new name.
pub(crate) fn rename_column_in(text: &str, old: &str, new: &str) -> Result<String> {
    let dialect = RustDialect::default();
    let mut tokens = Tokenizer::new(&dialect, text)
        .with_unescape(false)
        .tokenize()
        .map_err(|error| Error::internal(error.message))?;
    let is_space = |token: &Token| matches!(token, Token::Whitespace(_));
    for at in 0..tokens.len() {
        let Token::Word(word) = &tokens[at] else {
            continue;
        };
        let before = tokens[..at].iter().rev().find(|token| !is_space(token));
        let after = tokens[at + 1..].iter().find(|token| !is_space(token));
        // A function, a type, and a literal with its type before it.
        let is_other = matches!(
            after,
            Some(Token::LParen | Token::SingleQuotedString(_) | Token::Period)
        ) || matches!(before, Some(Token::DoubleColon));
        if is_other || name_of(&ident(word)) != old {
            continue;
        }
        tokens[at] = Token::Word(Word {
            value: new.replace('"', "\"\""),
            quote_style: Some('"'),
            keyword: sqlparser::keywords::Keyword::NoKeyword,
        });
    }
    Ok(tokens.iter().map(ToString::to_string).collect())
}

fn ident(word: &Word) -> sqlparser::ast::Ident {
    word.clone().into_ident(sqlparser::tokenizer::Span::empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_column_is_renamed() {
        let renamed = |text: &str| rename_column_in(text, "a", "b c").unwrap();
        assert_eq!(renamed("a + t.A > a(1)"), "\"b c\" + t.\"b c\" > a(1)");
        assert_eq!(renamed("'a' || \"A\"::a"), "'a' || \"A\"::a");
        assert_eq!(renamed("x = 'it''s a'"), "x = 'it''s a'");
    }
}
