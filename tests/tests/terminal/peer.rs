//! Somebody who joins by the library and not by the editor: says what no editor would, and knows what was acknowledged.

use cede::{AgentId, Bias, Chars, Session};
use cede_net::client::{Client, Link, Target};
use cede_net::presence::{Color, Identity, Presence};
use cede_tests::terminal::PATIENCE;
use tokio::runtime::Runtime;
use tokio::time::timeout;

/// Its connection lives only while it waits for something.
pub(crate) struct Peer {
    session: Session,
    link: Link,
    client: Client,
    // Last, so that the client goes while its runtime is there.
    runtime: Runtime,
}

impl Peer {
    pub(crate) fn join(url: &str, name: &str, agent: u128) -> Self {
        let runtime = Runtime::new().expect("a runtime");
        let client = {
            let _inside = runtime.enter();
            Client::spawn(Target::parse(url).expect("a URL"))
        };
        let link = Link::new(Identity { name: name.into(), color: Color(200, 40, 40) });
        Self { session: Session::new(AgentId::new(agent)), link, client, runtime }
    }

    /// Types at the caret, which others are shown.
    pub(crate) fn type_text(&mut self, text: &str) {
        let caret = self.session.caret::<Chars>();
        self.session.insert(caret, text).expect("the caret is in the text");
        let caret = self.session.caret::<Chars>();
        let caret = self.session.anchor(caret, Bias::Left).expect("the caret is in the text");
        self.link.set_presence(Presence { caret: Some(caret), selection: None });
    }

    /// Waits until everything typed here is on the server's disk.
    pub(crate) fn wait_until_acknowledged(&mut self) {
        self.wait_for("acknowledgement", |session, link| link.unacknowledged(session) == 0);
    }

    pub(crate) fn wait_for(&mut self, what: &str, done: impl Fn(&Session, &Link) -> bool) {
        let Self { session, link, client, runtime } = self;
        let waiting = async {
            client.send(link.flush(session));
            while !done(session, link) {
                let incoming = client.next().await.expect("a client runs until it is closed or refused");
                link.handle(session, incoming).expect("an honest server");
                client.send(link.flush(session));
            }
        };
        let waited = runtime.block_on(async { timeout(PATIENCE, waiting).await });
        assert!(waited.is_ok(), "waited for {what}; {:?}, text {:?}", link.state(), session.text().to_string());
    }

    pub(crate) fn text(&self) -> String {
        self.session.text().to_string()
    }
}
