//! Changing keys while the power fails or the disk refuses: one whole ring has the name at every
//! moment, and what was acknowledged holds.

use rustdb_vfs::{Effect, Failure, Fault, OpKind, OpSet, PowerLoss, SimVfs};

use super::*;

/// A machine with an encrypted database, everything durable.
fn machine() -> SimVfs {
    let machine = SimVfs::new(5);
    let vfs = machine.vfs();
    vfs.create_dir_all(directory()).unwrap();
    vfs.sync_dir(Path::new("/")).unwrap();
    create(&vfs, Some(&encryption(1)));
    for entry in vfs.read_dir(directory()).unwrap() {
        vfs.open(&entry.path, OpenMode::ReadWrite)
            .unwrap()
            .sync_data()
            .unwrap();
    }
    vfs.sync_dir(directory()).unwrap();
    machine
}

fn opens(machine: &SimVfs, key: u8) -> Option<Arc<Security>> {
    open(&machine.vfs(), Some(&encryption(key))).ok()
}

/// Runs `change` on copies of a machine, with the power going out in the middle of each of its
/// operations in turn and after the last; calls `check` with whether it was acknowledged and what the
/// disk may then look like.
fn at_every_operation(
    change: impl Fn(&Security) -> Result<()>,
    check: impl Fn(bool, &SimVfs, &str),
) {
    let start = machine();
    for skip in 0.. {
        let machine = start.fork();
        let security = opens(&machine, 1).unwrap();
        machine.power_off_at(OpSet::ALL, skip);
        let outcome = change(&security);
        let finished = machine.is_powered();
        assert_eq!(outcome.is_ok(), finished);
        for policy in PowerLoss::sample(skip, 20) {
            let after = machine.after_power_loss(policy);
            check(
                outcome.is_ok(),
                &after,
                &format!("operation {skip}, {policy:?}"),
            );
        }
        if finished {
            assert!(skip > 5, "the change does something");
            return;
        }
    }
}

#[test]
fn one_outer_key_opens_whenever_the_power_fails() {
    let change = |security: &Security| security.change_key(&key(2));
    at_every_operation(change, |acknowledged, machine, when| {
        let (old, new) = (opens(machine, 1), opens(machine, 2));
        assert!(old.is_some() != new.is_some(), "{when}");
        assert!(!acknowledged || new.is_some(), "{when}");
        // And the change can be made, or made again.
        let security = old.or(new).unwrap();
        security.change_key(&key(3)).unwrap();
        assert!(opens(machine, 3).is_some(), "{when}");
    });
}

#[test]
fn no_data_key_is_lost_whenever_the_power_fails() {
    let sealed = std::cell::RefCell::new(None);
    let change = |security: &Security| {
        *sealed.borrow_mut() = Some(seal(security, FileKind::Table, b"before"));
        security.rotate_data_key(Algorithm::ChaCha20Poly1305)?;
        *sealed.borrow_mut() = Some(seal(security, FileKind::Table, b"after"));
        Ok(())
    };
    at_every_operation(change, |acknowledged, machine, when| {
        let security = opens(machine, 1).expect(when);
        assert!(
            !acknowledged || security.key_ring().unwrap().active().id().get() == 2,
            "{when}"
        );
        let (header, block) = sealed.borrow().clone().unwrap();
        let block = unseal(&security, FileKind::Table, &header, &block).expect(when);
        assert!(block.is_ok(), "{when}");
    });
}

#[test]
fn a_refused_operation_changes_no_key_and_the_change_can_be_repeated() {
    for failure in [Failure::Io, Failure::NoSpace] {
        for skip in 0.. {
            let machine = machine();
            let security = opens(&machine, 1).unwrap();
            let fault =
                machine.inject(Fault::new(Effect::Fail(failure)).on(OpSet::ALL).after(skip));
            let outcome = security.change_key(&key(2));
            let fired = machine.remove_fault(fault).unwrap().fired() > 0;
            if !fired {
                outcome.unwrap();
                break;
            }
            assert!(outcome.is_err(), "operation {skip}");
            let old = opens(&machine, 1).is_some();
            assert!(old != opens(&machine, 2).is_some(), "operation {skip}");
            let text = outcome.unwrap_err().to_string();
            assert!(
                old || text.contains("the new key ring or the old one"),
                "`{text}`"
            );
            // In memory nothing has changed, so files can be sealed and the change repeated.
            let (header, block) = seal(&security, FileKind::Table, b"text");
            assert!(
                unseal(&security, FileKind::Table, &header, &block)
                    .unwrap()
                    .is_ok()
            );
            security.change_key(&key(2)).unwrap();
            assert!(opens(&machine, 1).is_none() && opens(&machine, 2).is_some());
        }
    }
}

#[test]
fn a_ring_that_was_written_wrong_does_not_replace_the_old_one() {
    for effect in [Effect::FlipBit, Effect::Ignore, Effect::Misdirect(8)] {
        let machine = machine();
        let security = opens(&machine, 1).unwrap();
        let fault = Fault::new(effect).on(OpKind::Write).path(names::KEYRING);
        machine.inject(fault);
        assert!(security.change_key(&key(2)).is_err(), "{effect:?}");
        assert!(opens(&machine, 1).is_some(), "{effect:?}");
        machine.clear_faults();
        security.change_key(&key(2)).unwrap();
        assert!(opens(&machine, 2).is_some(), "{effect:?}");
    }
}
