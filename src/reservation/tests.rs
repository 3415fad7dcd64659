//! The reservation in a model of the world: see `world`. `random` plays random runs, `crash` every crash of one gang,
//! `scripted` single answers one by one.

mod crash;
mod dice;
mod instance;
mod random;
mod scripted;
mod server;
mod world;
