use super::*;
use crate::time::MS;
use shell::Stream;
use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr};

const A: Owner = Owner { machine: 1, life: 1 };
const B: Owner = Owner { machine: 2, life: 1 };

fn address(machine: u8, port: u16) -> SocketAddr {
    SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 0, 0, machine)), port)
}

struct World {
    time: Time,
    net: Network,
}

impl World {
    fn new() -> World {
        let time = Time::default();
        let weather = Weather { least_ns: MS, jitter_ns: 0, loss_ppm: 0 };
        let net = Network::new(time.clone(), weather, Rng::new(1));
        net.listen(address(2, 1), B, true);
        World { time, net }
    }

    fn wait(&self, ms: u64) {
        self.time.set(self.time.ns() + ms * MS);
    }

    fn calls(&self) -> Vec<Incoming> {
        let (mut happenings, mut calls) = (Vec::new(), Vec::new());
        self.net.happened(B, &mut happenings, &mut calls);
        calls
    }

    /// Both ends of a connection from A to B.
    fn pair(&self) -> (SimStream, SimStream) {
        let a = self.net.connect(A, address(1, 0), address(2, 1)).unwrap();
        self.wait(2);
        let b = self.calls().remove(0).stream;
        self.wait(2);
        (a, b)
    }
}

fn read(stream: &mut SimStream) -> Result<Vec<u8>, ErrorKind> {
    let mut buf = [0; 64];
    stream.read(&mut buf).map(|count| buf[..count].to_vec()).map_err(|error| error.kind())
}

#[test]
fn bytes_arrive_in_order_and_not_before_their_time() {
    let world = World::new();
    let (mut a, mut b) = world.pair();
    assert_eq!(a.peer_addr().unwrap(), address(2, 1));
    a.write_all(b"one").unwrap();
    a.write_all(b"two").unwrap();
    assert_eq!(read(&mut b), Err(ErrorKind::WouldBlock));
    world.wait(2);
    assert_eq!(read(&mut b).unwrap(), b"onetwo");
    drop(a);
    world.wait(2);
    assert_eq!(read(&mut b).unwrap(), b"", "the end");
}

#[test]
fn a_call_where_nobody_listens_is_refused_and_where_no_power_is_not_answered() {
    let world = World::new();
    let a = world.net.connect(A, address(1, 0), address(2, 9)).unwrap();
    assert_eq!(a.peer_addr().unwrap_err().kind(), ErrorKind::NotConnected);
    world.wait(3);
    assert_eq!(a.take_error().unwrap().map(|e| e.kind()), Some(ErrorKind::ConnectionRefused));
    world.net.died(B, false);
    let a = world.net.connect(A, address(1, 0), address(2, 1)).unwrap();
    world.wait(1000);
    assert!(a.take_error().unwrap().is_none());
    assert_eq!(a.peer_addr().unwrap_err().kind(), ErrorKind::NotConnected);
}

#[test]
fn a_cut_link_holds_back_what_is_sent_and_loses_nothing() {
    let world = World::new();
    let (mut a, mut b) = world.pair();
    world.net.change(1, 2, |link| link.cut = true);
    a.write_all(b"held").unwrap();
    b.write_all(b"back").unwrap();
    world.wait(5000);
    assert_eq!(read(&mut b), Err(ErrorKind::WouldBlock));
    assert_eq!(read(&mut a).unwrap(), b"back", "the other direction carries");
    world.net.change(1, 2, |link| link.cut = false);
    a.write_all(b", later").unwrap();
    world.wait(300);
    assert_eq!(read(&mut b).unwrap(), b"held, later");
}

#[test]
fn a_process_that_dies_resets_its_connections_and_a_machine_without_power_says_nothing() {
    let world = World::new();
    let (mut a, b) = world.pair();
    world.net.died(B, true);
    world.wait(2);
    assert_eq!(read(&mut a), Err(ErrorKind::ConnectionReset));
    drop(b);

    let world = World::new();
    let (mut a, _b) = world.pair();
    world.net.died(B, false);
    world.wait(2000);
    assert_eq!(read(&mut a), Err(ErrorKind::WouldBlock));
    a.write_all(b"anybody?").unwrap();
    world.net.powered(2);
    a.write_all(b"now?").unwrap();
    world.wait(2);
    assert_eq!(read(&mut a), Err(ErrorKind::ConnectionReset), "a machine that is back knows of nothing");
}

#[test]
fn a_new_connection_overtakes_an_old_one() {
    let world = World::new();
    let (mut old, mut old_b) = world.pair();
    world.net.change(1, 2, |link| link.slow_ns = 50 * MS);
    old.write_all(b"late").unwrap();
    world.net.change(1, 2, |link| link.slow_ns = 0);
    let (mut new, mut new_b) = world.pair();
    new.write_all(b"early").unwrap();
    world.wait(2);
    assert_eq!(
        (read(&mut new_b).unwrap(), read(&mut old_b)),
        (b"early".to_vec(), Err(ErrorKind::WouldBlock))
    );
    world.wait(100);
    assert_eq!(read(&mut old_b).unwrap(), b"late");
}

#[test]
fn a_full_pipe_makes_its_sender_wait() {
    let world = World::new();
    let (mut a, mut b) = world.pair();
    world.net.watch(&a, 7);
    let mut sent = 0;
    while a.write(&[1; 65536]).is_ok() {
        sent += 65536;
        assert!(sent < 1 << 20, "there is a bound");
    }
    world.wait(2);
    let mut buf = vec![0; 1 << 20];
    assert_eq!(b.read(&mut buf).unwrap(), sent);
    world.wait(2);
    let (mut happenings, mut calls) = (Vec::new(), Vec::new());
    world.net.happened(A, &mut happenings, &mut calls);
    assert!(happenings.iter().any(|h| h.token == 7 && h.ready.writable), "{happenings:?}");
}
