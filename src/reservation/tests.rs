//! The reservation in a model of the world: see `world`. `random` plays random runs, `crash` every crash of one gang,
//! `scripted` and `played` single answers one by one.

mod crash;
mod dice;
mod instance;
mod played;
mod random;
mod scripted;
mod server;
mod world;
