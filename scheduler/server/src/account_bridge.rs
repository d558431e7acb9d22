//! Between the state machine and the Discord accounts.

use orb_scheduler_core::AccountId;

/// What the state machine wants of an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AccountCommand {
    /// Join a channel, or move to it.
    Join {
        /// Which.
        account: AccountId,
        /// Where.
        guild_id: u64,
        /// Where.
        channel_id: u64,
    },
    /// Get fresh credentials.
    Refresh {
        /// Which.
        account: AccountId,
        /// Where.
        guild_id: u64,
        /// Where.
        channel_id: u64,
    },
    /// Leave the guild's channel.
    Leave {
        /// Which.
        account: AccountId,
        /// Where.
        guild_id: u64,
    },
}
