//! Records of tagged fields: how every descriptor is stored.
//!
//! ```text
//! record = version 1, field field ...
//! field  = tag (varint, not zero), length (varint), bytes
//! ```
//!
//! A field that has its usual value is left out; one that can be there often is repeated. A tag
//! that is not known is an error: it means something, and was written by a newer release.

use rustdb_types::Oid;

use crate::error::{Error, Result};

/// The first byte of every record.
const VERSION: u8 = 1;

/// Writes a record.
pub(crate) struct Encoder {
    out: Vec<u8>,
}

impl Encoder {
    pub(crate) fn new() -> Encoder {
        Encoder { out: vec![VERSION] }
    }

    pub(crate) fn finish(self) -> Vec<u8> {
        self.out
    }

    pub(crate) fn bytes(&mut self, tag: u64, bytes: &[u8]) {
        debug_assert_ne!(tag, 0, "zero is no tag");
        put_varint(tag, &mut self.out);
        put_varint(bytes.len() as u64, &mut self.out);
        self.out.extend_from_slice(bytes);
    }

    pub(crate) fn text(&mut self, tag: u64, text: &str) {
        self.bytes(tag, text.as_bytes());
    }

    /// A number that is there even if it is zero.
    pub(crate) fn number(&mut self, tag: u64, number: u64) {
        let mut bytes = Vec::with_capacity(10);
        put_varint(number, &mut bytes);
        self.bytes(tag, &bytes);
    }

    pub(crate) fn oid(&mut self, tag: u64, oid: Oid) {
        self.number(tag, u64::from(oid.0));
    }

    pub(crate) fn signed(&mut self, tag: u64, number: i64) {
        self.number(tag, ((number << 1) ^ (number >> 63)) as u64);
    }

    pub(crate) fn float(&mut self, tag: u64, number: f64) {
        self.bytes(tag, &number.to_bits().to_le_bytes());
    }

    /// A field that is there if it is true.
    pub(crate) fn flag(&mut self, tag: u64, flag: bool) {
        if flag {
            self.bytes(tag, &[]);
        }
    }

    /// Numbers, one after the other; left out if there are none.
    pub(crate) fn numbers(&mut self, tag: u64, numbers: impl IntoIterator<Item = u32>) {
        let mut bytes = Vec::new();
        for number in numbers {
            put_varint(u64::from(number), &mut bytes);
        }
        if !bytes.is_empty() {
            self.bytes(tag, &bytes);
        }
    }

    /// A record within the record.
    pub(crate) fn record(&mut self, tag: u64, body: impl FnOnce(&mut Encoder)) {
        let mut inner = Encoder::new();
        body(&mut inner);
        self.bytes(tag, &inner.out);
    }
}

/// Reads a record, field by field.
pub(crate) struct Decoder<'a> {
    bytes: &'a [u8],
    what: &'static str,
}

/// A field of a record.
#[derive(Clone, Copy)]
pub(crate) struct Field<'a> {
    pub(crate) tag: u64,
    pub(crate) bytes: &'a [u8],
    what: &'static str,
}

impl<'a> Decoder<'a> {
    /// Opens a record; `what` is for the words of errors.
    pub(crate) fn new(what: &'static str, bytes: &'a [u8]) -> Result<Decoder<'a>> {
        match bytes.split_first() {
            Some((&VERSION, bytes)) => Ok(Decoder { bytes, what }),
            Some((version, _)) => Err(Error::corrupted(format_args!(
                "{what} of version {version}; this release reads version {VERSION}"
            ))),
            None => Err(Error::corrupted(format_args!("{what} without a byte"))),
        }
    }

    /// The next field.
    pub(crate) fn next(&mut self) -> Result<Option<Field<'a>>> {
        if self.bytes.is_empty() {
            return Ok(None);
        }
        let damaged = || Error::corrupted(self.what);
        let mut rest = self.bytes;
        let tag = take_varint(&mut rest).ok_or_else(damaged)?;
        let length = take_varint(&mut rest).and_then(|length| usize::try_from(length).ok());
        let (bytes, rest) = length
            .and_then(|length| rest.split_at_checked(length))
            .ok_or_else(damaged)?;
        if tag == 0 {
            return Err(damaged());
        }
        self.bytes = rest;
        Ok(Some(Field {
            tag,
            bytes,
            what: self.what,
        }))
    }

    /// What is missing from a record that needs it.
    pub(crate) fn missing(what: &'static str, field: &str) -> Error {
        Error::corrupted(format_args!("{what} without {field}"))
    }
}

impl<'a> Field<'a> {
    pub(crate) fn damaged(&self) -> Error {
        Error::corrupted(format_args!("field {} of {}", self.tag, self.what))
    }

    /// The error of a tag that this release does not know.
    pub(crate) fn unknown(&self) -> Error {
        Error::corrupted(format_args!(
            "field {} of {} is not known to this release",
            self.tag, self.what
        ))
    }

    pub(crate) fn text(&self) -> Result<String> {
        let text = std::str::from_utf8(self.bytes).map_err(|_| self.damaged())?;
        Ok(text.to_owned())
    }

    pub(crate) fn number(&self) -> Result<u64> {
        let mut bytes = self.bytes;
        let number = take_varint(&mut bytes).filter(|_| bytes.is_empty());
        number.ok_or_else(|| self.damaged())
    }

    pub(crate) fn number_u32(&self) -> Result<u32> {
        u32::try_from(self.number()?).map_err(|_| self.damaged())
    }

    pub(crate) fn oid(&self) -> Result<Oid> {
        self.number_u32().map(Oid)
    }

    pub(crate) fn signed(&self) -> Result<i64> {
        let number = self.number()?;
        Ok((number >> 1) as i64 ^ -((number & 1) as i64))
    }

    pub(crate) fn float(&self) -> Result<f64> {
        let bytes = self.bytes.try_into().map_err(|_| self.damaged())?;
        Ok(f64::from_bits(u64::from_le_bytes(bytes)))
    }

    pub(crate) fn flag(&self) -> Result<bool> {
        match self.bytes {
            [] => Ok(true),
            _ => Err(self.damaged()),
        }
    }

    pub(crate) fn numbers(&self) -> Result<Vec<u32>> {
        let mut bytes = self.bytes;
        let mut numbers = Vec::new();
        while !bytes.is_empty() {
            let number = take_varint(&mut bytes).and_then(|number| u32::try_from(number).ok());
            numbers.push(number.ok_or_else(|| self.damaged())?);
        }
        Ok(numbers)
    }

    pub(crate) fn record(&self, what: &'static str) -> Result<Decoder<'a>> {
        Decoder::new(what, self.bytes)
    }
}

/// Appends a number, seven bits to a byte, the lowest first.
pub(crate) fn put_varint(mut number: u64, out: &mut Vec<u8>) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// Takes a number; `None` if there is none, or it was not written in the shortest way.
pub(crate) fn take_varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        let part = u64::from(byte & 0x7f);
        if (part << shift) >> shift != part {
            return None;
        }
        number |= part << shift;
        if byte & 0x80 == 0 {
            return (*byte != 0 || shift == 0).then_some(number);
        }
    }
    None
}
