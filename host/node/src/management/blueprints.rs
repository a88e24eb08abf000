//! How blueprints come and go: what was checked against all others is stored only if all are as
//! they were. Knows no HTTP and no plan.

use super::Office;
use super::writes::ATTEMPTS_MAX;
use crate::examine::{Descriptions, Examined, examine};
use crate::projector::Picture;
use crate::{keys, rollouts};
use aether_api::{ApiError, Applied, Apply, Principal};
use aether_kv::{Condition, Operation, Transaction};
use aether_types::blueprint::Application;
use aether_types::versioned::encode;
use aether_types::{AppName, ErrorKind, Revision};
use bytes::Bytes;

impl Office {
    /// Checked once more where another application has come, changed or gone meanwhile; refused
    /// where this one has.
    pub(super) async fn apply_blueprint(&self, apply: Apply) -> Result<Applied, ApiError> {
        let app = &apply.blueprint.application.name;
        for attempt in 1.. {
            let picture = self.picture();
            let Examined { application, known, changed, .. } =
                examine(&picture, &self.reports.borrow().view, &apply, Descriptions::new())?;
            let (mut revision, mut rollout) = (known, false);
            if changed {
                let begin = rollouts::begin(&picture.world, app, apply.strategy.as_ref())?;
                rollout = begin.rollout;
                let Transaction { conditions, operations } = storing(&picture, &application, begin);
                match self.write(conditions, operations).await {
                    Ok(stored) => revision = stored,
                    Err(error) if error.kind == ErrorKind::Conflict && attempt < ATTEMPTS_MAX => {
                        self.newer(picture.world.revision).await?;
                        if stored(&self.picture(), app) == stored(&picture, app) {
                            continue;
                        }
                        return Err(error);
                    }
                    Err(error) => return Err(error),
                }
                let by = &apply.by.name;
                tracing::info!(%app, by, revision = revision.0, "blueprint applied");
            }
            let application = self.known_application(app)?;
            return Ok(Applied { revision: revision.0, changed, rollout, application });
        }
        unreachable!("the last attempt returns")
    }

    pub(super) async fn remove_blueprint(
        &self,
        app: &AppName,
        by: &Principal,
    ) -> Result<(), ApiError> {
        let picture = self.picture();
        let revision = stored(&picture, app).ok_or_else(|| self.unknown(app))?;
        let Transaction { conditions, operations } = removing(app, revision);
        self.write(conditions, operations).await?;
        tracing::info!(%app, by = by.name, "application removed");
        Ok(())
    }
}

/// Writes a blueprint, if all that it was checked against is as it was.
fn storing(picture: &Picture, application: &Application, begin: rollouts::Begin) -> Transaction {
    let app = &application.blueprint.application.name;
    let key = keys::blueprint(app);
    let mut conditions = begin.conditions;
    conditions.push(picture.world.blueprints_unchanged());
    conditions.push(rollouts::unchanged(key.clone(), stored(picture, app)));
    let bound = application.artifacts.iter();
    conditions.extend(bound.map(|b| Condition::Present { key: keys::artifact(&b.digest) }));
    let value = encode(application).into();
    let mut operations = begin.operations;
    operations.push(Operation::Put { key, value, lease: None });
    operations.push(changed());
    Transaction { conditions, operations }
}

/// Takes away the blueprint that has this revision.
fn removing(app: &AppName, revision: Revision) -> Transaction {
    let key = keys::blueprint(app);
    let condition = Condition::ModifiedAt { key: key.clone(), revision };
    let mut operations = rollouts::forget(app);
    operations.push(Operation::Delete { key: keys::scale(app) });
    operations.push(Operation::Delete { key });
    operations.push(changed());
    Transaction { conditions: vec![condition], operations }
}

fn stored(picture: &Picture, app: &AppName) -> Option<Revision> {
    picture.world.blueprints.get(app).map(|at| at.revision)
}

/// Whoever has looked at all blueprints before has to look again.
fn changed() -> Operation {
    Operation::Put { key: keys::blueprints_changed(), value: Bytes::new(), lease: None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rollouts::Begin;
    use crate::world::World;
    use aether_kv::{Command, State};
    use aether_types::LogIndex;
    use aether_types::blueprint::Blueprint;

    fn picture(state: &State) -> Picture {
        let world = World::read(state).unwrap().0;
        Picture { world, ..Picture::default() }
    }

    fn application(name: &str) -> Application {
        let text = format!(
            "[application]\nname = \"{name}\"\nversion = \"1.0.0\"\n\
             [[slices]]\nartifact = \"t:web:1.0.0\"\n"
        );
        let blueprint = Blueprint::parse("blueprint.toml", &text).unwrap();
        Application { blueprint, artifacts: vec![] }
    }

    #[test]
    fn of_blueprints_that_were_checked_without_each_other_one_is_stored() {
        let mut state = State::default();
        let mut write = |transaction: Transaction| {
            let index = LogIndex(state.applied().0 + 1);
            let command = Command::Transaction(transaction.try_into().unwrap());
            let written = state.apply(index, &command).result.is_ok();
            (written, picture(&state))
        };
        let begin = || Begin { conditions: vec![], operations: vec![], rollout: false };
        let storing = |picture: &Picture, app| storing(picture, &application(app), begin());
        let nothing = picture(&State::default());
        // Both are new: neither has an entry that the other could look at.
        let (written, with_one) = write(storing(&nothing, "one"));
        assert!(written);
        assert!(!write(storing(&nothing, "two")).0);
        let (written, with_two) = write(storing(&with_one, "two"));
        assert!(written);
        assert!(!write(storing(&with_one, "one")).0, "the other one is there now");
        // One goes: what was checked while it was there may have needed it.
        let (written, _) = write(removing(&"one".parse().unwrap(), Revision(1)));
        assert!(written);
        assert!(!write(storing(&with_two, "two")).0);
    }
}
