//! JSON as bytes: a tagged tree in rows, an ordered one in keys.
//!
//! `docs/format/row.md` and `docs/format/key.md` describe both.

use super::{DEPTH_MAX, Json};
use crate::error::{Error, Result};
use crate::key::{self, Reader};
use crate::numeric;
use crate::varint;

const NULL: u8 = 1;
const FALSE: u8 = 2;
const TRUE: u8 = 3;
const NUMBER: u8 = 4;
const STRING: u8 = 5;
const ARRAY: u8 = 6;
const OBJECT: u8 = 7;

/// Appends the tree as rows hold it.
pub(crate) fn encode_row(json: &Json, out: &mut Vec<u8>) {
    match json {
        Json::Null => out.push(NULL),
        Json::Bool(truth) => out.push(if *truth { TRUE } else { FALSE }),
        Json::Number(number) => {
            out.push(NUMBER);
            let mut bytes = Vec::new();
            numeric::encode_row(number, &mut bytes);
            varint::put_bytes(&bytes, out);
        }
        Json::String(text) => {
            out.push(STRING);
            varint::put_bytes(text.as_bytes(), out);
        }
        Json::Array(elements) => {
            out.push(ARRAY);
            varint::put(elements.len() as u64, out);
            elements.iter().for_each(|element| encode_row(element, out));
        }
        Json::Object(members) => {
            out.push(OBJECT);
            varint::put(members.len() as u64, out);
            for (key, value) in members {
                varint::put_bytes(key.as_bytes(), out);
                encode_row(value, out);
            }
        }
    }
}

/// Reads what [`encode_row`] wrote.
pub(crate) fn decode_row(mut bytes: &[u8]) -> Result<Json> {
    let json = read_row(&mut bytes, 0)?;
    if bytes.is_empty() {
        Ok(json)
    } else {
        Err(damaged())
    }
}

fn read_row(bytes: &mut &[u8], depth: usize) -> Result<Json> {
    if depth > DEPTH_MAX {
        return Err(damaged());
    }
    let (tag, rest) = bytes.split_first().ok_or_else(damaged)?;
    *bytes = rest;
    match *tag {
        NULL => Ok(Json::Null),
        FALSE => Ok(Json::Bool(false)),
        TRUE => Ok(Json::Bool(true)),
        NUMBER => {
            let number = numeric::decode_row(varint::take_bytes(bytes).ok_or_else(damaged)?)?;
            if number.is_finite() {
                Ok(Json::Number(number))
            } else {
                Err(damaged())
            }
        }
        STRING => Ok(Json::String(read_text(bytes)?.into())),
        ARRAY => {
            let count = varint::take(bytes).ok_or_else(damaged)?;
            let elements = (0..count).map(|_| read_row(bytes, depth + 1));
            Ok(Json::Array(elements.collect::<Result<_>>()?))
        }
        OBJECT => {
            let count = varint::take(bytes).ok_or_else(damaged)?;
            let mut members: Vec<(Box<str>, Json)> = Vec::new();
            for _ in 0..count {
                let key: Box<str> = read_text(bytes)?.into();
                let value = read_row(bytes, depth + 1)?;
                let sorted = members
                    .last()
                    .is_none_or(|(before, _)| super::compare_keys(before, &key).is_lt());
                if !sorted {
                    return Err(damaged());
                }
                members.push((key, value));
            }
            Ok(Json::Object(members))
        }
        _ => Err(damaged()),
    }
}

fn read_text<'a>(bytes: &mut &'a [u8]) -> Result<&'a str> {
    let text = varint::take_bytes(bytes).ok_or_else(damaged)?;
    std::str::from_utf8(text).map_err(|_| damaged())
}

/// Appends bytes that sort as the tree does.
pub(crate) fn encode_key(json: &Json, out: &mut Vec<u8>) {
    encode_key_ranked(json, json.top_rank(), out);
}

fn encode_key_ranked(json: &Json, rank: u8, out: &mut Vec<u8>) {
    out.push(rank);
    match json {
        Json::Null => {}
        Json::Bool(truth) => out.push(u8::from(*truth)),
        Json::Number(number) => numeric::encode_key(number, out),
        Json::String(text) => key::put_escaped(text.as_bytes(), out),
        Json::Array(elements) => {
            out.extend_from_slice(&(elements.len() as u32).to_be_bytes());
            elements
                .iter()
                .for_each(|element| encode_key_ranked(element, element.rank(), out));
        }
        Json::Object(members) => {
            out.extend_from_slice(&(members.len() as u32).to_be_bytes());
            for (name, value) in members {
                key::put_escaped(name.as_bytes(), out);
                encode_key_ranked(value, value.rank(), out);
            }
        }
    }
}

/// Reads what [`encode_key`] wrote. Numbers have lost the zeros at their ends.
pub(crate) fn decode_key(reader: &mut Reader<'_>) -> Result<Json> {
    read_key(reader, 0)
}

fn read_key(reader: &mut Reader<'_>, depth: usize) -> Result<Json> {
    if depth > DEPTH_MAX {
        return Err(damaged());
    }
    match reader.byte()? {
        1 if depth == 0 && reader.array()? == [0; 4] => Ok(Json::Array(Vec::new())),
        2 => Ok(Json::Null),
        3 => Ok(Json::String(reader.text()?.into())),
        4 => Ok(Json::Number(reader.numeric()?)),
        5 => Ok(Json::Bool(reader.byte()? != 0)),
        6 => {
            let count = u32::from_be_bytes(reader.array()?);
            let elements = (0..count).map(|_| read_key(reader, depth + 1));
            Ok(Json::Array(elements.collect::<Result<_>>()?))
        }
        7 => {
            let count = u32::from_be_bytes(reader.array()?);
            let mut members: Vec<(Box<str>, Json)> = Vec::new();
            for _ in 0..count {
                let name: Box<str> = reader.text()?.into();
                members.push((name, read_key(reader, depth + 1)?));
            }
            Ok(Json::object(members))
        }
        _ => Err(damaged()),
    }
}

fn damaged() -> Error {
    Error::corrupted("jsonb")
}
