//! Writes msgpack in the shortest form of everything: https://github.com/msgpack/msgpack/blob/master/spec.md.

pub fn array(out: &mut Vec<u8>, length: usize) {
    header(out, length, 0x90, 0xdc);
}

pub fn map(out: &mut Vec<u8>, length: usize) {
    header(out, length, 0x80, 0xde);
}

fn header(out: &mut Vec<u8>, length: usize, short: u8, long: u8) {
    match length {
        0..16 => out.push(short | length as u8),
        16..0x1_0000 => {
            out.push(long);
            out.extend((length as u16).to_be_bytes());
        }
        _ => {
            out.push(long + 1);
            out.extend((length as u32).to_be_bytes());
        }
    }
}

pub fn text(out: &mut Vec<u8>, text: &str) {
    match text.len() {
        length @ 0..32 => out.push(0xa0 | length as u8),
        length @ 32..0x100 => out.extend([0xd9, length as u8]),
        length => {
            out.push(0xda); // no name is longer than 512 bytes
            out.extend((length as u16).to_be_bytes());
        }
    }
    out.extend_from_slice(text.as_bytes());
}

pub fn integer(out: &mut Vec<u8>, number: i64) {
    match number {
        -0x20..0x80 => out.push(number as u8),
        0x80..0x100 => out.extend([0xcc, number as u8]),
        0x100..0x1_0000 => {
            out.push(0xcd);
            out.extend((number as u16).to_be_bytes());
        }
        0x1_0000..0x1_0000_0000 => {
            out.push(0xce);
            out.extend((number as u32).to_be_bytes());
        }
        0x1_0000_0000.. => {
            out.push(0xcf);
            out.extend(number.to_be_bytes());
        }
        -0x80..-0x20 => out.extend([0xd0, number as u8]),
        -0x8000..-0x80 => {
            out.push(0xd1);
            out.extend((number as i16).to_be_bytes());
        }
        -0x8000_0000..-0x8000 => {
            out.push(0xd2);
            out.extend((number as i32).to_be_bytes());
        }
        _ => {
            out.push(0xd3);
            out.extend(number.to_be_bytes());
        }
    }
}
