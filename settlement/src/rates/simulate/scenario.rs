//! Three stories of one small alliance, to see what a model does with nothing to set up. Each is
//! the files that a partner would write: it can be taken as a beginning for one's own.

/// A story.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scenario {
    /// Four weeks in which nothing special happens: flows come back, readings waver.
    Steady,
    /// Five days on which everybody wants the same points.
    OneWayRush,
    /// What a point costs rises by 30 %, and falls a week later.
    PriceShock,
}

impl Scenario {
    /// Every story.
    pub const ALL: [Self; 3] = [Self::Steady, Self::OneWayRush, Self::PriceShock];

    /// Its name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Steady => "steady",
            Self::OneWayRush => "one-way-rush",
            Self::PriceShock => "price-shock",
        }
    }

    /// For how many days it is told.
    #[must_use]
    pub const fn days(self) -> u32 {
        match self {
            Self::Steady => 28,
            Self::OneWayRush | Self::PriceShock => 21,
        }
    }

    /// What the alliance has agreed on: a definition, in TOML.
    #[must_use]
    pub const fn definition(self) -> &'static str {
        include_str!("scenario/alliance.toml")
    }

    /// What members want to exchange.
    #[must_use]
    pub const fn flows(self) -> &'static str {
        match self {
            Self::Steady | Self::PriceShock => include_str!("scenario/steady.csv"),
            Self::OneWayRush => include_str!("scenario/one-way-rush.csv"),
        }
    }

    /// What is read meanwhile.
    #[must_use]
    pub const fn readings(self) -> &'static str {
        match self {
            Self::Steady | Self::OneWayRush => include_str!("scenario/steady.feeds.csv"),
            Self::PriceShock => include_str!("scenario/price-shock.feeds.csv"),
        }
    }
}
