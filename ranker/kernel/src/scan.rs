//! A strict scanner of JSON: what it accepts, the decoder of core/decoder.py accepts and reads alike. Everything else it
//! declines (None), valid or not, and the plain fold decides.

use std::borrow::Cow;

use memchr::memchr2;

/// Nested deeper, unknown fields are left to the plain fold.
const MOST_DEEP: u32 = 16;
/// Digits that every integer of 64 bits has room for.
const SAFE_DIGITS: usize = 18;

pub struct Scan<'a> {
    text: &'a [u8],
    at: usize,
}

impl<'a> Scan<'a> {
    pub fn new(text: &'a [u8]) -> Self {
        Self { text, at: 0 }
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    /// Eight bytes from `at` on, the first one lowest; zeros are behind the end.
    fn eight(&self, at: usize) -> u64 {
        let rest = self.text.get(at..).unwrap_or_default();
        if let Some(bytes) = rest.first_chunk() {
            return u64::from_le_bytes(*bytes);
        }
        rest.iter().rev().fold(0, |word, &byte| word << 8 | u64::from(byte))
    }

    /// As `eight`, of the next 16 bytes.
    pub fn sixteen(&self) -> u128 {
        match self.text.get(self.at..).and_then(|rest| rest.first_chunk()) {
            Some(bytes) => u128::from_le_bytes(*bytes),
            None => u128::from(self.eight(self.at + 8)) << 64 | u128::from(self.eight(self.at)),
        }
    }

    /// Steps over so many bytes, which `sixteen` has shown, and white space.
    pub fn pass(&mut self, bytes: usize) {
        self.at += bytes;
        self.skip_space();
    }

    fn skip_space(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.at += 1;
        }
    }

    /// Steps over one character, after white space.
    fn expect(&mut self, wanted: u8) -> Option<()> {
        self.skip_space();
        (self.peek()? == wanted).then(|| self.at += 1)
    }

    /// Whether this character is next; it is stepped over.
    fn is_next(&mut self, wanted: u8) -> bool {
        self.expect(wanted).is_some()
    }

    fn literal(&mut self, word: &[u8]) -> Option<()> {
        self.text[self.at..].starts_with(word).then(|| self.at += word.len())
    }

    /// The members of an object, until its end: `member` reads each name and reads or skips the value.
    pub fn object(&mut self, mut member: impl FnMut(&mut Self) -> Option<()>) -> Option<()> {
        self.expect(b'{')?;
        if self.is_next(b'}') {
            return Some(());
        }
        loop {
            self.skip_space();
            member(self)?;
            self.skip_space();
            match self.peek()? {
                b',' => self.at += 1,
                b'}' => {
                    self.at += 1;
                    return Some(());
                }
                _ => return None,
            }
        }
    }

    /// A member's name; its value is next.
    pub fn name(&mut self) -> Option<Cow<'a, [u8]>> {
        let name = self.string()?;
        self.expect(b':')?;
        self.skip_space();
        Some(name)
    }

    /// Nothing but white space is left.
    pub fn end(&mut self) -> Option<()> {
        self.skip_space();
        (self.at == self.text.len()).then_some(())
    }

    /// `null`, stepped over, if it is next.
    pub fn is_null(&mut self) -> bool {
        self.literal(b"null").is_some()
    }

    /// UTF-8, without its quotes.
    #[inline(always)]
    pub fn string(&mut self) -> Option<Cow<'a, [u8]>> {
        if self.peek()? != b'"' {
            return None;
        }
        let start = self.at + 1;
        let mut end = start;
        loop {
            let stops = stops(self.eight(end));
            if stops != 0 {
                end += (stops.trailing_zeros() / 8) as usize;
                break;
            }
            end += 8;
        }
        if *self.text.get(end)? != b'"' {
            return self.unusual(start);
        }
        self.at = end + 1;
        Some(Cow::Borrowed(&self.text[start..end]))
    }

    /// A string with escapes, or with characters beyond ASCII.
    #[cold]
    #[inline(never)]
    fn unusual(&mut self, start: usize) -> Option<Cow<'a, [u8]>> {
        let rest = &self.text[start..];
        let length = memchr2(b'"', b'\\', rest)?;
        if rest[length] == b'\\' {
            return self.escaped(start, start + length).map(|made| Cow::Owned(made.into_bytes()));
        }
        self.at = start + length + 1;
        clean(&rest[..length]).map(|text| Cow::Borrowed(text.as_bytes()))
    }

    /// A string whose first escape stands at `found`.
    fn escaped(&mut self, start: usize, mut found: usize) -> Option<String> {
        let mut made = String::with_capacity(found - start + 64);
        let mut done = start;
        loop {
            made.push_str(clean(&self.text[done..found])?);
            if self.text[found] == b'"' {
                self.at = found + 1;
                return Some(made);
            }
            let (character, after) = self.escape(found + 1)?;
            made.push(character);
            done = after;
            found = done + memchr2(b'"', b'\\', self.text.get(done..)?)?;
        }
    }

    /// What the escape says whose letter stands at `at`, and where the text goes on. Half a pair is declined.
    fn escape(&self, at: usize) -> Option<(char, usize)> {
        let character = match self.text.get(at)? {
            b'"' => '"',
            b'\\' => '\\',
            b'/' => '/',
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                let unit = self.hexadecimal(at + 1)?;
                if !(0xd800..0xe000).contains(&unit) {
                    return Some((char::from_u32(unit)?, at + 5));
                }
                if unit >= 0xdc00 || self.text.get(at + 5..at + 7)? != b"\\u" {
                    return None;
                }
                let low = self.hexadecimal(at + 7)?;
                if !(0xdc00..0xe000).contains(&low) {
                    return None;
                }
                return Some((char::from_u32(0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00))?, at + 11));
            }
            _ => return None,
        };
        Some((character, at + 1))
    }

    fn hexadecimal(&self, at: usize) -> Option<u32> {
        self.text.get(at..at + 4)?.iter().try_fold(0, |number, &digit| Some(number << 4 | char::from(digit).to_digit(16)?))
    }

    /// An integer as it is written.
    pub fn digits_of_integer(&mut self) -> Option<&'a [u8]> {
        let start = self.at;
        self.integer()?;
        self.text.get(start..self.at)
    }

    /// An integer, written without fraction and exponent.
    pub fn integer(&mut self) -> Option<i64> {
        let is_negative = self.peek()? == b'-';
        self.at += usize::from(is_negative);
        let start = self.at;
        let mut number: i64 = 0;
        while let Some(digit @ b'0'..=b'9') = self.peek() {
            if self.at - start == SAFE_DIGITS {
                return None;
            }
            number = number * 10 + i64::from(digit - b'0');
            self.at += 1;
        }
        let digits = self.at - start;
        let has_leading_zero = digits > 1 && self.text[start] == b'0';
        let is_whole = digits > 0 && !has_leading_zero && !matches!(self.peek(), Some(b'.' | b'e' | b'E'));
        // -0 is left to the decoder
        (is_whole && !(is_negative && number == 0)).then_some(if is_negative { -number } else { number })
    }

    /// Steps over a value that nobody reads, if it is plain and valid.
    pub fn skip(&mut self, depth: u32) -> Option<()> {
        match self.peek()? {
            b'"' => self.string().map(drop),
            b'{' if depth < MOST_DEEP => self.object(|scan| scan.name().and_then(|_| scan.skip(depth + 1))),
            b'[' if depth < MOST_DEEP => self.skip_list(depth + 1),
            b't' => self.literal(b"true"),
            b'f' => self.literal(b"false"),
            b'n' => self.literal(b"null"),
            _ => self.skip_number(),
        }
    }

    fn skip_list(&mut self, depth: u32) -> Option<()> {
        self.at += 1;
        if self.is_next(b']') {
            return Some(());
        }
        loop {
            self.skip_space();
            self.skip(depth)?;
            self.skip_space();
            match self.peek()? {
                b',' => self.at += 1,
                b']' => {
                    self.at += 1;
                    return Some(());
                }
                _ => return None,
            }
        }
    }

    /// An integer, or one with a fraction.
    fn skip_number(&mut self) -> Option<()> {
        let start = self.at;
        if self.integer().is_some() {
            return Some(());
        }
        self.at = start + usize::from(self.text[start] == b'-');
        let whole = self.digits();
        if !(1..=SAFE_DIGITS).contains(&whole) || (whole > 1 && self.text[self.at - whole] == b'0') || self.peek()? != b'.' {
            return None;
        }
        self.at += 1;
        let fraction = self.digits();
        ((1..=SAFE_DIGITS).contains(&fraction) && !matches!(self.peek(), Some(b'e' | b'E'))).then_some(())
    }

    fn digits(&mut self) -> usize {
        let start = self.at;
        while let Some(b'0'..=b'9') = self.peek() {
            self.at += 1;
        }
        self.at - start
    }
}

/// Bytes at which a plain string ends or is no plain one any more: quote, backslash, control character or beyond ASCII.
/// The lowest bit that is set is in the first of them; those above it may be wrong.
fn stops(word: u64) -> u64 {
    const EACH: u64 = u64::MAX / 255;
    let quotes = (word ^ (EACH * b'"' as u64)).wrapping_sub(EACH);
    let backslashes = (word ^ (EACH * b'\\' as u64)).wrapping_sub(EACH);
    let controls = word.wrapping_sub(EACH * 0x20);
    (word | quotes | backslashes | controls) & (EACH * 0x80)
}

/// UTF-8 without control characters, which JSON has to escape.
fn clean(text: &[u8]) -> Option<&str> {
    if text.iter().any(|&byte| byte < 0x20) { None } else { std::str::from_utf8(text).ok() }
}
