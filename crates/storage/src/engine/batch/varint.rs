//! Numbers of variable length, LEB128, and bytes that are preceded by theirs.

#[inline]
pub(super) fn take_prefixed<'a>(bytes: &mut &'a [u8]) -> Result<&'a [u8], &'static str> {
    let length = read_varint(bytes)?;
    let length = usize::try_from(length).map_err(|_| "a length is out of range")?;
    if length > bytes.len() {
        return Err("a length points past the end of the commit");
    }
    let (head, rest) = bytes.split_at(length);
    *bytes = rest;
    Ok(head)
}

#[inline]
pub(crate) fn write_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

#[inline]
pub(crate) fn read_varint(bytes: &mut &[u8]) -> Result<u64, &'static str> {
    // Most are lengths of keys.
    if let Some((&byte, rest)) = bytes.split_first()
        && byte < 0x80
    {
        *bytes = rest;
        return Ok(byte.into());
    }
    read_long_varint(bytes)
}

fn read_long_varint(bytes: &mut &[u8]) -> Result<u64, &'static str> {
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = bytes.split_first().ok_or("a number is cut short")?;
        *bytes = rest;
        if shift == 63 && byte > 1 {
            return Err("a number is too large");
        }
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err("a number is too long")
}
