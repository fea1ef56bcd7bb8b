//! Tokens as a path.
//!
//! Predicates and expressions begin alike, with a bracket for instance, so that one descent reads
//! both, and where only one of them is allowed it looks at what it has read.

use super::lex::{Token, tokens};
use super::{Chain, Comparison, Method, Operation, Path, Predicate, Step, regex, syntax};
use crate::error::{Error, Result, SqlState};
use crate::modifier::Modifier;
use crate::numeric::Numeric;

/// How deep brackets may nest.
const DEPTH_MAX: usize = 200;

/// How many operators a path may have that join two parts. A chain of them is a tree that is as deep
/// as the chain is long.
const JOINTS_MAX: usize = 1000;

pub(super) fn parse(text: &str) -> Result<Path> {
    let mut parser = Parser {
        text,
        tokens: tokens(text)?,
        at: 0,
        depth: 0,
        joints: 0,
        filters: 0,
        subscripts: 0,
    };
    if parser.tokens.is_empty() {
        let message = format!("invalid input syntax for type jsonpath: \"{text}\"");
        return Err(Error::new(SqlState::INVALID_TEXT_REPRESENTATION, message));
    }
    let strict = parser.take_word("strict");
    let lax = !strict && parser.take_word("lax");
    if (strict || lax) && parser.at == parser.tokens.len() {
        return Err(parser.wrong());
    }
    let chain = parser.any()?;
    if parser.at < parser.tokens.len() {
        return Err(parser.wrong());
    }
    Ok(Path {
        lax: !strict,
        chain,
    })
}

struct Parser<'a> {
    text: &'a str,
    tokens: Vec<(usize, Token)>,
    at: usize,
    depth: usize,
    /// How many operators there were.
    joints: usize,
    /// How many filters are open: `@` is allowed only there.
    filters: usize,
    /// How many subscripts are open: `last` is allowed only there.
    subscripts: usize,
}

impl Parser<'_> {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at).map(|(_, token)| token)
    }

    fn take(&mut self, sign: &str) -> bool {
        let found = matches!(self.peek(), Some(Token::Sign(found)) if *found == sign);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, sign: &str) -> Result<()> {
        match self.take(sign) {
            true => Ok(()),
            false => Err(self.wrong()),
        }
    }

    fn is_word(&self, word: &str) -> bool {
        let same = |found: &str| match word {
            "true" | "false" | "null" => found == word,
            _ => found.eq_ignore_ascii_case(word),
        };
        matches!(self.peek(), Some(Token::Word(found)) if same(found))
    }

    fn take_word(&mut self, word: &str) -> bool {
        let found = self.is_word(word);
        self.at += usize::from(found);
        found
    }

    /// What comes next is wrong here.
    fn wrong(&self) -> Error {
        match self.tokens.get(self.at) {
            None => syntax("syntax error at end of jsonpath input"),
            Some((start, _)) => {
                let end = self
                    .tokens
                    .get(self.at + 1)
                    .map_or(self.text.len(), |next| next.0);
                let near = self.text[*start..end].trim_end();
                syntax(format!(
                    "syntax error at or near \"{near}\" of jsonpath input"
                ))
            }
        }
    }

    fn expression(&self, chain: Chain) -> Result<Box<Chain>> {
        match chain.is_predicate() {
            false => Ok(Box::new(chain)),
            true => Err(self.wrong()),
        }
    }

    fn predicate(&self, chain: Chain) -> Result<Box<Chain>> {
        match chain.is_predicate() {
            true => Ok(Box::new(chain)),
            false => Err(self.wrong()),
        }
    }

    /// Counts an operator.
    fn join(&mut self) -> Result<()> {
        self.joints += 1;
        match self.joints > JOINTS_MAX {
            true => Err(too_deep()),
            false => Ok(()),
        }
    }

    /// An expression or a predicate.
    fn any(&mut self) -> Result<Chain> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(too_deep());
        }
        let mut left = self.conjunction()?;
        while self.take("||") {
            self.join()?;
            let (one, right) = (self.predicate(left)?, self.conjunction()?);
            let right = self.predicate(right)?;
            left = predicate(Predicate::Or(one, right));
        }
        self.depth -= 1;
        Ok(left)
    }

    fn conjunction(&mut self) -> Result<Chain> {
        let mut left = self.negation()?;
        while self.take("&&") {
            self.join()?;
            let (one, right) = (self.predicate(left)?, self.negation()?);
            let right = self.predicate(right)?;
            left = predicate(Predicate::And(one, right));
        }
        Ok(left)
    }

    fn negation(&mut self) -> Result<Chain> {
        if !self.take("!") {
            return self.comparison();
        }
        let inner = match self.is_word("exists") {
            true => self.exists()?,
            false => {
                self.expect("(")?;
                let inner = self.any()?;
                let inner = self.predicate(inner)?;
                self.expect(")")?;
                *inner
            }
        };
        Ok(predicate(Predicate::Not(Box::new(inner))))
    }

    fn comparison(&mut self) -> Result<Chain> {
        let left = self.sum()?;
        const SIGNS: [Comparison; 6] = [
            Comparison::Equal,
            Comparison::NotEqual,
            Comparison::LessOrEqual,
            Comparison::GreaterOrEqual,
            Comparison::Less,
            Comparison::Greater,
        ];
        if let Some(comparison) = SIGNS.into_iter().find(|one| self.take(one.sign())) {
            let left = self.expression(left)?;
            let right = self.sum()?;
            let right = self.expression(right)?;
            return Ok(predicate(Predicate::Compare(comparison, left, right)));
        }
        if self.is_word("starts") {
            let left = self.expression(left)?;
            self.at += 1;
            if !self.take_word("with") {
                return Err(self.wrong());
            }
            let right = match self.peek() {
                Some(Token::Quoted(text)) => Step::String(text.clone()),
                Some(Token::Variable(name)) => Step::Variable(name.clone()),
                _ => return Err(self.wrong()),
            };
            self.at += 1;
            let right = Box::new(Chain::of(right));
            return Ok(predicate(Predicate::StartsWith(left, right)));
        }
        if self.is_word("like_regex") {
            return self.like_regex(left);
        }
        Ok(left)
    }

    fn like_regex(&mut self, left: Chain) -> Result<Chain> {
        let operand = self.expression(left)?;
        self.at += 1;
        let Some(Token::Quoted(pattern)) = self.peek().cloned() else {
            return Err(self.wrong());
        };
        self.at += 1;
        let mut flags = String::new();
        if self.take_word("flag") {
            let Some(Token::Quoted(written)) = self.peek().cloned() else {
                return Err(self.wrong());
            };
            self.at += 1;
            if let Some(wrong) = written.chars().find(|flag| !"ismxq".contains(*flag)) {
                let detail =
                    format!("Unrecognized flag character \"{wrong}\" in LIKE_REGEX predicate.");
                let message = "invalid input syntax for type jsonpath";
                return Err(syntax(message).with_detail(detail));
            }
            flags = "ismxq"
                .chars()
                .filter(|flag| written.contains(*flag))
                .collect();
        }
        regex(&pattern, &flags)?;
        Ok(predicate(Predicate::LikeRegex {
            operand,
            pattern,
            flags,
        }))
    }

    fn exists(&mut self) -> Result<Chain> {
        self.at += 1;
        self.expect("(")?;
        let inner = self.any()?;
        let inner = self.expression(inner)?;
        self.expect(")")?;
        Ok(predicate(Predicate::Exists(inner)))
    }

    fn sum(&mut self) -> Result<Chain> {
        let mut left = self.product()?;
        loop {
            let operation = match () {
                () if self.take("+") => Operation::Add,
                () if self.take("-") => Operation::Subtract,
                () => return Ok(left),
            };
            self.join()?;
            let (one, right) = (self.expression(left)?, self.product()?);
            let right = self.expression(right)?;
            left = Chain::of(Step::Arithmetic(operation, one, right));
        }
    }

    fn product(&mut self) -> Result<Chain> {
        let mut left = self.signed()?;
        loop {
            let operation = match () {
                () if self.take("*") => Operation::Multiply,
                () if self.take("/") => Operation::Divide,
                () if self.take("%") => Operation::Remainder,
                () => return Ok(left),
            };
            self.join()?;
            let (one, right) = (self.expression(left)?, self.signed()?);
            let right = self.expression(right)?;
            left = Chain::of(Step::Arithmetic(operation, one, right));
        }
    }

    fn signed(&mut self) -> Result<Chain> {
        let minus = self.take("-");
        if !minus && !self.take("+") {
            return self.accessed();
        }
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(too_deep());
        }
        let operand = self.signed()?;
        self.depth -= 1;
        let operand = self.expression(operand)?;
        // A sign before a number is part of it.
        Ok(Chain::of(match (&operand.first, operand.rest.is_empty()) {
            (Step::Number(number), true) if minus => Step::Number(number.negate()),
            (Step::Number(number), true) => Step::Number(number.clone()),
            _ => Step::Sign { minus, operand },
        }))
    }

    fn accessed(&mut self) -> Result<Chain> {
        let in_brackets = self.peek() == Some(&Token::Sign("("));
        let mut chain = self.primary()?;
        if chain.is_predicate() {
            let is_access = match self.peek() {
                Some(Token::Sign(sign)) => [".", "[", "?"].contains(sign),
                _ => false,
            };
            if self.is_word("is") && in_brackets {
                self.at += 1;
                return match self.take_word("unknown") {
                    true => Ok(predicate(Predicate::IsUnknown(Box::new(chain)))),
                    false => Err(self.wrong()),
                };
            }
            if !is_access {
                return Ok(chain);
            }
        }
        while let Some(step) = self.accessor()? {
            chain.rest.push(step);
        }
        Ok(chain)
    }

    fn primary(&mut self) -> Result<Chain> {
        let Some(token) = self.peek().cloned() else {
            return Err(self.wrong());
        };
        if self.is_word("exists") {
            return self.exists();
        }
        let number = |digits: &str| Numeric::parse(digits, Modifier::NONE);
        let step = match token {
            Token::Sign("(") => {
                self.at += 1;
                let inner = self.any()?;
                self.expect(")")?;
                return Ok(inner);
            }
            Token::Sign("$") => Step::Root,
            Token::Sign("@") if self.filters == 0 => {
                return Err(syntax("@ is not allowed in root expressions"));
            }
            Token::Sign("@") => Step::Current,
            Token::Quoted(text) => Step::String(text),
            Token::Variable(name) => Step::Variable(name),
            Token::Integer(digits) | Token::Decimal(digits) => Step::Number(number(&digits)?),
            Token::Word(_) if self.is_word("null") => Step::Null,
            Token::Word(_) if self.is_word("true") => Step::Bool(true),
            Token::Word(_) if self.is_word("false") => Step::Bool(false),
            Token::Word(_) if self.is_word("last") && self.subscripts == 0 => {
                return Err(syntax("LAST is allowed only in array subscripts"));
            }
            Token::Word(_) if self.is_word("last") => Step::Last,
            Token::Word(_) | Token::Sign(_) => return Err(self.wrong()),
        };
        self.at += 1;
        Ok(Chain::of(step))
    }

    fn accessor(&mut self) -> Result<Option<Step>> {
        if self.take("[") {
            if self.take("*") {
                self.expect("]")?;
                return Ok(Some(Step::AnyElement));
            }
            self.subscripts += 1;
            let mut elements = Vec::new();
            loop {
                let from = self.subscript()?;
                let to = match self.take_word("to") {
                    true => Some(self.subscript()?),
                    false => None,
                };
                elements.push((from, to));
                if !self.take(",") {
                    break;
                }
            }
            self.subscripts -= 1;
            self.expect("]")?;
            return Ok(Some(Step::Elements(elements)));
        }
        if self.take("?") {
            self.expect("(")?;
            self.filters += 1;
            let inner = self.any()?;
            let inner = self.predicate(inner)?;
            self.filters -= 1;
            self.expect(")")?;
            return Ok(Some(Step::Filter(inner)));
        }
        if !self.take(".") {
            return Ok(None);
        }
        if self.take("*") {
            return Ok(Some(Step::AnyKey));
        }
        if self.take("**") {
            return self.levels().map(Some);
        }
        let name = match self.peek().cloned() {
            Some(Token::Quoted(name)) => {
                self.at += 1;
                return Ok(Some(Step::Key(name)));
            }
            Some(Token::Word(name)) => name,
            _ => return Err(self.wrong()),
        };
        self.at += 1;
        let lower = name.to_ascii_lowercase();
        let next = self.peek();
        if next != Some(&Token::Sign("(")) {
            return Ok(Some(Step::Key(name)));
        }
        if lower == "datetime" {
            let message = "the jsonpath method .datetime() is not supported";
            return Err(Error::new(SqlState::FEATURE_NOT_SUPPORTED, message));
        }
        let method = Method::ALL.iter().find(|(_, known)| *known == lower);
        let Some((method, _)) = method else {
            return Err(self.wrong());
        };
        self.at += 1;
        self.expect(")")?;
        Ok(Some(Step::Method(*method)))
    }

    fn subscript(&mut self) -> Result<Chain> {
        let chain = self.sum()?;
        self.expression(chain).map(|chain| *chain)
    }

    fn levels(&mut self) -> Result<Step> {
        if !self.take("{") {
            return Ok(Step::AnyLevel(0, u32::MAX));
        }
        let first = self.level()?;
        let last = match self.take_word("to") {
            true => self.level()?,
            false => first,
        };
        self.expect("}")?;
        Ok(Step::AnyLevel(first, last))
    }

    fn level(&mut self) -> Result<u32> {
        if self.take_word("last") {
            return Ok(u32::MAX);
        }
        let Some(Token::Integer(digits)) = self.peek() else {
            return Err(self.wrong());
        };
        let level = digits.parse().unwrap_or(i32::MAX as u32);
        self.at += 1;
        Ok(level)
    }
}

fn too_deep() -> Error {
    let message = "stack depth limit exceeded";
    Error::new(SqlState::STATEMENT_TOO_COMPLEX, message)
}

fn predicate(predicate: Predicate) -> Chain {
    Chain::of(Step::Predicate(predicate))
}
