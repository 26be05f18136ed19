//! What this module is made of, and whether the processor can do what it needs.

#[cfg(feature = "fips")]
use aws_lc_fips_sys::AWSLC_VERSION_NUMBER_STRING;
#[cfg(not(feature = "fips"))]
use aws_lc_sys::AWSLC_VERSION_NUMBER_STRING;

/// The library that does the cryptography.
pub const CRYPTOGRAPHY: &str = if cfg!(feature = "fips") { "aws-lc-fips" } else { "aws-lc" };

/// Return the module's version as Python spells it.
pub fn version() -> String {
    env!("CARGO_PKG_VERSION").replace("-dev.", ".dev").replace("-rc.", "rc")
}

/// Return the version of the library.
pub fn cryptography_version() -> &'static str {
    let text = AWSLC_VERSION_NUMBER_STRING.strip_suffix(b"\0").unwrap_or(AWSLC_VERSION_NUMBER_STRING);
    std::str::from_utf8(text).unwrap_or("unknown")
}

/// Return true if this build uses the processor's instructions for AES-GCM, and the processor has them.
pub fn has_aes() -> bool {
    let built_without = option_env!("AWS_LC_SYS_NO_ASM").or(option_env!("AWS_LC_FIPS_SYS_NO_ASM"));
    built_without.is_none_or(|value| value == "0") && processor_has_aes()
}

#[cfg(any(target_arch = "x86_64", target_arch = "x86"))]
fn processor_has_aes() -> bool {
    is_x86_feature_detected!("aes") && is_x86_feature_detected!("pclmulqdq")
}

#[cfg(target_arch = "aarch64")]
fn processor_has_aes() -> bool {
    use std::arch::is_aarch64_feature_detected;
    is_aarch64_feature_detected!("aes") && is_aarch64_feature_detected!("pmull")
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "x86", target_arch = "aarch64")))]
fn processor_has_aes() -> bool {
    false
}
