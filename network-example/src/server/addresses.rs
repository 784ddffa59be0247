//! How many connections each address has.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Counts connections by address. Clones count together.
#[derive(Clone, Debug, Default)]
pub(crate) struct Addresses {
    counts: Arc<Mutex<HashMap<IpAddr, usize>>>,
}

/// One of them; counted until it is dropped.
#[derive(Debug)]
pub(crate) struct Counted {
    addresses: Addresses,
    address: IpAddr,
}

impl Addresses {
    /// One more for this address, unless it has that many.
    pub(crate) fn enter(&self, address: IpAddr, most: usize) -> Option<Counted> {
        let address = neighbourhood(address);
        let mut counts = self.counts();
        let count = counts.entry(address).or_default();
        if *count >= most {
            return None;
        }
        *count += 1;
        Some(Counted { addresses: self.clone(), address })
    }

    fn counts(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        // A count is whole between any two statements.
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let mut counts = self.addresses.counts();
        if let Some(count) = counts.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.address);
            }
        }
    }
}

/// Of IPv6 whoever has one address has 2⁶⁴ of them, so they count as one.
fn neighbourhood(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_so_many_and_gets_them_back() {
        let addresses = Addresses::default();
        let [near, neighbour, far] = ["2001:db8::1", "2001:db8::2", "192.0.2.1"].map(|text| text.parse().unwrap());
        let first = addresses.enter(near, 1).unwrap();
        assert!(addresses.enter(neighbour, 1).is_none(), "one subscriber");
        assert!(addresses.enter(far, 1).is_some());
        drop(first);
        assert!(addresses.enter(neighbour, 1).is_some());
        assert!(addresses.counts().is_empty(), "nothing is kept of who has gone");
    }
}
