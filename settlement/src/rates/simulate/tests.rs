//! What the three stories show, and what holds whatever is simulated.

use alliance_contracts::decimal::Decimal;
use proptest::prelude::*;

use super::scenario::Scenario;
use super::*;
use crate::rates::model::ValueModel;

fn name<T: std::str::FromStr<Err: std::fmt::Debug>>(text: &str) -> T {
    text.parse().unwrap()
}

/// A story that may be bent before it is told.
struct Story {
    definition: Definition,
    inputs: input::Inputs,
    days: u32,
    every: i64,
    demand: Demand,
}

impl Story {
    fn of(scenario: Scenario) -> Self {
        let definition: Definition = toml::from_str(scenario.definition()).unwrap();
        definition.check().unwrap();
        let inputs = input::read(&definition, scenario.flows(), Some(scenario.readings())).unwrap();
        Self { definition, inputs, days: scenario.days(), every: 3_600, demand: Demand::default() }
    }

    fn flows(mut self, text: &str) -> Self {
        self.inputs.flows = input::read(&self.definition, text, None).unwrap().flows;
        self
    }

    fn try_tell(&self) -> Result<Simulation, SimulationError> {
        run(&Plan {
            definition: &self.definition,
            flows: &self.inputs.flows,
            readings: &self.inputs.readings,
            days: self.days,
            every_seconds: self.every,
            demand: self.demand,
            start: self.inputs.start,
        })
    }

    fn tell(&self) -> Simulation {
        self.try_tell().unwrap()
    }

    fn model(&self, program: &str) -> ValueModel {
        let of = |p: &&crate::alliance::ProgramDefinition| p.program.as_str() == program;
        self.definition.programs.iter().find(of).unwrap().model.clone().unwrap()
    }
}

fn value<'p>(period: &'p Period, program: &str) -> &'p ValueNow {
    period.values.iter().find(|now| now.program.as_str() == program).unwrap()
}

fn direction<'p>(period: &'p Period, source: &str, target: &str) -> &'p DirectionNow {
    let is = |now: &&DirectionNow| (now.source.as_str(), now.target.as_str()) == (source, target);
    period.directions.iter().find(is).unwrap()
}

/// A program's values, period by period, in 10⁻⁶.
fn values(told: &Simulation, program: &str) -> Vec<i64> {
    told.periods.iter().map(|period| value(period, program).value.micros()).collect()
}

fn imbalances(told: &Simulation) -> Vec<i128> {
    let flow = |p: &Period, s: &str, t: &str| direction(p, s, t).flow;
    let each = told.periods.iter();
    each.map(|p| flow(p, "aurora", "borealis") - flow(p, "borealis", "aurora")).collect()
}

const PROGRAMS: [&str; 3] = ["aurora", "borealis", "cedar"];

#[test]
fn every_value_stays_in_its_band_and_no_step_is_too_long() {
    // Where fees are high no movement is halved, and the step alone holds it.
    for (scenario, fee) in Scenario::ALL.into_iter().flat_map(|s| [(s, None), (s, Some("0.1"))]) {
        let mut story = Story::of(scenario);
        for agreement in &mut story.definition.agreements {
            agreement.fee = fee.map_or(agreement.fee, name);
        }
        let told = story.tell();
        assert_eq!(told.periods.len(), story.days as usize * 24);
        for program in PROGRAMS {
            let model = story.model(program);
            for period in &told.periods {
                let ValueNow { value, target, .. } = value(period, program);
                assert!(model.band.contains(*value) && model.band.contains(*target));
            }
            for (at, two) in values(&told, program).windows(2).enumerate() {
                let step = i128::from(two[0]) * i128::from(model.max_step.micros()) / 1_000_000;
                let moved = i128::from((two[1] - two[0]).abs());
                assert!(moved <= step, "{scenario:?}: {program} moves {two:?} after board {at}");
            }
        }
    }
}

#[test]
fn what_is_wanted_goes_stays_away_or_is_refused_to_the_last_millionth() {
    for scenario in Scenario::ALL {
        let told = Story::of(scenario).tell();
        for period in &told.periods {
            let (mut wanted, mut went, mut away) = (0, 0, 0);
            for now in &period.directions {
                wanted += now.wanted;
                went += now.gross + now.refused;
                away += now.kept_away;
                assert!(now.gross >= 0 && now.refused == 0 && !now.frozen, "{now:?}");
            }
            // Something of what stays away turns back, and goes.
            assert!(wanted >= went && went >= wanted - away && (away > 0 || went == wanted));
        }
        let wanted: i128 =
            told.periods.iter().flat_map(|p| &p.directions).map(|now| now.wanted).sum();
        let story = Story::of(scenario);
        let given = input::projected(&story.inputs.flows, story.inputs.start, story.days);
        assert_eq!(wanted, given.iter().map(|spell| spell.gross).sum::<i128>());
    }
}

#[test]
fn steady_flows_and_wavering_readings_move_no_value_further_than_a_step() {
    let story = Story::of(Scenario::Steady);
    let told = story.tell();
    for program in PROGRAMS {
        let settled = &values(&told, program)[14 * 24..];
        let (least, most) = (settled.iter().min().unwrap(), settled.iter().max().unwrap());
        let step = least * story.model(program).max_step.micros() / 1_000_000;
        assert!(most - least <= step, "{program} wanders from {least} to {most}, a step is {step}");
        assert!(most > least, "{program} does not follow what is read at all");
    }
    let each = told.periods.iter().flat_map(|period| &period.directions);
    assert!(each.clone().count() == 28 * 24 * 6 && each.clone().all(|now| now.surcharge.is_zero()));
}

#[test]
fn a_value_that_nothing_moves_goes_to_its_target_one_way_and_rests() {
    let mut story = Story::of(Scenario::Steady);
    // What is read on the first three days, and then nothing more.
    let end = story.inputs.start.plus_seconds(3 * DAY_SECONDS);
    story.inputs.readings.retain(|reading| reading.observed_at < end);
    let told = story.tell();
    for program in PROGRAMS {
        let resting = &values(&told, program)[2 * 24..];
        let target = value(&told.periods[27 * 24], program).target.micros();
        let ways: std::collections::BTreeSet<i64> =
            resting.windows(2).map(|two| (two[1] - two[0]).signum()).filter(|w| *w != 0).collect();
        assert!(ways.len() <= 1, "{program} turns round");
        assert_eq!(resting.last(), Some(&target));
        assert!(resting[24..].iter().all(|value| *value == target), "{program} takes days");
    }
}

#[test]
fn a_rush_is_made_dearer_on_its_own_way_only_and_turns_back() {
    let story = Story::of(Scenario::OneWayRush);
    let told = story.tell();
    let surcharges = |source: &str, target: &str| -> Vec<Decimal> {
        told.periods.iter().map(|p| direction(p, source, target).surcharge).collect()
    };
    let rushed = surcharges("aurora", "borealis");
    let rush = 3 * 24..8 * 24;
    assert!(rushed[..rush.start].iter().all(|surcharge| surcharge.is_zero()));
    assert!(rushed[rush.end - 1] > name("0.01"), "{}", rushed[rush.end - 1]);
    for now in told.periods.iter().flat_map(|period| &period.directions) {
        let rushed = (now.source.as_str(), now.target.as_str()) == ("aurora", "borealis");
        assert!(rushed || now.surcharge.is_zero(), "{now:?}");
    }
    // While the rush goes on, less and less of it does; none of it would without a surcharge.
    let goes = |at: usize| {
        let now = direction(&told.periods[at], "aurora", "borealis");
        now.gross * 100 / now.wanted
    };
    assert!(goes(rush.start) == 100 && goes(rush.start + 24) < 90 && goes(rush.end - 1) < 75);
    let without = Demand { elasticity: Decimal::ZERO, ..Demand::default() };
    let unmoved = Story { demand: without, ..Story::of(Scenario::OneWayRush) }.tell();
    let (steered, unmoved) = (imbalances(&told), imbalances(&unmoved));
    let (peak, worse) = (steered.iter().max().unwrap(), unmoved.iter().max().unwrap());
    assert!(peak * 10 < worse * 8, "the imbalance is {peak} and would have been {worse}");
    // After it, the imbalance fades into the deadband and the surcharge with it.
    for two in rush.end + 1..rush.end + 72 {
        assert!(steered[two] < steered[two - 1] && rushed[two] <= rushed[two - 1], "{two}");
    }
    let deadband = story.definition.rates.surcharge.unwrap().deadband.micros();
    assert!(steered[20 * 24..].iter().all(|imbalance| *imbalance < deadband.into()));
    assert!(rushed[20 * 24..].iter().all(|surcharge| surcharge.is_zero()));
}

/// The model's steps 4 and 5, written down again.
fn expected_path(mut value: i64, target: i64) -> Vec<i64> {
    let mut path = vec![value];
    while value != target {
        let way = (target - value).abs();
        let moved = ((way * 3 + 9) / 10).min(value / 50);
        value += (target - value).signum() * moved;
        path.push(value);
    }
    path
}

#[test]
fn after_a_shock_a_value_goes_to_its_new_target_in_as_many_boards_as_expected() {
    let story = Story::of(Scenario::PriceShock);
    let told = story.tell();
    let all = values(&told, "borealis");
    // 0.4 × 0.1 + 0.6 × 0.13, and a week later 0.4 × 0.1 + 0.6 × 0.085.
    for (day, target) in [(4, 118_000), (11, 91_000)] {
        let from = (day - 1) * 24 - 1;
        let expected = expected_path(all[from], target);
        let boards = all[from..].iter().position(|value| *value == target).unwrap();
        let walked = &all[from..=from + boards];
        assert!(
            walked.windows(2).all(|two| (two[1] - two[0]).signum() == (target - two[0]).signum())
        );
        let halved = told.periods[from..=from + boards]
            .iter()
            .filter(|period| value(period, "borealis").halvings > 0)
            .count();
        // A step that quotes of two boards could be turned to profit with is halved.
        let longest = expected.len() - 1 + halved;
        assert!((expected.len() - 1..=longest).contains(&boards), "{boards} of {longest}");
        assert!((10..=60).contains(&boards), "{boards}");
        assert!(told.periods[from + 1].values.iter().any(|v| v.limited_by.contains(&Limit::Step)));
    }
}

#[test]
fn where_fees_are_low_a_shock_takes_more_boards_and_is_never_passed() {
    let mut story = Story::of(Scenario::PriceShock);
    let boards = |story: &Story| {
        let all = values(&story.tell(), "borealis");
        let shock = &all[3 * 24 - 1..10 * 24];
        assert!(shock.windows(2).all(|two| two[0] <= two[1] && two[1] <= 118_000));
        shock.iter().position(|value| *value == 118_000).unwrap()
    };
    let usual = boards(&story);
    for agreement in &mut story.definition.agreements {
        agreement.fee = name("0.003");
    }
    assert!(boards(&story) > usual + 5);
    let told = story.tell();
    let halved = |p: &Period| value(p, "borealis").limited_by.contains(&Limit::Overlap);
    assert!(told.periods.iter().any(halved));
}

#[test]
fn a_flow_beyond_the_limit_is_refused_and_the_pair_would_have_frozen() {
    // Ten days as usual, then a hundred times as much.
    let usual: String = (1..=10).map(|day| format!("{day},aurora,borealis,24000\n")).collect();
    let flows = format!("day,source,target,gross\n{usual}11,aurora,borealis,24000000\n");
    let mut story = Story::of(Scenario::Steady).flows(&flows);
    story.demand.elasticity = Decimal::ZERO;
    story.days = 11;
    let told = story.tell();
    let (before, burst) = told.periods.split_at(10 * 24);
    assert!(before.iter().flat_map(|p| &p.directions).all(|now| !now.frozen && now.refused == 0));
    let now = direction(&burst[0], "aurora", "borealis");
    assert!(now.frozen);
    let limit = i128::from(now.limit.unwrap().micros());
    // The limit holds by board: until the new one does, the old one's is used up, too.
    assert!(now.gross <= limit * 2 && now.gross + now.refused == now.wanted);
}

#[test]
fn a_board_that_says_nothing_new_is_not_published() {
    let mut story =
        Story::of(Scenario::Steady).flows("day,source,target,gross\n1,aurora,cedar,0\n");
    story.definition.rates.breaker = None;
    story.inputs.readings.clear();
    let told = story.tell();
    assert_eq!((told.boards(), told.periods.last().unwrap().board), (1, 1));
    story.definition.programs[2].value = name("1.05");
    let first = value(&story.tell().periods[0], "cedar").value;
    assert_eq!(first, name("1.05"), "the first board has the agreed values");
}

#[test]
fn fees_are_earned_on_what_goes() {
    let flows = "day,source,target,gross\n1,aurora,cedar,7200\n";
    let mut story = Story::of(Scenario::Steady).flows(flows);
    story.days = 2;
    // Two hundredths of 7,200 on each of two days.
    assert_eq!(story.tell().earned(), (288_000_000, 0));
}

#[test]
fn whoever_simulates_the_same_is_told_the_same() {
    let story = Story::of(Scenario::OneWayRush);
    assert_eq!(story.tell(), story.tell());
}

#[test]
fn what_cannot_be_simulated_is_told() {
    let told = |change: fn(&mut Story)| {
        let mut story = Story::of(Scenario::Steady);
        change(&mut story);
        story.try_tell().unwrap_err().to_string()
    };
    assert!(told(|s| s.days = 0).contains("1 to 3650"));
    assert!(told(|s| s.every = 120).contains("takes effect 120 seconds after"));
    assert!(told(|s| (s.every, s.days) = (121, 3_650)).contains("100000 at most"));
}

#[test]
fn every_fault_of_both_files_is_listed() {
    let definition: Definition = toml::from_str(Scenario::Steady.definition()).unwrap();
    let flows = "day,source,target,gross\n0,aurora,borealis,1\n+1,zeta,eta,-5\n\n\
                 1,aurora,aurora,1\n1,aurora\n1,\"aurora\",cedar,1\n1,aurora,cedar,1.50\n";
    let readings = "day,program,feed,value\n0,aurora,cost,1\n1,aurora,price,0.05\n\
                    1,aurora,cost,0.05\n1,aurora,cost,0.051\n1,cedar,redemption,5000\n";
    let faults = input::read(&definition, flows, Some(readings)).unwrap_err();
    let told = |faults: &[crate::rates::feeds::RowFault]| -> Vec<usize> {
        faults.iter().map(|fault| fault.line).collect()
    };
    assert_eq!(told(&faults.flows), [2, 3, 3, 3, 3, 5, 6, 7, 8], "{:#?}", faults.flows);
    assert_eq!(told(&faults.readings), [2, 3, 5, 6], "{:#?}", faults.readings);
    assert!(faults.flows[5].to_string().contains("within one partner"), "{}", faults.flows[5]);
    let headless = input::read(&definition, "aurora,borealis,1\n", Some("x\n")).unwrap_err();
    assert_eq!((headless.flows.len(), headless.readings.len()), (1, 1));
    let mut lonely = definition;
    lonely.agreements.remove(0);
    let faults = input::read(&lonely, "day,source,target,gross\n1,aurora,borealis,1\n", None);
    assert!(faults.unwrap_err().flows[0].to_string().contains("have no agreement"));
}

#[test]
fn times_and_days_make_the_same_plan() {
    let definition: Definition = toml::from_str(Scenario::Steady.definition()).unwrap();
    let flows = "time,source,target,gross\n2026-11-24T01:00:00.000Z,aurora,cedar,5\n\
                 2026-11-23T23:59:59.999Z,aurora,cedar,7\n";
    let readings =
        "program,feed,value,observed_at\naurora,redemption,0.051,2026-11-20T00:00:00.000Z\n";
    let inputs = input::read(&definition, flows, Some(readings)).unwrap();
    assert_eq!(inputs.start, name("2026-11-23T00:00:00.000Z"));
    let inputs =
        input::read(&definition, "day,source,target,gross\n1,aurora,cedar,5\n", Some(readings));
    assert_eq!(inputs.unwrap().start, name("2026-11-20T00:00:00.000Z"));
    assert_eq!(input::DEFAULT_START, name("2026-01-05T00:00:00.000Z"));
}

fn by_day(flows: &str, days: u32) -> Vec<i128> {
    let definition: Definition = toml::from_str(Scenario::Steady.definition()).unwrap();
    let inputs = input::read(&definition, flows, None).unwrap();
    let mut sums = vec![0; days as usize];
    for spell in input::projected(&inputs.flows, inputs.start, days) {
        if let Some(sum) = sums.get_mut(usize::try_from(spell.begin / DAY_SECONDS).unwrap()) {
            *sum += spell.gross / 1_000_000;
        }
    }
    sums
}

#[test]
fn a_week_is_repeated_and_less_than_a_week_by_its_last_whole_day() {
    let days = |grosses: &[i64]| -> String {
        let row = |(at, gross): (usize, &i64)| format!("{},aurora,cedar,{gross}\n", at + 1);
        let rows: String = grosses.iter().enumerate().map(row).collect();
        format!("day,source,target,gross\n{rows}")
    };
    assert_eq!(by_day(&days(&[1, 2, 3]), 6), [1, 2, 3, 3, 3, 3]);
    assert_eq!(
        by_day(&days(&[9, 1, 2, 3, 4, 5, 6, 7]), 17),
        [9, 1, 2, 3, 4, 5, 6, 7, 1, 2, 3, 4, 5, 6, 7, 1, 2]
    );
    assert_eq!(by_day(&days(&[1, 2, 3]), 2), [1, 2]);
    // The second day is not whole: what is known of it stays, and the first is repeated.
    let timed = "time,source,target,gross\n2026-11-23T23:10:00.000Z,aurora,cedar,4\n\
                 2026-11-24T12:00:00.000Z,aurora,cedar,1\n";
    assert_eq!(by_day(timed, 4), [4, 1, 4, 4]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn whatever_flows_and_members_do_values_stay_and_surcharges_are_bounded(
        flows in prop::collection::vec((1..5_u32, 0..6_usize, 0..2_000_000_u32), 1..30),
        (elasticity, turning) in (0..400_i64, 0..=100_i64),
        hours in 1..13_i64,
    ) {
        let ways = [("aurora", "borealis"), ("borealis", "aurora"), ("aurora", "cedar"),
            ("cedar", "aurora"), ("borealis", "cedar"), ("cedar", "borealis")];
        let rows: String = flows
            .iter()
            .map(|(day, way, gross)| format!("{day},{},{},{gross}\n", ways[*way].0, ways[*way].1))
            .collect();
        let mut story = Story::of(Scenario::PriceShock)
            .flows(&format!("day,source,target,gross\n{rows}"));
        let of = |micros| Decimal::from_micros(micros).unwrap();
        story.demand = Demand { elasticity: of(elasticity * 1_000_000), turning: of(turning * 10_000) };
        (story.days, story.every) = (8, hours * 3_600);
        let told = story.tell();
        let most = story.definition.rates.surcharge.unwrap().max;
        for period in &told.periods {
            for program in PROGRAMS {
                prop_assert!(story.model(program).band.contains(value(period, program).value));
            }
            for now in &period.directions {
                let back = direction(period, now.target.as_str(), now.source.as_str());
                prop_assert!(now.surcharge <= most);
                prop_assert!(now.surcharge.is_zero() || back.surcharge.is_zero());
                prop_assert!(now.gross >= 0 && now.refused >= 0 && now.kept_away <= now.wanted);
            }
        }
    }
}
