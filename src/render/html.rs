//! html.

use super::Brief;

/// Renders one brief.
#[must_use]
pub fn render(_brief: &Brief) -> String {
    String::new()
}
