//! Short bytes without memory of their own.

/// Longer ones have it.
const SHORT: usize = 256;

/// Pass three slices, joined, to `work`.
#[inline]
pub fn with_joined<R>(parts: [&[u8]; 3], work: impl FnOnce(&[u8]) -> R) -> R {
    let [first, second, third] = parts;
    let (middle, length) = (first.len() + second.len(), first.len() + second.len() + third.len());
    if length > SHORT {
        return work(&parts.concat());
    }
    let mut joined = [0; SHORT];
    joined[..first.len()].copy_from_slice(first);
    joined[first.len()..middle].copy_from_slice(second);
    joined[middle..length].copy_from_slice(third);
    work(&joined[..length])
}

/// Pass a copy to `work`, which may change it.
#[inline]
pub fn with_copy<R>(bytes: &[u8], work: impl FnOnce(&mut [u8]) -> R) -> R {
    if bytes.len() > SHORT {
        return work(&mut bytes.to_vec());
    }
    let mut copy = [0; SHORT];
    copy[..bytes.len()].copy_from_slice(bytes);
    work(&mut copy[..bytes.len()])
}
