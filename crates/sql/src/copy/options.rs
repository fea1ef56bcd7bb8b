//! The options of COPY.

use crate::bind::name_of;
use crate::error::{Error, Result, SqlState};
use crate::parse::utility::{Copy, CopyValue};

/// How rows are written in a file or stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Options {
    pub(super) is_csv: bool,
    pub(super) is_binary: bool,
    pub(super) delimiter: u8,
    /// How NULL is written.
    pub(super) null: String,
    pub(super) header: Header,
    pub(super) quote: u8,
    pub(super) escape: u8,
    pub(super) force_quote: Columns,
    pub(super) force_not_null: Columns,
    pub(super) force_null: Columns,
}

/// The first line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Header {
    /// It is a row.
    No,
    /// It names the columns; what it says does not matter.
    Yes,
    /// It names the columns, and has to.
    Match,
}

/// The names of encodings that PostgreSQL knows, without what is no letter or digit.
const ENCODINGS: &str = " abc alt big5 euccn eucjis2004 eucjp euckr euctw gb18030 gbk iso88591 iso885910 iso885913 \
    iso885914 iso885915 iso885916 iso88592 iso88593 iso88594 iso88595 iso88596 iso88597 iso88598 \
    iso88599 johab koi8 koi8r koi8u latin1 latin10 latin2 latin3 latin4 latin5 latin6 latin7 latin8 \
    latin9 mskanji muleinternal shiftjis shiftjis2004 sjis sqlascii tcvn tcvn5712 uhc unicode utf8 \
    vscii win win1250 win1251 win1252 win1253 win1254 win1255 win1256 win1257 win1258 win866 win874 \
    win932 win936 win949 win950 windows1250 windows1251 windows1252 windows1253 windows1254 \
    windows1255 windows1256 windows1257 windows1258 windows866 windows874 windows932 windows936 \
    windows949 windows950";

/// Columns that an option is about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Columns {
    #[default]
    None,
    All,
    Named(Vec<String>),
}

impl Columns {
    /// The names that are listed.
    pub(super) fn names(&self) -> &[String] {
        match self {
            Columns::None | Columns::All => &[],
            Columns::Named(names) => names,
        }
    }

    /// For each column, whether it is meant.
    pub(super) fn places(&self, columns: &[String], option: &str) -> Result<Vec<bool>> {
        match self {
            Columns::None => Ok(vec![false; columns.len()]),
            Columns::All => Ok(vec![true; columns.len()]),
            Columns::Named(names) => {
                let mut places = vec![false; columns.len()];
                for name in names {
                    let place = columns.iter().position(|column| column == name);
                    let place = place.ok_or_else(|| {
                        let message = format!("{option} column \"{name}\" not referenced by COPY");
                        Error::new(SqlState::INVALID_COLUMN_REFERENCE, message)
                    })?;
                    places[place] = true;
                }
                Ok(places)
            }
        }
    }
}

/// What is written, before it is known to fit together.
#[derive(Default)]
struct Written {
    is_csv: bool,
    is_binary: bool,
    delimiter: Option<String>,
    null: Option<String>,
    header: Option<Header>,
    quote: Option<String>,
    escape: Option<String>,
    force_quote: Columns,
    force_not_null: Columns,
    force_null: Columns,
}

/// Reads the options of a statement.
pub(super) fn options(copy: &Copy) -> Result<Options> {
    let mut written = Written::default();
    for (place, (name, value)) in copy.options.iter().enumerate() {
        if copy.options[..place].iter().any(|(other, _)| other == name) {
            let message = "conflicting or redundant options";
            return Err(Error::new(SqlState::SYNTAX_ERROR, message));
        }
        take(&mut written, name, value, copy.is_out)?;
    }
    checked(written, copy.is_out)
}

fn take(written: &mut Written, name: &str, value: &CopyValue, is_out: bool) -> Result<()> {
    match name {
        "format" => match text(name, value)?.as_str() {
            "text" => (),
            "csv" => written.is_csv = true,
            "binary" => written.is_binary = true,
            other => {
                let message = format!("COPY format \"{other}\" not recognized");
                return Err(Error::new(SqlState::INVALID_PARAMETER_VALUE, message));
            }
        },
        "freeze" => drop(is_true(name, value)?),
        "delimiter" => written.delimiter = Some(text(name, value)?),
        "null" => written.null = Some(text(name, value)?),
        "header" => written.header = Some(header(value, is_out)?),
        "quote" => written.quote = Some(text(name, value)?),
        "escape" => written.escape = Some(text(name, value)?),
        "force_quote" => written.force_quote = columns(name, value)?,
        "force_not_null" => written.force_not_null = columns(name, value)?,
        "force_null" => written.force_null = columns(name, value)?,
        "encoding" => {
            let encoding = text(name, value)?.to_ascii_lowercase();
            let encoding: String = encoding
                .chars()
                .filter(char::is_ascii_alphanumeric)
                .collect();
            if !ENCODINGS.split_whitespace().any(|known| known == encoding) {
                let message = "argument to option \"encoding\" must be a valid encoding name";
                return invalid(message);
            }
            if !["utf8", "unicode"].contains(&encoding.as_str()) {
                return Err(Error::unsupported(format!("COPY in encoding {encoding}")));
            }
        }
        other => {
            let message = format!("option \"{other}\" not recognized");
            return Err(Error::new(SqlState::SYNTAX_ERROR, message));
        }
    }
    Ok(())
}

fn text(name: &str, value: &CopyValue) -> Result<String> {
    match value {
        CopyValue::Text(text) => Ok(text.clone()),
        CopyValue::Nothing | CopyValue::All | CopyValue::Columns(_) => {
            let message = format!("{name} requires a parameter");
            Err(Error::new(SqlState::SYNTAX_ERROR, message))
        }
    }
}

fn is_true(name: &str, value: &CopyValue) -> Result<bool> {
    let text = match value {
        CopyValue::Nothing => return Ok(true),
        CopyValue::Text(text) => text.to_ascii_lowercase(),
        CopyValue::All | CopyValue::Columns(_) => String::new(),
    };
    match text.as_str() {
        "true" | "on" | "1" => Ok(true),
        "false" | "off" | "0" => Ok(false),
        _ => {
            let message = format!("{name} requires a Boolean value");
            Err(Error::new(SqlState::SYNTAX_ERROR, message))
        }
    }
}

fn header(value: &CopyValue, is_out: bool) -> Result<Header> {
    if let CopyValue::Text(text) = value
        && text.eq_ignore_ascii_case("match")
    {
        if is_out {
            let message = "cannot use \"match\" with HEADER in COPY TO";
            return Err(Error::new(SqlState::FEATURE_NOT_SUPPORTED, message));
        }
        return Ok(Header::Match);
    }
    match is_true("header", value) {
        Ok(true) => Ok(Header::Yes),
        Ok(false) => Ok(Header::No),
        Err(_) => Err(Error::new(
            SqlState::SYNTAX_ERROR,
            "header requires a Boolean value or \"match\"",
        )),
    }
}

fn columns(name: &str, value: &CopyValue) -> Result<Columns> {
    match value {
        CopyValue::All => Ok(Columns::All),
        CopyValue::Columns(names) => Ok(Columns::Named(names.iter().map(name_of).collect())),
        CopyValue::Nothing | CopyValue::Text(_) => {
            let message = format!("argument to option \"{name}\" must be a list of column names");
            Err(Error::new(SqlState::INVALID_PARAMETER_VALUE, message))
        }
    }
}

fn unsupported<T>(message: &str) -> Result<T> {
    Err(Error::new(SqlState::FEATURE_NOT_SUPPORTED, message))
}

fn invalid<T>(message: impl Into<String>) -> Result<T> {
    Err(Error::new(SqlState::INVALID_PARAMETER_VALUE, message))
}

fn checked(written: Written, is_out: bool) -> Result<Options> {
    let is_csv = written.is_csv;
    if written.is_binary {
        refuse_with_binary(&written)?;
    }
    let null = written.null.clone();
    let null = null.unwrap_or_else(|| if is_csv { "" } else { "\\N" }.to_owned());
    let delimiter = delimiter(&written, &null)?;
    let (quote, escape) = quotes(&written, delimiter)?;
    check_forced(&written, is_out)?;
    if null.as_bytes().contains(&delimiter) {
        return unsupported("COPY delimiter must not appear in the NULL specification");
    }
    if is_csv && null.as_bytes().contains(&quote) {
        return unsupported("CSV quote character must not appear in the NULL specification");
    }
    Ok(Options {
        is_csv,
        is_binary: written.is_binary,
        delimiter,
        null,
        header: written.header.unwrap_or(Header::No),
        quote,
        escape,
        force_quote: written.force_quote,
        force_not_null: written.force_not_null,
        force_null: written.force_null,
    })
}

fn refuse_with_binary(written: &Written) -> Result<()> {
    let refused = |word: &str, state| {
        let message = format!("cannot specify {word} in BINARY mode");
        Err(Error::new(state, message))
    };
    if written.delimiter.is_some() {
        return refused("DELIMITER", SqlState::SYNTAX_ERROR);
    }
    if written.null.is_some() {
        return refused("NULL", SqlState::SYNTAX_ERROR);
    }
    match written.header {
        None | Some(Header::No) => Ok(()),
        Some(Header::Yes | Header::Match) => refused("HEADER", SqlState::FEATURE_NOT_SUPPORTED),
    }
}

fn delimiter(written: &Written, null: &str) -> Result<u8> {
    let default = if written.is_csv { "," } else { "\t" };
    let delimiter = written.delimiter.as_deref().unwrap_or(default);
    let [delimiter] = *delimiter.as_bytes() else {
        return unsupported("COPY delimiter must be a single one-byte character");
    };
    if [b'\r', b'\n'].contains(&delimiter) {
        return invalid("COPY delimiter cannot be newline or carriage return");
    }
    if null.contains(['\r', '\n']) {
        return invalid("COPY null representation cannot use newline or carriage return");
    }
    let has_meaning =
        delimiter.is_ascii_lowercase() || delimiter.is_ascii_digit() || b"\\.".contains(&delimiter);
    if !written.is_csv && has_meaning {
        let shown = char::from(delimiter);
        return invalid(format!("COPY delimiter cannot be \"{shown}\""));
    }
    Ok(delimiter)
}

/// The quote and the escape.
fn quotes(written: &Written, delimiter: u8) -> Result<(u8, u8)> {
    if !written.is_csv && written.quote.is_some() {
        return unsupported("COPY quote available only in CSV mode");
    }
    let [quote] = *written.quote.as_deref().unwrap_or("\"").as_bytes() else {
        return unsupported("COPY quote must be a single one-byte character");
    };
    if written.is_csv && delimiter == quote {
        return invalid("COPY delimiter and quote must be different");
    }
    let Some(escape) = &written.escape else {
        return Ok((quote, quote));
    };
    if !written.is_csv {
        return unsupported("COPY escape available only in CSV mode");
    }
    match *escape.as_bytes() {
        [escape] => Ok((quote, escape)),
        _ => unsupported("COPY escape must be a single one-byte character"),
    }
}

fn check_forced(written: &Written, is_out: bool) -> Result<()> {
    let forced = [
        ("force quote", &written.force_quote, true),
        ("force not null", &written.force_not_null, false),
        ("force null", &written.force_null, false),
    ];
    for (what, columns, of_output) in forced {
        if *columns == Columns::None {
            continue;
        }
        if !written.is_csv {
            return unsupported(&format!("COPY {what} available only in CSV mode"));
        }
        if of_output != is_out {
            let direction = if of_output { "TO" } else { "FROM" };
            return unsupported(&format!(
                "COPY {what} only available using COPY {direction}"
            ));
        }
    }
    Ok(())
}
