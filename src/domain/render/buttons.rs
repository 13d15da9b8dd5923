//! What stands on the buttons of our check run, and beside them.

use crate::domain::button::Button;

/// Returns what stands on a button, at most 20 characters.
#[must_use]
pub const fn label(button: Button) -> &'static str {
    match button {
        Button::Retry => "Try again",
        Button::Undo => "Undo",
    }
}

/// Returns what stands beside a button, at most 40 characters.
#[must_use]
pub const fn description(button: Button) -> &'static str {
    match button {
        Button::Retry => "Have an agent try this once more",
        Button::Undo => "Take this commit back by one more",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn github_has_room_for_them() {
        for button in [Button::Retry, Button::Undo] {
            assert!(label(button).chars().count() <= 20);
            assert!(description(button).chars().count() <= 40);
        }
    }
}
