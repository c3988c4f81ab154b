//! What quotes are compared with: a handler that verifies one request signature and makes one
//! signature, and nothing else. It prices nothing, seals nothing, counts nothing, logs nothing.
//!
//! It is measured as `alliance bench --mode quotes` measures the gateway: the same requests from
//! the same clients to a server of its own process, with as many workers.
//!
//!     cargo run --release -p alliance-gateway --example bare_handler -- --seconds 10 --json

use std::collections::HashMap;
use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use actix_web::http::header;
use actix_web::web::{self, Bytes, Data};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer};
use alliance_contracts::content_digest::verify_content_digest;
use alliance_contracts::decimal::Decimal;
use alliance_contracts::http_signature::{Headers, RequestView, Tag, parse_request};
use alliance_contracts::jws::{self, JwsType};
use alliance_contracts::keys::{Kid, PublicKey, SigningKey};
use alliance_contracts::quote::{MemberAccount, QuoteRequest, Side, SideAmount, TransactionKind};
use alliance_gateway::bench::{self, Mode, Options};
use alliance_gateway::cli::printer::Printer;
use alliance_gateway::draw;
use alliance_gateway::instance::{Instance, KEY_LIST_FILE, Overrides};
use alliance_settlement::clearing_house::Clock;
use clap::Parser;

/// Measures a bare handler.
#[derive(Parser)]
struct Args {
    /// What `bench` starts: the server
    #[command(subcommand)]
    serve: Option<Serve>,
    /// How long the clock runs
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// Requests under way at once
    #[arg(long, default_value_t = 64)]
    clients: usize,
    /// Show the result as one JSON object
    #[arg(long, global = true)]
    json: bool,
}

#[derive(clap::Subcommand)]
enum Serve {
    /// Serves, as `alliance serve` is told to
    Serve {
        #[arg(long)]
        dir: PathBuf,
        #[arg(long)]
        listen: String,
        #[arg(long)]
        database: String,
    },
}

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let args = Args::parse();
    if let Some(Serve::Serve { dir, listen, database }) = args.serve {
        serve(dir, &listen, database)?;
        return Ok(ExitCode::SUCCESS);
    }
    let options = Options {
        time: Duration::from_secs(args.seconds),
        clients: args.clients,
        server: Some(std::env::current_exe()?),
        ..Options::new(Mode::Bare)
    };
    let printer = Printer::new(args.json);
    Ok(match bench::run(&options, printer) {
        Ok(exit) => exit.into(),
        Err(failure) => {
            printer.failure(&failure);
            failure.exit.into()
        }
    })
}

/// What the handler needs: everything else was done before.
struct Bare {
    keys: HashMap<Kid, PublicKey>,
    key: std::sync::Arc<SigningKey>,
    clock: Clock,
    /// A quote's payload, signed anew for every request.
    payload: Vec<u8>,
    /// An answer up to its token.
    before_token: String,
    key_list: Vec<u8>,
}

/// actix's header fields as the signature profile reads them.
struct Fields<'a>(&'a header::HeaderMap);

impl Headers for Fields<'_> {
    fn values<'a>(&'a self, lower_name: &str) -> Vec<&'a [u8]> {
        self.0.get_all(lower_name).map(header::HeaderValue::as_bytes).collect()
    }
}

/// Verifies one signature, makes one.
async fn bare(http: HttpRequest, body: Bytes, bare: Data<Bare>) -> HttpResponse {
    let fields = Fields(http.headers());
    let host = http.headers().get(header::HOST).and_then(|host| host.to_str().ok());
    let request = RequestView {
        method: http.method().as_str(),
        authority: host.unwrap_or_default(),
        path: http.uri().path(),
        query: http.uri().query(),
        headers: &fields,
    };
    let Ok(signed) = parse_request(&request, Tag::Request, bare.clock.now()) else {
        return HttpResponse::Unauthorized().finish();
    };
    let Some(key) = bare.keys.get(&signed.kid) else {
        return HttpResponse::Unauthorized().finish();
    };
    let digest = verify_content_digest(&fields.values("content-digest"), &body);
    if signed.verify(key).is_err() || digest.is_err() {
        return HttpResponse::Unauthorized().finish();
    }
    let token = jws::sign(JwsType::Quote, &bare.payload, &bare.key);
    let answer = [&bare.before_token, &*token, "\"}"].concat();
    HttpResponse::Ok().content_type("application/json").body(answer)
}

/// The gateway's keys: the clients pin what vouches for them.
async fn key_list(bare: Data<Bare>) -> HttpResponse {
    HttpResponse::Ok().content_type("application/json").body(bare.key_list.clone())
}

/// There are no receipts.
async fn corridors() -> HttpResponse {
    HttpResponse::Ok().content_type("application/json").body(r#"{"corridors":[]}"#)
}

fn serve(dir: PathBuf, listen: &str, database: String) -> Result<(), Box<dyn Error>> {
    let overrides = Overrides { database: Some(database.into()), ..Overrides::default() };
    let instance = Instance::load(&dir, &overrides)
        .map_err(|faults| faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))?;
    let bare = Data::new(prepare(&instance)?);
    let workers = std::thread::available_parallelism()?.get();
    actix_web::rt::System::new().block_on(async move {
        let server = HttpServer::new(move || {
            App::new()
                .app_data(bare.clone())
                .route("/v1/quotes", web::post().to(self::bare))
                .route("/v1/corridors", web::get().to(corridors))
                .route("/.well-known/jwks.json", web::get().to(key_list))
        })
        .workers(workers)
        .keep_alive(Duration::from_secs(75))
        .bind(listen)?;
        let address = server.addrs().first().copied().ok_or("no address")?;
        Printer::new(false).document(&format!("{{\n\"url\": \"http://{address}\"\n}}"));
        Ok(server.run().await?)
    })
}

/// One real quote of this alliance, so that the bytes are as many as the gateway's.
fn prepare(instance: &Instance) -> Result<Bare, Box<dyn Error>> {
    let books = instance.read_books().map_err(|fault| fault.to_string())?;
    let (caller, request) = a_request()?;
    let quote = books.house().quote(&caller, &request, draw::id()).map_err(|u| u.detail)?;
    let text = serde_json::to_string(&quote)?;
    let before_token = text.strip_suffix(&format!("{}\"}}", quote.token));
    let keys = instance.definition.partners.iter().flat_map(|partner| &partner.keys);
    let keys = keys.map(|key| key.public_key().map(|public| (public.kid().clone(), public)));
    Ok(Bare {
        keys: keys.collect::<Result<_, _>>()?,
        key: instance.signing_key.clone(),
        clock: Clock::system(),
        payload: jws::parse(&quote.token)?.payload,
        before_token: before_token.ok_or("a quote ends with its token")?.to_owned(),
        key_list: std::fs::read(instance.folder.join(KEY_LIST_FILE))?,
    })
}

fn a_request() -> Result<(alliance_contracts::names::PartnerId, QuoteRequest), Box<dyn Error>> {
    let account = |program: &str, member: &str| -> Result<MemberAccount, Box<dyn Error>> {
        Ok(MemberAccount { member: member.parse()?, program: program.parse()? })
    };
    let value: Decimal = "100".parse()?;
    let request = QuoteRequest {
        expiry: None,
        amount: Some(SideAmount { side: Side::Source, value }),
        kind: TransactionKind::Exchange,
        segment: None,
        source: account("aurora", "aurora-0000000")?.into(),
        target: account("borealis", "borealis-0000000")?.into(),
        tier: None,
    };
    Ok(("aurora-air".parse()?, request))
}
