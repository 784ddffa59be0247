//! Where in a session one is, and how time passes there.
//!
//! Knows moments, stops and seconds. Does not know the text, the clock on the wall or the keys.

use std::time::Duration;

/// How many events a second are played at speed 1: fast typing.
const EVENTS_PER_SECOND: f64 = 12.0;

/// The slowest speed is `2^-2`, the fastest `2^12`: 49,152 events a second.
const SPEEDS: std::ops::RangeInclusive<i32> = -2..=12;

/// No session should take longer than this at the speed that the player begins with.
const PATIENCE: Duration = Duration::from_secs(120);

/// A player of a session of so many events.
///
/// Invariant: `moment` is at most `events`, the speed is one of [`SPEEDS`].
#[derive(Clone, Debug)]
pub(super) struct Player {
    events: u32,
    /// Ascending; the last is the end.
    stops: Vec<u32>,
    moment: u32,
    /// How much of the next event has passed, in 0..1.
    fraction: f64,
    /// The power of two that the speed is.
    speed: i32,
    playing: bool,
}

impl Player {
    /// At the start, playing. `stops` are moments in ascending order that stepping stops at.
    pub(super) fn new(events: u32, stops: Vec<u32>) -> Self {
        let at_once = f64::from(events) / EVENTS_PER_SECOND / PATIENCE.as_secs_f64();
        let speed = (at_once.log2().ceil().max(0.0) as i32).min(*SPEEDS.end());
        Self { events, stops, moment: 0, fraction: 0.0, speed, playing: true }
    }

    /// How many events have happened.
    pub(super) fn moment(&self) -> u32 {
        self.moment
    }

    /// How many events there are.
    pub(super) fn events(&self) -> u32 {
        self.events
    }

    /// Whether time passes.
    pub(super) fn is_playing(&self) -> bool {
        self.playing
    }

    /// The speed, as a person says it: `4×`, `1/2×`.
    pub(super) fn speed(&self) -> String {
        let factor = 1_u32 << self.speed.unsigned_abs();
        if self.speed < 0 { format!("1/{factor}×") } else { format!("{factor}×") }
    }

    /// Lets time pass, while it plays. At the end it stops.
    pub(super) fn advance(&mut self, time: Duration) {
        if !self.playing {
            return;
        }
        let passed = self.fraction + time.as_secs_f64() * EVENTS_PER_SECOND * f64::from(self.speed).exp2();
        // A cast of a float takes the nearest number there is.
        self.moment = self.moment.saturating_add(passed as u32).min(self.events);
        self.fraction = passed.fract();
        self.playing = self.moment < self.events;
    }

    /// Stops, or goes on; at the end, from the start.
    pub(super) fn toggle(&mut self) {
        if !self.playing && self.moment == self.events {
            self.seek(0);
        }
        self.playing = !self.playing && self.events > 0;
    }

    /// Twice as fast.
    pub(super) fn faster(&mut self) {
        self.speed = (self.speed + 1).min(*SPEEDS.end());
    }

    /// Half as fast.
    pub(super) fn slower(&mut self) {
        self.speed = (self.speed - 1).max(*SPEEDS.start());
    }

    /// Stops at the next place where somebody began to type.
    pub(super) fn step_forward(&mut self) {
        let next = self.stops.partition_point(|stop| *stop <= self.moment);
        self.playing = false;
        self.seek(self.stops.get(next).copied().unwrap_or(self.events));
    }

    /// Stops at the last place before this moment where somebody began to type.
    pub(super) fn step_back(&mut self) {
        let before = self.stops.partition_point(|stop| *stop < self.moment);
        self.playing = false;
        self.seek(before.checked_sub(1).map_or(0, |stop| self.stops[stop]));
    }

    /// Goes to a moment, or to the end.
    pub(super) fn seek(&mut self, moment: u32) {
        self.moment = moment.min(self.events);
        self.fraction = 0.0;
    }

    /// Goes forwards by so many hundredths of the session, by one event at least, or backwards when negative.
    pub(super) fn seek_by(&mut self, percent: i32) {
        let distance = (i64::from(self.events) * i64::from(percent.unsigned_abs())).div_euclid(100).max(1);
        let moment = i64::from(self.moment) + distance * i64::from(percent.signum());
        self.seek(moment.clamp(0, i64::from(self.events)) as u32);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Player;

    fn second() -> Duration {
        Duration::from_secs(1)
    }

    #[test]
    fn time_passes_at_the_speed_asked_for() {
        let mut player = Player::new(100, vec![0, 100]);
        player.advance(second());
        assert_eq!(player.moment(), 12);
        player.faster();
        player.advance(second());
        assert_eq!((player.moment(), player.speed().as_str()), (36, "2×"));
        (0..9).for_each(|_| player.slower());
        player.advance(second());
        assert_eq!((player.moment(), player.speed().as_str()), (39, "1/4×"));
    }

    #[test]
    fn short_moments_add_up() {
        let mut player = Player::new(100, vec![0, 100]);
        (0..1000).for_each(|_| player.advance(Duration::from_millis(1)));
        assert!((11..=12).contains(&player.moment()), "{}", player.moment());
    }

    #[test]
    fn it_stops_at_the_end_and_begins_again_from_there() {
        let mut player = Player::new(10, vec![0, 10]);
        player.advance(second());
        assert_eq!((player.moment(), player.is_playing()), (10, false));
        player.advance(second());
        player.toggle();
        assert_eq!((player.moment(), player.is_playing()), (0, true));
        player.toggle();
        player.advance(second());
        assert_eq!((player.moment(), player.is_playing()), (0, false));
    }

    #[test]
    fn steps_stop_where_somebody_began_to_type() {
        let mut player = Player::new(20, vec![0, 7, 8, 20]);
        let mut visited = Vec::new();
        for _ in 0..4 {
            player.step_forward();
            visited.push(player.moment());
        }
        player.seek(12);
        for _ in 0..4 {
            player.step_back();
            visited.push(player.moment());
        }
        assert_eq!((visited, player.is_playing()), (vec![7, 8, 20, 20, 8, 7, 0, 0], false));
    }

    #[test]
    fn seeking_stays_within_the_session() {
        let mut player = Player::new(1000, vec![0, 1000]);
        player.seek_by(5);
        player.seek_by(5);
        assert_eq!(player.moment(), 100);
        player.seek_by(-50);
        assert_eq!(player.moment(), 0);
        player.seek(u32::MAX);
        assert_eq!(player.moment(), 1000);
        let mut short = Player::new(3, vec![0, 3]);
        short.seek_by(5);
        assert_eq!(short.moment(), 1);
    }

    #[test]
    fn a_long_session_begins_fast() {
        assert_eq!(Player::new(100, vec![]).speed(), "1×");
        assert_eq!(Player::new(26_078, vec![]).speed(), "32×");
        assert_eq!(Player::new(0, vec![0]).speed(), "1×");
        assert_eq!(Player::new(u32::MAX, vec![]).speed(), "4096×");
    }

    #[test]
    fn nothing_to_play_is_played_already() {
        let mut player = Player::new(0, vec![0]);
        player.advance(second());
        player.toggle();
        player.step_forward();
        player.step_back();
        player.seek_by(-5);
        assert_eq!((player.moment(), player.is_playing()), (0, false));
    }
}
