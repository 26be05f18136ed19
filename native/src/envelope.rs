//! Values as bytes (SPEC section 4): no Python here.

pub const SALT_SIZE: usize = 12;
pub const NONCE_SIZE: usize = 12;
pub const HEAD_SIZE: usize = 17;
pub const PREFIX_SIZE: usize = HEAD_SIZE + SALT_SIZE;
pub const BODY_START: usize = PREFIX_SIZE + NONCE_SIZE;

/// Return a value's nonce and body, if it has this infix between them: its key record after its length, or nothing.
#[inline]
pub fn split<'a>(infix: &[u8], data: &'a [u8]) -> Option<([u8; NONCE_SIZE], &'a [u8])> {
    let nonce = data.get(PREFIX_SIZE..BODY_START)?.try_into().ok()?;
    let rest = &data[BODY_START..];
    // An empty infix is not compared: memcmp with no bytes, at the address that an empty Vec has, takes 60 ns.
    let body = if infix.is_empty() { rest } else { rest.strip_prefix(infix)? };
    Some((nonce, body))
}
