//! Giving up root.

use rustix::process::{Gid, Signal, Uid, set_parent_process_death_signal};
use rustix::thread::{set_no_new_privs, set_thread_groups, set_thread_res_gid, set_thread_res_uid};

use crate::adapters::sandbox::stage::Trouble;

/// Becomes `user` for good: real, effective and saved, with no other group; no program that is
/// started from here gains a privilege, and all dies with the server.
///
/// The identity is that of this thread, the only one.
pub(super) fn give_up(user: Option<u32>) -> Result<(), Trouble> {
    let become_user = |id: u32| {
        let (uid, gid) = (Uid::from_raw(id), Gid::from_raw(id));
        set_thread_groups(&[])?;
        set_thread_res_gid(gid, gid, gid)?;
        set_thread_res_uid(uid, uid, uid)
    };
    if let Some(id) = user {
        become_user(id).map_err(|cause| Trouble::new(format!("become user {id}"), cause))?;
    }
    set_no_new_privs(true).map_err(|cause| Trouble::new("give up new privileges", cause))?;
    // Last: becoming another user takes it back.
    set_parent_process_death_signal(Some(Signal::KILL))
        .map_err(|cause| Trouble::new("tie its life to the server's", cause))
}
