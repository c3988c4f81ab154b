//! Exchanges 100 aurora points for borealis points, and verifies the receipt offline.
//! Run `alliance demo`, then `cargo run --example exchange_points [FROM-MEMBER TO-MEMBER]`.
#![allow(clippy::print_stdout, reason = "an example speaks to its reader")]

use std::{env, error::Error, fs, path::Path};

use alliance_partner_sdk::client::{Client, account};
use alliance_partner_sdk::verify::{VerifiedReceipt, keys};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let dir = env::var("ALLIANCE_DIR").unwrap_or_else(|_| "alliance-demo".to_owned());
    let dir = Path::new(&dir);
    let client = Client::from_config(dir.join("partners/aurora-air/client.toml"))?;
    let args: Vec<String> = env::args().skip(1).collect();
    let links = fs::read_to_string(dir.join("links.csv"))?;
    let pair = match args.as_slice() {
        [from, to] => Some((from.as_str(), to.as_str())),
        _ => links.lines().find_map(|l| l.strip_prefix("aurora,")?.split_once(",borealis,")),
    };
    let (from, to) = pair.ok_or("links.csv has no row aurora,…,borealis,…")?;

    let (from, to) = (account("aurora", from)?, account("borealis", to)?);
    let quote = client.exchange(from, to).give("100".parse()?).await?;
    let arrives = quote.target.amount();
    println!("quote    100 aurora for {arrives} borealis until {}", quote.expires_at);

    let done = client.transact(&quote, format!("example-{}", quote.id).parse()?).await?;
    println!("done     {} is {}", done.id, done.state.as_str());

    let root = client.root_key().ok_or("client.toml pins no root key")?;
    let keys = keys::verify_key_list(&fs::read(dir.join("jwks.json"))?, root)?;
    let signed = done.receipt.ok_or("pending: its receipt comes when it completes")?;
    let receipt = VerifiedReceipt::verify(&signed.jws, &keys)?;
    println!("verified receipt {} of {}", receipt.receipt().seq, receipt.receipt().corridor);
    Ok(())
}
