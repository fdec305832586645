//! As much of protobuf's wire format as it takes to put nodes around a stored graph without decoding it.
//!
//! Source: protobuf's encoding guide; the field numbers are those of `onnx.proto`.

/// One field of a message: its number, its content, and the bytes that hold both.
pub(super) struct Field<'a> {
    pub(super) number: u64,
    /// The content of a length-delimited field; empty for a number.
    pub(super) bytes: &'a [u8],
    /// The content of a varint field; 0 for others.
    pub(super) varint: u64,
    /// Key and content as they are stored.
    pub(super) raw: &'a [u8],
}

/// The fields of a message in their order, or `None` if it is cut short or not a message.
pub(super) fn fields(mut message: &[u8]) -> Option<Vec<Field<'_>>> {
    let mut found = Vec::new();
    while !message.is_empty() {
        let (key, mut rest) = read_varint(message)?;
        let (mut bytes, mut varint) = (&message[..0], 0);
        match key & 7 {
            0 => (varint, rest) = read_varint(rest)?,
            1 => rest = rest.get(8..)?,
            2 => {
                let (length, content) = read_varint(rest)?;
                (bytes, rest) = content.split_at_checked(usize::try_from(length).ok()?)?;
            }
            5 => rest = rest.get(4..)?,
            _ => return None,
        }
        let raw = &message[..message.len() - rest.len()];
        found.push(Field { number: key >> 3, bytes, varint, raw });
        message = rest;
    }
    Some(found)
}

fn read_varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut value = 0;
    for (k, &byte) in bytes.iter().enumerate().take(10) {
        value |= u64::from(byte & 0x7f) << (7 * k);
        if byte & 0x80 == 0 {
            return Some((value, &bytes[k + 1..]));
        }
    }
    None
}

/// A message that is being written.
#[derive(Clone, Debug, Default)]
pub(super) struct Message(Vec<u8>);

impl Message {
    fn raw_varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    /// A number.
    pub(super) fn int(mut self, number: u64, value: i64) -> Self {
        self.raw_varint(number << 3);
        self.raw_varint(value.cast_unsigned());
        self
    }

    /// Text, bytes or a message.
    pub(super) fn bytes(mut self, number: u64, content: impl AsRef<[u8]>) -> Self {
        let content = content.as_ref();
        self.raw_varint(number << 3 | 2);
        self.raw_varint(content.len() as u64);
        self.0.extend_from_slice(content);
        self
    }

    /// Fields that are encoded already.
    pub(super) fn raw(mut self, fields: &[u8]) -> Self {
        self.0.extend_from_slice(fields);
        self
    }

    /// The encoded message.
    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.0
    }
}

impl AsRef<[u8]> for Message {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::{Message, fields};

    #[test]
    fn what_is_written_is_read() {
        let message = Message::default().int(1, -1).bytes(300, "abc").int(7, 300).into_bytes();
        let read = fields(&message).unwrap();
        let seen: Vec<_> = read.iter().map(|field| (field.number, field.varint, field.bytes)).collect();
        assert_eq!(seen, [(1, u64::MAX, &b""[..]), (300, 0, b"abc"), (7, 300, b"")]);
        assert_eq!(read.iter().flat_map(|field| field.raw).copied().collect::<Vec<_>>(), message);
        for cut in [1, 5, 12, message.len() - 1] {
            assert!(fields(&message[..cut]).is_none_or(|fields| fields.len() < 3));
        }
        assert!(fields(&[0x0b]).is_none(), "groups are no part of ONNX");
        assert!(fields(&[0xff; 11]).is_none(), "a varint has ten bytes at most");
    }
}
