//! Who may do what: tokens, what hosts have said about their holders, and passes.
//!
//! Knows hashes of tokens, rooms by name, and rights. Everybody who asks gets the answer of now; whoever holds a
//! connection hears of each change and asks again.
//!
//! A token of a file is somebody's own: what a host says about its holder holds for the token. A token of a join line
//! is shared, so whoever comes by it is given a *pass*, a token of their own for this room, to come back with. What a
//! host says about them holds for their pass, and the join line is made anew, since it would let them in once more.
//! Nobody else notices: they come back by their own passes.
//!
//! What is said about a token of the file is for good, so the store keeps it ([`Access::said`]); passes and join lines end with
//! the server that made them.

use std::collections::VecDeque;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use tokio::sync::watch;

use crate::planted::planted;
use crate::rights::Rights;
use crate::room::RoomName;
use crate::token::{Token, TokenHash};
use crate::tokens::{Grant, Scope};
use crate::wire::Refusal;

/// Passes that are remembered, a hundred bytes each. Who has lost theirs comes in by the join line again.
const MAX_PASSES: usize = 4096;
/// What hosts have said about tokens, at most.
const MAX_RESTRICTIONS: usize = 4096;

/// Who may do what on one server. Clones are the same.
#[derive(Clone, Debug)]
pub struct Access {
    state: Arc<RwLock<State>>,
    changed: Arc<watch::Sender<()>>,
}

#[derive(Debug, Default)]
struct State {
    /// What those may do who have no token.
    anonymous: Option<Rights>,
    grants: Vec<Grant>,
    /// Those of join lines, which many may hold.
    invitations: Vec<Invitation>,
    passes: VecDeque<Pass>,
    /// What hosts have said about tokens of the file; `None`: removed.
    restrictions: Vec<(TokenHash, RoomName, Option<Rights>)>,
    gives_passes: bool,
}

/// A token of a join line.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Invitation {
    /// Where it leads.
    pub room: RoomName,
    /// What whoever comes by it may do.
    pub rights: Rights,
    /// The secret.
    pub token: Token,
}

#[derive(Debug)]
struct Pass {
    hash: TokenHash,
    room: RoomName,
    rights: Rights,
}

/// Who somebody has shown to be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Credential {
    Anonymous,
    Token(TokenHash),
}

impl Credential {
    pub(crate) fn of(token: Option<&Token>) -> Self {
        token.map_or(Self::Anonymous, |token| Self::Token(token.hash()))
    }
}

/// Why somebody may do nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Denied {
    /// A token is needed.
    Missing,
    /// There is no such token, or no more.
    Unknown,
    /// The token is for other rooms.
    Elsewhere,
    /// A host has said so.
    Removed,
}

impl Denied {
    pub(crate) fn code(self) -> Refusal {
        match self {
            Self::Missing | Self::Unknown => Refusal::Unauthorized,
            Self::Elsewhere => Refusal::Forbidden,
            Self::Removed => Refusal::Removed,
        }
    }

    pub(crate) fn reason(self) -> &'static str {
        match self {
            Self::Missing => "a token is needed here; ask the host for a join line",
            Self::Unknown => "the token is not known here, or no longer valid; ask the host for a new join line",
            Self::Elsewhere => "the token is for another room",
            Self::Removed => "the host has removed you",
        }
    }
}

impl Access {
    /// Whoever reaches the server may write. For loopback, and a server refuses to listen anywhere else with it.
    pub fn open() -> Self {
        Self::with(State { anonymous: Some(Rights::Write), ..State::default() })
    }

    /// Whoever has one of these tokens.
    pub fn tokens(grants: Vec<Grant>) -> Self {
        Self::with(State { grants, ..State::default() })
    }

    /// One room with a host: the token is theirs. With `by_line`, guests need the token of a join line, of which there
    /// is one for writing and one for reading; without, whoever reaches the server may write.
    ///
    /// # Errors
    /// The system has no randomness to give.
    pub fn hosted(room: &RoomName, by_line: bool) -> Result<(Self, Token), getrandom::Error> {
        let (host, token) = Grant::new(Scope::Room(room.clone()), Rights::Host, "host")?;
        let mut state = State { grants: vec![host], gives_passes: true, ..State::default() };
        if by_line {
            for rights in [Rights::Write, Rights::Read] {
                state.invitations.push(Invitation { room: room.clone(), rights, token: Token::random()? });
            }
        } else {
            state.anonymous = Some(Rights::Write);
        }
        Ok((Self::with(state), token))
    }

    fn with(state: State) -> Self {
        Self { state: Arc::new(RwLock::new(state)), changed: Arc::new(watch::Sender::new(())) }
    }

    /// These grants in the place of the former ones. Whoever holds one that is gone is shown out, whoever holds one
    /// that has changed has the new rights from their next message on.
    pub fn replace(&self, grants: Vec<Grant>) {
        let mut state = self.write();
        state.restrictions.retain(|(hash, ..)| grants.iter().any(|grant| grant.hash == *hash));
        state.grants = grants;
        drop(state);
        self.changed.send_replace(());
    }

    /// The tokens of join lines, as they are now.
    pub fn invitations(&self) -> Vec<Invitation> {
        self.read().invitations.clone()
    }

    /// Whether somebody without a token may do anything.
    pub(crate) fn is_open(&self) -> bool {
        self.read().anonymous.is_some()
    }

    /// What somebody may do in a room, as of now.
    pub(crate) fn rights(&self, credential: Credential, room: &RoomName) -> Result<Rights, Denied> {
        let state = self.read();
        let hash = match credential {
            Credential::Anonymous => return state.anonymous.ok_or(Denied::Missing),
            Credential::Token(hash) => hash,
        };
        let mut answer = Err(Denied::Unknown);
        // All of them, whichever fits: how long it takes says nothing about any.
        let passes = state.passes.iter().map(|pass| (pass.hash, pass.room == *room, pass.rights));
        let invitations = state.invitations.iter().map(|it| (it.token.hash(), it.room == *room, it.rights));
        let grants = state.grants.iter().map(|grant| (grant.hash, grant.scope.includes(room), grant.rights));
        for (known, is_here, rights) in grants.chain(invitations).chain(passes) {
            if known == hash {
                answer = if is_here || planted("scope") { Ok(rights) } else { Err(Denied::Elsewhere) };
            }
        }
        match state.restrictions.iter().find(|(known, name, _)| *known == hash && name == room) {
            Some((.., None)) if answer.is_ok() => Err(Denied::Removed),
            Some((.., Some(restricted))) => answer.map(|rights| rights.min(*restricted)),
            _ => answer,
        }
    }

    /// Whether somebody may see the numbers of the whole server.
    pub(crate) fn oversees(&self, credential: Credential) -> bool {
        let Credential::Token(hash) = credential else { return false };
        let oversees = |grant: &Grant| grant.hash == hash && grant.scope == Scope::All && grant.rights == Rights::Host;
        self.read().grants.iter().filter(|grant| oversees(grant)).count() > 0
    }

    /// A pass for somebody who has come by a join line, or by nothing, if passes are given here at all.
    pub(crate) fn pass_for(&self, credential: Credential, room: &RoomName, rights: Rights) -> Option<Token> {
        let mut state = self.write();
        let is_shared = match credential {
            Credential::Anonymous => true,
            Credential::Token(hash) => state.invitations.iter().any(|invitation| invitation.token.hash() == hash),
        };
        if !state.gives_passes || !is_shared {
            return None;
        }
        // Without randomness there is no pass, and what a host says holds for the connection alone.
        let token = Token::random().ok()?;
        if state.passes.len() >= MAX_PASSES {
            state.passes.pop_front();
        }
        state.passes.push_back(Pass { hash: token.hash(), room: room.clone(), rights });
        Some(token)
    }

    /// A host lets somebody do no more than this, or nothing at all. Gives the join lines that had to be made anew.
    pub(crate) fn restrict(&self, credential: Credential, room: &RoomName, to: Option<Rights>) -> Vec<Invitation> {
        let Credential::Token(hash) = credential else { return Vec::new() };
        let mut state = self.write();
        let pass = state.passes.iter_mut().find(|pass| pass.hash == hash && pass.room == *room);
        let had_pass = pass.is_some();
        match (pass, to) {
            (Some(pass), Some(rights)) => pass.rights = rights,
            (Some(_), None) => state.passes.retain(|pass| pass.hash != hash),
            (None, to) => {
                state.restrictions.retain(|(known, name, _)| *known != hash || name != room);
                if state.restrictions.len() < MAX_RESTRICTIONS && to != Some(Rights::Host) {
                    state.restrictions.push((hash, room.clone(), to));
                }
            }
        }
        let renewed = if had_pass { state.renew(room, to) } else { Vec::new() };
        drop(state);
        self.changed.send_replace(());
        renewed
    }

    /// What hosts have said about tokens of the file, a line each, for the store.
    pub(crate) fn said(&self) -> Vec<u8> {
        let line = |(hash, room, to): &(TokenHash, RoomName, Option<Rights>)| {
            format!("{hash} {room} {}\n", to.map_or("removed".to_owned(), |rights| rights.to_string()))
        };
        self.read().restrictions.iter().map(line).collect::<String>().into_bytes()
    }

    /// The same as it was kept, of tokens that are still there. A line that makes no sense is an error, for leaving it out
    /// would let somebody in.
    pub(crate) fn recall(&self, said: &[u8]) -> Result<(), String> {
        let mut state = self.write();
        for (number, line) in String::from_utf8_lossy(said).lines().enumerate() {
            let bad = || format!("what hosts have said is damaged in line {}", number + 1);
            let mut words = line.split(' ');
            let (Some(hash), Some(room), Some(to), None) = (words.next(), words.next(), words.next(), words.next())
            else {
                return Err(bad());
            };
            let hash: TokenHash = hash.parse().map_err(|_| bad())?;
            let room: RoomName = room.parse().map_err(|_| bad())?;
            let to = if to == "removed" { None } else { Some(to.parse().map_err(|_| bad())?) };
            if state.grants.iter().any(|grant| grant.hash == hash) {
                state.restrictions.push((hash, room, to));
            }
        }
        Ok(())
    }

    /// Hears of each change.
    pub(crate) fn changes(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    fn read(&self) -> RwLockReadGuard<'_, State> {
        // Whoever panicked while writing had replaced one part by another whole one.
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// New tokens for the join lines by which somebody could do more than this.
    fn renew(&mut self, room: &RoomName, to: Option<Rights>) -> Vec<Invitation> {
        let gives_more = |invitation: &&mut Invitation| {
            invitation.room == *room && to.is_none_or(|rights| invitation.rights > rights)
        };
        let mut renewed = Vec::new();
        for invitation in self.invitations.iter_mut().filter(gives_more) {
            // Without randomness the line stays closed: an old token would let them in again.
            let Ok(token) = Token::random() else { continue };
            invitation.token = token;
            renewed.push(invitation.clone());
        }
        renewed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn room(name: &str) -> RoomName {
        name.parse().unwrap()
    }

    fn by(token: &Token) -> Credential {
        Credential::of(Some(token))
    }

    #[test]
    fn a_token_opens_its_rooms_and_no_others() {
        let (ben, token) = Grant::new(Scope::Room(room("notes")), Rights::Read, "Ben").unwrap();
        let (ann, master) = Grant::new(Scope::All, Rights::Host, "Ann").unwrap();
        let access = Access::tokens(vec![ben, ann.clone()]);
        assert_eq!(access.rights(by(&token), &room("notes")), Ok(Rights::Read));
        assert_eq!(access.rights(by(&token), &room("plans")), Err(Denied::Elsewhere));
        assert_eq!(access.rights(by(&master), &room("plans")), Ok(Rights::Host));
        assert_eq!(access.rights(by(&Token::random().unwrap()), &room("notes")), Err(Denied::Unknown));
        assert_eq!(access.rights(Credential::Anonymous, &room("notes")), Err(Denied::Missing));
        assert!(access.oversees(by(&master)) && !access.oversees(by(&token)));

        let changes = access.changes();
        access.replace(vec![ann]);
        assert!(changes.has_changed().unwrap());
        assert_eq!(access.rights(by(&token), &room("notes")), Err(Denied::Unknown));
    }

    #[test]
    fn what_a_host_says_about_a_token_holds_in_that_room_until_it_is_taken_back() {
        let (ben, token) = Grant::new(Scope::All, Rights::Write, "Ben").unwrap();
        let access = Access::tokens(vec![ben.clone()]);
        assert!(access.restrict(by(&token), &room("notes"), Some(Rights::Read)).is_empty());
        assert_eq!(access.rights(by(&token), &room("notes")), Ok(Rights::Read));
        assert_eq!(access.rights(by(&token), &room("plans")), Ok(Rights::Write));
        access.replace(vec![ben]);
        assert_eq!(access.rights(by(&token), &room("notes")), Ok(Rights::Read), "the file says less than the host");
        access.restrict(by(&token), &room("notes"), Some(Rights::Write));
        assert_eq!(access.rights(by(&token), &room("notes")), Ok(Rights::Write));
        access.restrict(by(&token), &room("notes"), None);
        assert_eq!(access.rights(by(&token), &room("notes")), Err(Denied::Removed));
    }

    #[test]
    fn who_came_by_a_join_line_cannot_come_by_it_again_once_removed_and_others_can_come_back() {
        let notes = room("notes");
        let (access, host) = Access::hosted(&notes, true).unwrap();
        let [line, read_line] = &access.invitations()[..] else { panic!() };
        assert_eq!(access.rights(by(&line.token), &notes), Ok(Rights::Write));
        let [ben, cleo] = [(); 2].map(|()| access.pass_for(by(&line.token), &notes, Rights::Write).unwrap());
        assert!(access.pass_for(by(&host), &notes, Rights::Host).is_none(), "a host has a token already");
        assert!(access.pass_for(by(&ben), &notes, Rights::Write).is_none(), "one is enough");

        let renewed = access.restrict(by(&ben), &notes, Some(Rights::Read));
        assert_eq!((renewed.len(), renewed[0].rights), (1, Rights::Write), "the line for reading gives no more");
        assert_eq!(access.rights(by(&ben), &notes), Ok(Rights::Read));
        assert_eq!(access.rights(by(&cleo), &notes), Ok(Rights::Write));
        assert_eq!(access.rights(by(&line.token), &notes), Err(Denied::Unknown));
        assert_eq!(access.rights(by(&read_line.token), &notes), Ok(Rights::Read));

        assert_eq!(access.restrict(by(&ben), &notes, None).len(), 2);
        assert_eq!(access.rights(by(&ben), &notes), Err(Denied::Unknown));
        assert_eq!(access.rights(by(&read_line.token), &notes), Err(Denied::Unknown));
        assert_eq!(access.rights(by(&cleo), &notes), Ok(Rights::Write));
    }
}
