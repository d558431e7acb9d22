//! Faults of the voice gateway and its UDP port that wait for something to happen, and those that
//! happen to sockets at once.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::config::Displacement;
use crate::voice_connections::VoiceOut;
use crate::world::State;
use crate::{GuildId, UserId};

/// How older voice connections give way, when a fault has said so.
enum DisplacementScript {
    Always(Displacement),
    Seeded(Box<StdRng>),
}

/// Faults of voice that wait for something to happen.
#[derive(Default)]
pub(crate) struct PendingVoiceFaults {
    identify: Option<(u32, u16)>,
    /// Before the first that is refused.
    passing_identifies: u32,
    resume: Option<(u32, u16)>,
    lost_discoveries: u32,
    displacement: Option<DisplacementScript>,
}

impl PendingVoiceFaults {
    pub(crate) fn refuse_identifies(&mut self, after: u32, times: u32, code: u16) {
        self.passing_identifies = after;
        self.identify = Some((times, code));
    }

    pub(crate) fn refuse_resumes(&mut self, times: u32, code: u16) {
        self.resume = Some((times, code));
    }

    pub(crate) fn lose_discoveries(&mut self, times: u32) {
        self.lost_discoveries = times;
    }

    /// `how` from now on, or one of all ways each time, picked by a generator with this seed.
    /// Neither: as configured again.
    pub(crate) fn displace(&mut self, how: Option<Displacement>, seed: Option<u64>) {
        let seeded = |seed| DisplacementScript::Seeded(Box::new(StdRng::seed_from_u64(seed)));
        self.displacement = how
            .map(DisplacementScript::Always)
            .or_else(|| seed.map(seeded));
    }

    /// Whether this IDENTIFY is refused, and with which close code.
    pub(crate) fn refuse_identify(&mut self) -> Option<u16> {
        if let Some(left) = self.passing_identifies.checked_sub(1) {
            self.passing_identifies = left;
            return None;
        }
        take_one(&mut self.identify)
    }

    /// Whether this RESUME is refused, and with which close code.
    pub(crate) fn refuse_resume(&mut self) -> Option<u16> {
        take_one(&mut self.resume)
    }

    /// Whether the answer to this IP discovery is lost.
    pub(crate) fn loses_discovery(&mut self) -> bool {
        let left = self.lost_discoveries.checked_sub(1);
        self.lost_discoveries = left.unwrap_or(0);
        left.is_some()
    }

    /// How the next older connection gives way.
    pub(crate) fn displacement(&mut self, configured: Displacement) -> Displacement {
        match &mut self.displacement {
            None => configured,
            Some(DisplacementScript::Always(how)) => *how,
            Some(DisplacementScript::Seeded(rng)) => {
                Displacement::ALL[rng.random_range(0..Displacement::ALL.len())]
            }
        }
    }
}

fn take_one(refusals: &mut Option<(u32, u16)>) -> Option<u16> {
    let (left, code) = refusals.as_mut()?;
    *left = left.checked_sub(1)?;
    Some(*code)
}

impl State {
    /// Does the same to the sockets of connections to voice channels; returns how many connections there were.
    pub(crate) fn tell_voice(
        &mut self,
        guild: GuildId,
        user: Option<UserId>,
        out: impl Fn() -> VoiceOut,
    ) -> usize {
        let hit = self.connections.of_channels(guild, user);
        for &ssrc in &hit {
            if let Some(connection) = self.connections.get_mut(ssrc) {
                connection.send(out());
            }
        }
        hit.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_as_often_as_asked() {
        let mut faults = PendingVoiceFaults::default();
        assert_eq!(faults.refuse_resume(), None);
        faults.refuse_resumes(2, 4009);
        faults.lose_discoveries(1);
        assert_eq!(faults.refuse_resume(), Some(4009));
        assert_eq!(faults.refuse_identify(), None);
        assert_eq!(faults.refuse_resume(), Some(4009));
        assert_eq!(faults.refuse_resume(), None);
        assert!(faults.loses_discovery());
        assert!(!faults.loses_discovery());
    }

    #[test]
    fn displacement_is_as_configured_as_told_or_by_seed() {
        let configured = Displacement::Close(4006);
        let mut faults = PendingVoiceFaults::default();
        assert_eq!(faults.displacement(configured), configured);
        faults.displace(Some(Displacement::Reset), None);
        assert_eq!(faults.displacement(configured), Displacement::Reset);

        let mut run = |seed| -> Vec<Displacement> {
            faults.displace(None, Some(seed));
            (0..20).map(|_| faults.displacement(configured)).collect()
        };
        let (first, again, other) = (run(1), run(1), run(2));
        assert_eq!(first, again);
        assert_ne!(first, other);
        faults.displace(None, None);
        assert_eq!(faults.displacement(configured), configured);
    }
}
