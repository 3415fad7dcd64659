//! A UUID in 22 characters instead of 36: its 16 bytes in URL-safe base 64 without padding (RFC 4648, section 5).

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use uuid::Uuid;

/// The short form; `None` for whatever is not a UUID in lower case with dashes.
pub(super) fn pack(uid: &str) -> Option<String> {
    let uuid = Uuid::try_parse(uid).ok()?;
    // Other spellings of the same number would not come back as they were.
    (uuid.to_string() == uid).then(|| BASE64_URL_SAFE_NO_PAD.encode(uuid.as_bytes()))
}

/// The UUID behind the short form.
pub(super) fn unpack(text: &str) -> Option<String> {
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(text).ok()?;
    Uuid::from_slice(&bytes).ok().map(|uuid| uuid.to_string())
}
