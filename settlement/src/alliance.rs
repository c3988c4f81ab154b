//! What the alliance has agreed on: partners, programs, values, agreements.
//!
//! | file | what |
//! | --- | --- |
//! | [`definition`] | the document, and every fault in it |
//! | [`changes`] | what may not change from one version to the next |
//! | [`rates`] | how boards are made: when, how far ahead, within which bounds |
//! | [`revenue`] | what partners get of the fees |
//! | [`campaigns`] | more points for a while, as it is kept |
//! | [`consents`] | what a partner lets another order in its name, as it is kept |
//! | [`agreements`] | what two partners have signed, as it is kept |
//! | [`settlement`] | when windows are closed, and how they are settled |
//! | [`terms`] | what holds between two partners at a moment |
//! | [`keys`] | keys, as definition, partners and root key have made them |
//! | [`master`] | the master keys of the books, by generation |
//! | [`registry`] | the snapshot that orders are priced and decided by |

pub mod agreements;
pub mod campaigns;
pub mod changes;
pub mod consents;
pub mod definition;
pub mod keys;
pub mod master;
pub mod rates;
pub mod registry;
pub mod revenue;
pub mod settlement;
pub mod terms;

pub use agreements::{AgreementRecord, AgreementSignature};
pub use campaigns::CampaignRecord;
pub use consents::{ConsentRecord, ConsentSpent};
pub use definition::{
    AgreementDefinition, Definition, DefinitionFault, KeyDefinition, PartnerDefinition,
    ProgramDefinition, Scope,
};
pub use keys::{GatewayKeys, ListedKey, MayNotSign, PartnerKeyRecord};
pub use master::{MasterKeyFault, MasterKeyRecord, MasterKeys, RotationFault};
pub use rates::{Breaker, RatesDefinition};
pub use registry::{
    BoardView, PartnerKey, PublishedBoard, Registry, RegistryChange, RegistryParts,
};
pub use revenue::{RevenueDefinition, SplitDefinition};
pub use settlement::{NettingWay, OperatorDefinition, Role, SettlementDefinition};
pub use terms::AgreementTerms;
