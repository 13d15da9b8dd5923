//! Answering an agent that asks whether it may.

use agent_client_protocol::v1::schema::{
    PermissionOption, PermissionOptionKind, RequestPermissionOutcome, SelectedPermissionOutcome,
};

use crate::config::server::Permissions;

/// Returns the answer that the operator's settings give. The narrower of two fitting options is
/// taken; where none fits, the question is called off, so that nothing is left waiting.
pub(super) fn answer(
    permissions: Permissions,
    options: &[PermissionOption],
) -> RequestPermissionOutcome {
    use PermissionOptionKind::{AllowAlways, AllowOnce, RejectAlways, RejectOnce};
    let wanted = match permissions {
        Permissions::Allow => [AllowOnce, AllowAlways],
        Permissions::Deny => [RejectOnce, RejectAlways],
    };
    let of_kind = |kind| options.iter().find(|option| option.kind == kind);
    match wanted.into_iter().find_map(of_kind) {
        Some(option) => RequestPermissionOutcome::Selected(SelectedPermissionOutcome::new(
            option.option_id.clone(),
        )),
        None => RequestPermissionOutcome::Cancelled,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_narrowest_option_of_the_wanted_kind_is_taken() {
        use PermissionOptionKind::{AllowAlways, AllowOnce, RejectAlways, RejectOnce};
        let all = [AllowAlways, RejectAlways, AllowOnce, RejectOnce];
        for (permissions, kinds, expected) in [
            (Permissions::Allow, &all[..], Some("AllowOnce")),
            (Permissions::Deny, &all[..], Some("RejectOnce")),
            (Permissions::Allow, &all[..2], Some("AllowAlways")),
            (Permissions::Deny, &all[..2], Some("RejectAlways")),
            (Permissions::Allow, &[RejectOnce], None),
            (Permissions::Deny, &[AllowOnce], None),
            (Permissions::Allow, &[], None),
        ] {
            let options: Vec<PermissionOption> = kinds
                .iter()
                .map(|kind| PermissionOption::new(format!("{kind:?}"), "name", *kind))
                .collect();
            let expected = expected.map_or(RequestPermissionOutcome::Cancelled, |id| {
                RequestPermissionOutcome::Selected(SelectedPermissionOutcome::new(id))
            });
            assert_eq!(answer(permissions, &options), expected, "{options:?}");
        }
    }
}
