//! The words of statements that people read, in each language. The machine's names (kinds, causes
//! in CSV and NDJSON) are the same in all.

use std::fmt;
use std::str::FromStr;

use alliance_contracts::adjustment::AdjustmentCause;
use alliance_contracts::date::Date;
use alliance_contracts::names::PartnerId;
use alliance_contracts::time::Timestamp;

use crate::cli::layout::count;

/// A language that statements are written in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Language {
    /// English.
    #[default]
    En,
    /// Simplified Chinese.
    ZhCn,
}

/// The text is no language that statements are written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("statements are written in en or zh-CN")]
pub struct NoLanguage;

impl Language {
    /// As BCP 47 has it: `en`, `zh-CN`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::En => "en",
            Self::ZhCn => "zh-CN",
        }
    }

    /// Its words.
    #[must_use]
    pub const fn words(self) -> &'static Words {
        match self {
            Self::En => &EN,
            Self::ZhCn => &ZH_CN,
        }
    }

    /// A day.
    #[must_use]
    pub fn date(self, date: Date) -> String {
        let (year, month, day) = date.civil();
        match self {
            Self::En => date.to_string(),
            Self::ZhCn => format!("{year}年{month}月{day}日"),
        }
    }

    /// A time, to the minute, in UTC.
    #[must_use]
    pub fn time(self, time: Timestamp) -> String {
        let text = time.to_string();
        let (date, clock) = text.split_once('T').unwrap_or((&text, ""));
        let minute = clock.get(..5).unwrap_or(clock);
        let date = date.parse().map_or_else(|_| date.to_owned(), |date| self.date(date));
        format!("{date} {minute} UTC")
    }

    /// So many receipts.
    #[must_use]
    pub fn receipts(self, many: u64) -> String {
        match (self, many) {
            (Self::En, 1) => "1 receipt".to_owned(),
            (Self::En, _) => format!("{} receipts", count(many)),
            (Self::ZhCn, _) => format!("{} 张凭证", count(many)),
        }
    }

    /// The title of a statement: its number, and whose it is.
    #[must_use]
    pub fn title(self, number: u64, partner: &PartnerId) -> String {
        let title = self.words().title;
        match self {
            Self::En => format!("{title} No. {number} · {partner}"),
            Self::ZhCn => format!("{title} 第 {number} 号 · {partner}"),
        }
    }

    /// Which page of how many.
    #[must_use]
    pub fn page(self, page: usize, of: usize) -> String {
        match self {
            Self::En => format!("Page {page} of {of}"),
            Self::ZhCn => format!("第 {page} 页，共 {of} 页"),
        }
    }

    /// Why an adjustment was made.
    #[must_use]
    pub fn cause(self, cause: &str) -> &str {
        let known = AdjustmentCause::ALL.into_iter().find(|known| known.as_str() == cause);
        match (self, known) {
            (_, None) => cause,
            (Self::En, Some(AdjustmentCause::FeeShare)) => "Share of fees",
            (Self::En, Some(AdjustmentCause::CampaignCost)) => "Cost of campaigns",
            (Self::En, Some(AdjustmentCause::Payment)) => "Payment of an earlier window",
            (Self::En, Some(AdjustmentCause::Prefunding)) => "Prefunding",
            (Self::En, Some(AdjustmentCause::Collateral)) => "Collateral",
            (Self::En, Some(AdjustmentCause::Loss)) => "Loss",
            (Self::En, Some(AdjustmentCause::Correction)) => "Correction",
            (Self::ZhCn, Some(AdjustmentCause::FeeShare)) => "手续费分成",
            (Self::ZhCn, Some(AdjustmentCause::CampaignCost)) => "活动成本",
            (Self::ZhCn, Some(AdjustmentCause::Payment)) => "前期窗口付款",
            (Self::ZhCn, Some(AdjustmentCause::Prefunding)) => "预付资金",
            (Self::ZhCn, Some(AdjustmentCause::Collateral)) => "保证金",
            (Self::ZhCn, Some(AdjustmentCause::Loss)) => "损失分摊",
            (Self::ZhCn, Some(AdjustmentCause::Correction)) => "更正",
        }
    }
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Language {
    type Err = NoLanguage;

    fn from_str(text: &str) -> Result<Self, NoLanguage> {
        match text {
            "en" => Ok(Self::En),
            "zh-CN" => Ok(Self::ZhCn),
            _ => Err(NoLanguage),
        }
    }
}

/// What a statement says, apart from figures and names.
#[derive(Debug)]
pub struct Words {
    /// The title.
    pub title: &'static str,
    /// The statement's number.
    pub number: &'static str,
    /// Whose.
    pub partner: &'static str,
    /// Who draws it up.
    pub alliance: &'static str,
    /// Its id.
    pub id: &'static str,
    /// The window's id.
    pub window: &'static str,
    /// From when to when.
    pub period: &'static str,
    /// Since when it stands.
    pub issued: &'static str,
    /// When banks pay.
    pub value_date: &'static str,
    /// The value date counts days that no calendar knows.
    pub provisional: &'static str,
    /// The partner is paid so much.
    pub receives: &'static str,
    /// The partner pays so much.
    pub pays: &'static str,
    /// Neither.
    pub nothing: &'static str,
    /// The settlement currency.
    pub currency: &'static str,
    /// The heading above the positions.
    pub position: &'static str,
    /// What was carried in.
    pub opening: &'static str,
    /// What the receipts come to.
    pub activity: &'static str,
    /// Both.
    pub net: &'static str,
    /// What banks move.
    pub payment: &'static str,
    /// What the next window opens with.
    pub carried: &'static str,
    /// What the signs mean.
    pub signs: &'static str,
    /// The heading above what each chain comes to.
    pub by_counterparty: &'static str,
    /// With whom.
    pub counterparty: &'static str,
    /// How many.
    pub receipts: &'static str,
    /// How much.
    pub amount: &'static str,
    /// All of it.
    pub total: &'static str,
    /// What of it went to the alliance.
    pub fees: &'static str,
    /// The heading above adjustments.
    pub adjustments: &'static str,
    /// The heading above payments.
    pub payments: &'static str,
    /// Who pays.
    pub debtor: &'static str,
    /// Who is paid.
    pub creditor: &'static str,
    /// The heading above the proofs.
    pub proof: &'static str,
    /// How the statement is checked; the signed text is attached.
    pub how: &'static str,
    /// The hash of the certificate.
    pub certificate: &'static str,
    /// The hash of the signed payload.
    pub payload: &'static str,
    /// A chain.
    pub corridor: &'static str,
    /// First and last receipt.
    pub range: &'static str,
    /// The root of the tree.
    pub root: &'static str,
    /// The hash of the last receipt.
    pub head: &'static str,
    /// The sheet of figures.
    pub sheet: &'static str,
    /// The sheet of lines.
    pub lines: &'static str,
    /// The sheet of ranges.
    pub ranges: &'static str,
    /// What the signed statement says.
    pub signed: &'static str,
    /// What the sheet comes to, less what was signed.
    pub difference: &'static str,
    /// The columns of lines.
    pub columns: [&'static str; 12],
}

const EN: Words = Words {
    title: "Settlement statement",
    number: "No.",
    partner: "Partner",
    alliance: "Alliance",
    id: "Statement",
    window: "Window",
    period: "Period",
    issued: "Issued",
    value_date: "Value date",
    provisional: "provisional: no calendar is published so far ahead",
    receives: "You are paid",
    pays: "You pay",
    nothing: "Nothing is paid",
    currency: "Currency",
    position: "Position",
    opening: "Opening position",
    activity: "Activity of the window",
    net: "Net position",
    payment: "Paid through banks",
    carried: "Carried into the next window",
    signs: "Above zero you are owed, or are paid; below zero you owe, or pay.",
    by_counterparty: "Activity by counterparty",
    counterparty: "Counterparty",
    receipts: "Receipts",
    amount: "Amount",
    total: "Total",
    fees: "Fees contained in these receipts",
    adjustments: "Adjustments contained in these receipts",
    payments: "Payments",
    debtor: "From",
    creditor: "To",
    proof: "Proof",
    how: "The signed statement is attached to this file (statement.jws). Your receipts prove it: \
          the SDK computes it again from them.",
    certificate: "Netting certificate, SHA-256",
    payload: "Signed payload, SHA-256",
    corridor: "Chain",
    range: "Receipts no.",
    root: "Merkle root after the last",
    head: "SHA-256 of the last receipt",
    sheet: "Statement",
    lines: "Lines",
    ranges: "Ranges",
    signed: "As signed",
    difference: "Difference",
    columns: [
        "Receipt",
        "Completed (UTC)",
        "Chain",
        "No.",
        "Kind",
        "Cause",
        "Transaction",
        "Window",
        "Amount",
        "Settled",
        "Fee",
        "Leaf hash",
    ],
};

const ZH_CN: Words = Words {
    title: "结算单",
    number: "编号",
    partner: "合作伙伴",
    alliance: "联盟",
    id: "结算单号",
    window: "结算窗口",
    period: "期间",
    issued: "出具时间",
    value_date: "起息日",
    provisional: "暂定：尚未公布该日期的日历",
    receives: "贵方应收",
    pays: "贵方应付",
    nothing: "无需付款",
    currency: "币种",
    position: "头寸",
    opening: "期初头寸",
    activity: "本窗口发生额",
    net: "净头寸",
    payment: "银行收付",
    carried: "结转下一窗口",
    signs: "正数为贵方应收或已收，负数为贵方应付或已付。",
    by_counterparty: "按对手方的发生额",
    counterparty: "对手方",
    receipts: "凭证数",
    amount: "金额",
    total: "合计",
    fees: "上述凭证所含手续费",
    adjustments: "上述凭证所含调整",
    payments: "付款",
    debtor: "付款方",
    creditor: "收款方",
    proof: "证明",
    how: "已签名的结算单附于本文件（statement.jws）。贵方凭证即为证明：可用 SDK 由凭证重新计算。",
    certificate: "轧差证书 SHA-256",
    payload: "签名内容 SHA-256",
    corridor: "凭证链",
    range: "凭证序号",
    root: "末张凭证后的默克尔根",
    head: "末张凭证 SHA-256",
    sheet: "结算单",
    lines: "明细",
    ranges: "凭证范围",
    signed: "签名数值",
    difference: "差额",
    columns: [
        "凭证",
        "完成时间（UTC）",
        "凭证链",
        "序号",
        "类型",
        "原因",
        "交易",
        "结算窗口",
        "金额",
        "已结",
        "手续费",
        "叶哈希",
    ],
};
