//! Where a gang sits already: what it touches again costs nothing.

use crate::placement::tree::Tree;

/// Domains and nodes that hold pods of the gang already, counted, so that pods can be taken away again.
#[derive(Clone, Debug, Default)]
pub(in crate::placement) struct Touched {
    /// By domain and by position; empty until something is added.
    domains: Vec<u32>,
    nodes: Vec<u32>,
}

impl Touched {
    /// Notes pods on a node, and all domains around it.
    pub(in crate::placement) fn add(&mut self, tree: &Tree, position: usize, pods: u32) {
        if self.nodes.is_empty() {
            self.nodes.resize(tree.leaf.len(), 0);
        }
        self.nodes[position] += pods;
        self.add_domain(tree, tree.leaf[position], pods);
    }

    /// Notes pods somewhere in a domain, and all domains around it.
    pub(in crate::placement) fn add_domain(&mut self, tree: &Tree, domain: u32, pods: u32) {
        if self.domains.is_empty() {
            self.domains.resize(tree.len(), 0);
        }
        let mut at = domain;
        while at > 0 {
            self.domains[at as usize] += pods;
            at = tree.parent[at as usize];
        }
    }

    /// Takes back what [`Touched::add`] noted.
    pub(in crate::placement) fn remove(&mut self, tree: &Tree, position: usize, pods: u32) {
        self.nodes[position] -= pods;
        let mut at = tree.leaf[position];
        while at > 0 {
            self.domains[at as usize] -= pods;
            at = tree.parent[at as usize];
        }
    }

    /// Is the domain touched?
    pub(in crate::placement) fn domain(&self, domain: u32) -> bool {
        self.domains.get(domain as usize).is_some_and(|&pods| pods > 0)
    }

    /// All touched domains but the root, ascending.
    pub(in crate::placement) fn domains(&self) -> impl Iterator<Item = u32> + '_ {
        let touched = self.domains.iter().enumerate().filter(|&(_, &pods)| pods > 0);
        touched.map(|(domain, _)| domain as u32)
    }

    /// Positions of all touched nodes, ascending.
    pub(in crate::placement) fn nodes(&self) -> impl Iterator<Item = u32> + '_ {
        let touched = self.nodes.iter().enumerate().filter(|&(_, &pods)| pods > 0);
        touched.map(|(position, _)| position as u32)
    }

    /// Is the node touched?
    pub(in crate::placement) fn node(&self, position: u32) -> bool {
        self.nodes.get(position as usize).is_some_and(|&pods| pods > 0)
    }
}
