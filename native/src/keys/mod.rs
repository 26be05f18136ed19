//! Keys, and where they are: what encrypts, decrypts and tags with them, the memory that they are in, and how it is wiped.

pub mod cipher;
pub mod mac;
pub mod memory;
mod secret;
mod stack;
