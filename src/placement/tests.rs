//! The solver against brute force, exact references and an independent judge.

mod brute;
mod hypotheses;
mod index;
mod mixed;
mod optimal;
mod reference;
mod shapes;
mod shortfalls;
mod tables;
mod ties;
mod world;
