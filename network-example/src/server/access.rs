//! Who may do what: tokens, what hosts have said about their holders, and passes.
//!
//! Knows hashes of tokens, rooms by name, and rights. Everybody who asks gets the answer of now; whoever holds a
//! connection hears of each change and asks again.
//!
//! A token of a file is somebody's own: what a host says about its holder holds for the token. A token of a join line
//! is shared, so whoever comes by it is given a *pass*, a token of their own for this room, to come back with. What a
//! host says about them holds for their pass, and the join line is made anew, since it would let them in once more.
//! So would a second pass, which whoever joins twice has: with the line go all passes of the room that let their holder
//! do more and that no member holds just then. Who is in notices nothing. Who has come by a line and is away at that
//! moment needs the new line, which the host has.
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

/// Passes that are remembered, a hundred bytes each; more only while more members hold one. Who is away and has lost theirs
/// comes in by the join line again.
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
    held: HeldPass,
}

impl Pass {
    /// Whether somebody is in by it.
    fn is_held(&self) -> bool {
        Arc::strong_count(&self.held.0) > 1
    }
}

/// Whoever is in by a pass has a clone of its own, so that a pass knows whether it is needed.
#[derive(Clone, Debug, Default)]
pub(crate) struct HeldPass(Arc<()>);

/// Somebody is let in.
#[derive(Debug)]
pub(crate) struct Admitted {
    /// Who they are from here on.
    pub(crate) credential: Credential,
    pub(crate) rights: Rights,
    /// What has been made for them to come back by.
    pub(crate) pass: Option<Token>,
    pub(crate) held: Option<HeldPass>,
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
        self.read().rights(credential, room)
    }

    /// Whether somebody may see the numbers of the whole server.
    pub(crate) fn oversees(&self, credential: Credential) -> bool {
        let Credential::Token(hash) = credential else { return false };
        let oversees = |grant: &Grant| grant.hash == hash && grant.scope == Scope::All && grant.rights == Rights::Host;
        self.read().grants.iter().filter(|grant| oversees(grant)).count() > 0
    }

    /// Lets somebody in who has a place in a room. Whoever has come by a join line, or by nothing, gets a pass, if passes are
    /// given here at all.
    pub(crate) fn admit(&self, credential: Credential, room: &RoomName) -> Result<Admitted, Denied> {
        let mut state = self.write();
        let rights = state.rights(credential, room)?;
        let pass = if state.gives_passes && state.is_shared(credential) {
            // Without randomness there is no pass, and what a host says holds for the connection alone.
            Token::random().ok()
        } else {
            None
        };
        let credential = pass.as_ref().map_or(credential, |pass| Credential::of(Some(pass)));
        let held = match pass.as_ref().map(Token::hash) {
            Some(hash) => Some(state.remember(hash, room, rights)),
            None => state.pass_of(credential, room).map(|pass| pass.held.clone()),
        };
        Ok(Admitted { credential, rights, pass, held })
    }

    /// A host lets somebody do no more than this, or nothing at all. Gives the join lines that had to be made anew; `None` when
    /// that is so already. The room tells those whom it concerns.
    pub(crate) fn restrict(
        &self,
        credential: Credential,
        room: &RoomName,
        to: Option<Rights>,
    ) -> Option<Vec<Invitation>> {
        let Credential::Token(hash) = credential else { return None };
        let mut state = self.write();
        if state.grants.iter().any(|grant| grant.hash == hash) {
            return state.restrict_grant(hash, room, to).then(Vec::new);
        }
        if to.is_some() && state.pass_of(credential, room).is_some_and(|pass| Some(pass.rights) == to) {
            return None;
        }
        Some(state.restrict_guest(hash, room, to))
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

    #[cfg(test)]
    pub(crate) fn passes(&self) -> usize {
        self.read().passes.len()
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
    fn rights(&self, credential: Credential, room: &RoomName) -> Result<Rights, Denied> {
        let hash = match credential {
            Credential::Anonymous => return self.anonymous.ok_or(Denied::Missing),
            Credential::Token(hash) => hash,
        };
        let mut answer = Err(Denied::Unknown);
        // All of them, whichever fits: how long it takes says nothing about any.
        let passes = self.passes.iter().map(|pass| (pass.hash, pass.room == *room, pass.rights));
        let invitations = self.invitations.iter().map(|it| (it.token.hash(), it.room == *room, it.rights));
        let grants = self.grants.iter().map(|grant| (grant.hash, grant.scope.includes(room), grant.rights));
        for (known, is_here, rights) in grants.chain(invitations).chain(passes) {
            if known == hash {
                answer = if is_here || planted("scope") { Ok(rights) } else { Err(Denied::Elsewhere) };
            }
        }
        match self.restrictions.iter().find(|(known, name, _)| *known == hash && name == room) {
            Some((.., None)) if answer.is_ok() => Err(Denied::Removed),
            Some((.., Some(restricted))) => answer.map(|rights| rights.min(*restricted)),
            _ => answer,
        }
    }

    /// Whether several may come by this.
    fn is_shared(&self, credential: Credential) -> bool {
        match credential {
            Credential::Anonymous => true,
            Credential::Token(hash) => self.invitations.iter().any(|invitation| invitation.token.hash() == hash),
        }
    }

    fn pass_of(&self, credential: Credential, room: &RoomName) -> Option<&Pass> {
        let is_it = |pass: &&Pass| Credential::Token(pass.hash) == credential && pass.room == *room;
        self.passes.iter().find(is_it)
    }

    /// A new pass. The oldest that nobody is in by makes room for it.
    fn remember(&mut self, hash: TokenHash, room: &RoomName, rights: Rights) -> HeldPass {
        if self.passes.len() >= MAX_PASSES
            && let Some(oldest) = self.passes.iter().position(|pass| !pass.is_held())
        {
            self.passes.remove(oldest);
        }
        let held = HeldPass::default();
        self.passes.push_back(Pass { hash, room: room.clone(), rights, held: held.clone() });
        held
    }

    /// Whether that is news.
    fn restrict_grant(&mut self, hash: TokenHash, room: &RoomName, to: Option<Rights>) -> bool {
        if let Some((.., former)) = self.restrictions.iter_mut().find(|(known, name, _)| *known == hash && name == room)
        {
            return std::mem::replace(former, to) != to;
        }
        let has_room = self.restrictions.len() < MAX_RESTRICTIONS;
        if has_room {
            self.restrictions.push((hash, room.clone(), to));
        }
        has_room
    }

    /// Of somebody who came by a line, whether their pass is still known or not: by the line, or by another pass of theirs,
    /// they would do more once again.
    fn restrict_guest(&mut self, hash: TokenHash, room: &RoomName, to: Option<Rights>) -> Vec<Invitation> {
        let gives_more = |rights: Rights| to.is_none_or(|to| rights > to);
        self.passes.retain_mut(|pass| {
            if pass.room != *room {
                return true;
            }
            if pass.hash == hash {
                pass.rights = to.unwrap_or(pass.rights);
                return to.is_some();
            }
            pass.is_held() || !gives_more(pass.rights)
        });
        self.renew(room, to)
    }

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
        assert_eq!(access.restrict(by(&token), &room("notes"), Some(Rights::Read)), Some(Vec::new()));
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
        let [ben, cleo] = [(); 2].map(|()| access.admit(by(&line.token), &notes).unwrap());
        let [(ben, _ben), (cleo, _cleo)] = [ben, cleo].map(|guest| (guest.pass.unwrap(), guest.held));
        assert!(access.admit(by(&host), &notes).unwrap().pass.is_none(), "a host has a token already");
        assert!(access.admit(by(&ben), &notes).unwrap().pass.is_none(), "one is enough");

        let renewed = access.restrict(by(&ben), &notes, Some(Rights::Read)).unwrap();
        assert_eq!((renewed.len(), renewed[0].rights), (1, Rights::Write), "the line for reading gives no more");
        assert_eq!(access.rights(by(&ben), &notes), Ok(Rights::Read));
        assert_eq!(access.rights(by(&cleo), &notes), Ok(Rights::Write));
        assert_eq!(access.rights(by(&line.token), &notes), Err(Denied::Unknown));
        assert_eq!(access.rights(by(&read_line.token), &notes), Ok(Rights::Read));

        assert_eq!(access.restrict(by(&ben), &notes, None).unwrap().len(), 2);
        assert_eq!(access.rights(by(&ben), &notes), Err(Denied::Unknown));
        assert_eq!(access.rights(by(&read_line.token), &notes), Err(Denied::Unknown));
        assert_eq!(access.rights(by(&cleo), &notes), Ok(Rights::Write));
    }

    /// Catches orders that are kept and told over and over, at the cost of everybody else's acks.
    #[test]
    fn an_order_that_changes_nothing_is_none() {
        let notes = room("notes");
        let (ben, token) = Grant::new(Scope::All, Rights::Write, "Ben").unwrap();
        let access = Access::tokens(vec![ben]);
        let changes = access.changes();
        for (to, is_news) in [(Some(Rights::Read), true), (Some(Rights::Read), false), (None, true), (None, false)] {
            assert_eq!(access.restrict(by(&token), &notes, to).is_some(), is_news, "{to:?}");
        }
        assert!(!changes.has_changed().unwrap(), "whoever is in another room has no reason to look");

        let (access, _) = Access::hosted(&notes, true).unwrap();
        let guest = access.admit(by(&access.invitations()[0].token), &notes).unwrap();
        assert!(access.restrict(guest.credential, &notes, Some(Rights::Write)).is_none());
        assert!(access.restrict(guest.credential, &notes, Some(Rights::Read)).is_some());
        assert!(access.restrict(guest.credential, &notes, Some(Rights::Read)).is_none());
    }

    /// Catches a guest who joins twice by the line, leaves with one pass, and comes in by that when the other is shown out or
    /// made a reader.
    #[test]
    fn a_second_pass_ends_with_the_restriction_of_the_first_and_those_who_are_in_keep_theirs() {
        for (to, others) in [(None, Err(Denied::Unknown)), (Some(Rights::Read), Err(Denied::Unknown))] {
            let notes = room("notes");
            let (access, _) = Access::hosted(&notes, true).unwrap();
            let line = access.invitations()[0].token.clone();
            let [first, second, cleo] = [(); 3].map(|()| access.admit(by(&line), &notes).unwrap());
            let kept = second.credential;
            drop(second);
            assert_eq!(access.rights(kept, &notes), Ok(Rights::Write), "who is away can come back");
            let again = access.admit(kept, &notes).unwrap();
            assert!(again.pass.is_none() && again.held.is_some());
            drop(again);
            access.restrict(first.credential, &notes, to).unwrap();
            assert_eq!(access.rights(kept, &notes), others, "{to:?}");
            assert_eq!(access.rights(cleo.credential, &notes), Ok(Rights::Write));
            assert_eq!(access.rights(by(&line), &notes), Err(Denied::Unknown));
            let anew = access.invitations()[0].token.clone();
            assert_eq!(access.rights(by(&anew), &notes), Ok(Rights::Write), "an honest guest asks for the new line");
        }
    }

    /// Catches a crowd of joins that pushes out the pass of somebody who is in, and a line that stays open because of it.
    #[test]
    fn no_number_of_joins_pushes_out_who_is_in_or_keeps_a_line_open() {
        let notes = room("notes");
        let (access, _) = Access::hosted(&notes, true).unwrap();
        let line = access.invitations()[0].token.clone();
        let [ben, cleo] = [(); 2].map(|()| access.admit(by(&line), &notes).unwrap());
        for _ in 0..MAX_PASSES + 10 {
            access.admit(by(&line), &notes).unwrap();
        }
        assert_eq!(access.read().passes.len(), MAX_PASSES);
        assert_eq!(access.rights(ben.credential, &notes), Ok(Rights::Write));
        access.restrict(ben.credential, &notes, None).unwrap();
        assert_eq!(access.rights(ben.credential, &notes), Err(Denied::Unknown));
        assert_eq!(access.rights(by(&line), &notes), Err(Denied::Unknown), "the line is made anew");
        assert_eq!(access.rights(cleo.credential, &notes), Ok(Rights::Write));

        // Nobody knows a pass any more that was taken back from its other holder.
        let line = access.invitations()[0].token.clone();
        access.restrict(ben.credential, &notes, None).unwrap();
        assert_eq!(access.rights(by(&line), &notes), Err(Denied::Unknown));
    }
}
